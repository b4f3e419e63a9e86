"""NAS-Bench-201: the results of all 15,625 cells of a space on four datasets.

`query_nb201_trial_stats` returns trials as dicts, whose keys are those of `Nb201TrialStats`. The table is built once,
with ``retiarii benchmarks build nasbench201 FOLDER``, from the files that the authors publish (`Nb201Table`).
"""

from retiarii.benchmarks._tables._nats.nats_statistics import DATASETS
from retiarii.benchmarks.nasbench201._cell_codes import (
    AVG_POOL_3X3,
    CONV_1X1,
    CONV_3X3,
    NONE,
    PRIMITIVES,
    SKIP_CONNECT,
)
from retiarii.benchmarks.nasbench201._nb201_query import query_nb201_trial_stats
from retiarii.benchmarks.nasbench201._nb201_records import (
    Nb201IntermediateStats,
    Nb201TrialConfig,
    Nb201TrialStats,
)
from retiarii.benchmarks.nasbench201._nb201_table import Nb201Table

__all__ = [
    "AVG_POOL_3X3",
    "CONV_1X1",
    "CONV_3X3",
    "DATASETS",
    "NONE",
    "PRIMITIVES",
    "SKIP_CONNECT",
    "Nb201IntermediateStats",
    "Nb201Table",
    "Nb201TrialConfig",
    "Nb201TrialStats",
    "query_nb201_trial_stats",
]
