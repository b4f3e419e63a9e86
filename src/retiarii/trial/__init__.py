"""Frozen records of what an experiment does: trials, their states, metrics and failures.

`Trial` is one evaluation of one architecture. It is a value: the experiment loop makes a new one for each change of
state and is the only one that writes them to the store; strategies are told finished ones. `Direction` says
whether a larger or a smaller metric is better. `BaseStrategy` is the base of multi-trial and one-shot strategies.
`TrialFiles` are the folders into which trials write, with the weights of the best. Nothing in this room imports torch.
"""

from retiarii.trial._base_strategy import BaseStrategy
from retiarii.trial._files import CHECKPOINT, SPARE, TrialFiles
from retiarii.trial._metrics import Metrics, MetricValue, default_metric, parse_metrics
from retiarii.trial._reports import Reports
from retiarii.trial._trial import Direction, Failure, FailureKind, Trial, TrialState

__all__ = [
    "CHECKPOINT",
    "SPARE",
    "BaseStrategy",
    "Direction",
    "Failure",
    "FailureKind",
    "MetricValue",
    "Metrics",
    "Reports",
    "Trial",
    "TrialFiles",
    "TrialState",
    "default_metric",
    "parse_metrics",
]
