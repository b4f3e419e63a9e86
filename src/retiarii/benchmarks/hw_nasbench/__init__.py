"""HW-NAS-Bench: latency and energy of the cells of NAS-Bench-201 on six devices.

`query_hwnas_stats` returns the costs of a cell as a dict, whose keys are those of `HwNasStats`. The table is built
once, with ``retiarii benchmarks build hw_nasbench FILE``, from the pickle that the authors publish (`HwNasTable`).
"""

from retiarii.benchmarks.hw_nasbench._hardware_query import query_hwnas_stats
from retiarii.benchmarks.hw_nasbench._hardware_records import (
    HARDWARE_DATASETS,
    HARDWARE_METRICS,
    HwNasConfig,
    HwNasStats,
)
from retiarii.benchmarks.hw_nasbench._hardware_table import HwNasTable

__all__ = ["HARDWARE_DATASETS", "HARDWARE_METRICS", "HwNasConfig", "HwNasStats", "HwNasTable", "query_hwnas_stats"]
