"""NAS-Bench-101: the results of all 423,624 cells of at most 7 vertices and 9 edges on CIFAR-10.

`query_nb101_trial_stats` returns trials as dicts, whose keys are those of `Nb101TrialStats`. The table is built once,
with ``retiarii benchmarks build nasbench101 FILE``, from the file that the authors publish (`Nb101Table`).
"""

from retiarii.benchmarks.nasbench101._nb101_cells import (
    CONV1X1_BN_RELU,
    CONV3X3_BN_RELU,
    INPUT,
    MAXPOOL3X3,
    OUTPUT,
)
from retiarii.benchmarks.nasbench101._nb101_query import query_nb101_trial_stats
from retiarii.benchmarks.nasbench101._nb101_records import (
    Nb101IntermediateStats,
    Nb101TrialConfig,
    Nb101TrialStats,
)
from retiarii.benchmarks.nasbench101._nb101_table import Nb101Table

__all__ = [
    "CONV1X1_BN_RELU",
    "CONV3X3_BN_RELU",
    "INPUT",
    "MAXPOOL3X3",
    "OUTPUT",
    "Nb101IntermediateStats",
    "Nb101Table",
    "Nb101TrialConfig",
    "Nb101TrialStats",
    "query_nb101_trial_stats",
]
