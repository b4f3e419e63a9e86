"""Cost of architectures: parameters, FLOPs, memory and latency.

`profile` measures one network: parameters and FLOPs of each module, the memory of activations and of training, and, if
wanted, its latency. `profile_space` shows the range of costs in a space. `FlopsProfiler`, `ParamsProfiler` and
`ActivationProfiler` return the cost of each architecture of a model with choices, and a `LatencyTable` that of the
blocks of its networks: each is a function of an architecture, for constraints (`retiarii.at_most`), filters
(`RangeProfilerFilter`) and penalties (`ExpectationProfilerPenalty`). Costs are added up from parts that were measured
before (`retiarii.space.AdditiveCost`), so that thousands of architectures per second are checked while sampling.

The names ``"params"`` and ``"flops"`` of constraints and objectives are costs of the engine that builds networks
(`retiarii.nn.pytorch.engine`), and need nothing of this room.
"""

from retiarii.profiler._latency import Latency, measure_latency
from retiarii.profiler._latency_table import LatencyProfiler, LatencyTable, TableError
from retiarii.profiler._memory import inference_bytes, measured_training_bytes, saved_bytes_of_parts, training_bytes
from retiarii.profiler._network_profile import ModuleProfile, NetworkProfile, output_shapes, profile
from retiarii.profiler._profilers import (
    ActivationProfiler,
    ExpectationProfilerPenalty,
    FlopsProfiler,
    ParamsProfiler,
    Profiler,
    RangeProfilerFilter,
)
from retiarii.profiler._space_profile import CostRange, SpaceProfile, profile_space

__all__ = [
    "ActivationProfiler",
    "CostRange",
    "ExpectationProfilerPenalty",
    "FlopsProfiler",
    "Latency",
    "LatencyProfiler",
    "LatencyTable",
    "ModuleProfile",
    "NetworkProfile",
    "ParamsProfiler",
    "Profiler",
    "RangeProfilerFilter",
    "SpaceProfile",
    "TableError",
    "inference_bytes",
    "measure_latency",
    "measured_training_bytes",
    "output_shapes",
    "profile",
    "profile_space",
    "saved_bytes_of_parts",
    "training_bytes",
]
