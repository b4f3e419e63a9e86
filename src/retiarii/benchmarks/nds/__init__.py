"""NDS: trainings of over 100,000 networks, drawn at random from the design spaces of ten papers.

`query_nds_trial_stats` returns trials as dicts, whose keys are those of `NdsTrialStats`. The table is built once, with
``retiarii benchmarks download nds`` and ``retiarii benchmarks build nds FILE`` (`NdsTable`).
"""

from retiarii.benchmarks.nds._nds_operators import (
    AVG_POOL_3X3,
    CONV_1X1,
    CONV_3X1_1X3,
    CONV_3X3,
    CONV_7X1_1X7,
    DIL_CONV_3X3,
    DIL_CONV_5X5,
    DIL_SEP_CONV_3X3,
    MAX_POOL_3X3,
    MAX_POOL_5X5,
    MAX_POOL_7X7,
    NONE,
    SEP_CONV_3X3,
    SEP_CONV_5X5,
    SEP_CONV_7X7,
    SKIP_CONNECT,
)
from retiarii.benchmarks.nds._nds_query import query_nds_trial_stats
from retiarii.benchmarks.nds._nds_records import NdsIntermediateStats, NdsTrialConfig, NdsTrialStats
from retiarii.benchmarks.nds._nds_table import NdsTable

__all__ = [
    "AVG_POOL_3X3",
    "CONV_1X1",
    "CONV_3X1_1X3",
    "CONV_3X3",
    "CONV_7X1_1X7",
    "DIL_CONV_3X3",
    "DIL_CONV_5X5",
    "DIL_SEP_CONV_3X3",
    "MAX_POOL_3X3",
    "MAX_POOL_5X5",
    "MAX_POOL_7X7",
    "NONE",
    "SEP_CONV_3X3",
    "SEP_CONV_5X5",
    "SEP_CONV_7X7",
    "SKIP_CONNECT",
    "NdsIntermediateStats",
    "NdsTable",
    "NdsTrialConfig",
    "NdsTrialStats",
    "query_nds_trial_stats",
]
