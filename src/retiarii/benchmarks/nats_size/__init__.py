"""NATS-Bench's size space: the results of 32,768 networks that differ in the channels of five layers, on four datasets.

`query_nats_size_trial_stats` returns trials as dicts, whose keys are those of `NatsSizeTrialStats`. The table is built
once, with ``retiarii benchmarks build nats_size FOLDER``, from the files that the authors publish (`NatsSizeTable`).
"""

from retiarii.benchmarks.nats_size._layer_channels import CHANNELS, LAYERS
from retiarii.benchmarks.nats_size._nats_size_query import query_nats_size_trial_stats
from retiarii.benchmarks.nats_size._nats_size_records import (
    NatsSizeIntermediateStats,
    NatsSizeTrialConfig,
    NatsSizeTrialStats,
)
from retiarii.benchmarks.nats_size._nats_size_table import NatsSizeTable

__all__ = [
    "CHANNELS",
    "LAYERS",
    "NatsSizeIntermediateStats",
    "NatsSizeTable",
    "NatsSizeTrialConfig",
    "NatsSizeTrialStats",
    "query_nats_size_trial_stats",
]
