"""NAS-Bench-Macro: the results of all 6,561 networks of a MobileNet-like space on CIFAR-10.

`query_nbmacro_trial_stats` returns trials as dicts, whose keys are those of `NbMacroTrialStats`. The table is built
once, with ``retiarii benchmarks build nasbench_macro FILE``, from the file that the authors publish (`NbMacroTable`).
"""

from retiarii.benchmarks.nasbench_macro._macro_codes import BLOCKS, LAYERS
from retiarii.benchmarks.nasbench_macro._macro_query import (
    NbMacroTrialConfig,
    NbMacroTrialStats,
    query_nbmacro_trial_stats,
)
from retiarii.benchmarks.nasbench_macro._macro_table import NbMacroTable

__all__ = ["BLOCKS", "LAYERS", "NbMacroTable", "NbMacroTrialConfig", "NbMacroTrialStats", "query_nbmacro_trial_stats"]
