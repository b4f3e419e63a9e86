"""Frozen records of what an experiment does: proposals, trials, their states, metrics, objectives and failures.

A `Proposal` is an architecture with its `Fidelity` (how much training its trial gets) and, where it continues an
earlier trial, its parent. A `Trial` is one evaluation of a proposal, as an immutable record: the experiment loop makes
a new one for each change of state, writes it to the store, and passes finished ones to the strategy. `Objectives` are
the metrics that a search improves; they rank trials. A `Constraint` (`at_most`, `at_least`) bounds a metric or a number
that follows from an architecture. `pareto_front` and `hypervolume` compare trials by several objectives. `BaseStrategy`
is the base of multi-trial and one-shot strategies. `TrialFiles` are the folders of trials, with the weights of the
best. `Clock` is the time source of an experiment. Nothing in this room imports torch.
"""

from retiarii.trial._base_strategy import BaseStrategy
from retiarii.trial._clock import SYSTEM_CLOCK, Clock, SimulatedClock, SystemClock
from retiarii.trial._constraints import Constraint, at_least, at_most, violation
from retiarii.trial._fidelity import FULL, Fidelity
from retiarii.trial._files import CHECKPOINT, CHECKPOINT_OF_KERAS, SPARE, TrialFiles
from retiarii.trial._metrics import DEFAULT, Metrics, MetricValue, parse_metrics
from retiarii.trial._objectives import Direction, Objective, Objectives, ObjectivesLike
from retiarii.trial._pareto import comparable, hypervolume, pareto_front
from retiarii.trial._proposal import Proposal
from retiarii.trial._reports import Reports
from retiarii.trial._trial import Failure, FailureKind, Trial, TrialState

__all__ = [
    "CHECKPOINT",
    "CHECKPOINT_OF_KERAS",
    "DEFAULT",
    "FULL",
    "SPARE",
    "SYSTEM_CLOCK",
    "BaseStrategy",
    "Clock",
    "Constraint",
    "Direction",
    "Failure",
    "FailureKind",
    "Fidelity",
    "MetricValue",
    "Metrics",
    "Objective",
    "Objectives",
    "ObjectivesLike",
    "Proposal",
    "Reports",
    "SimulatedClock",
    "SystemClock",
    "Trial",
    "TrialFiles",
    "TrialState",
    "at_least",
    "at_most",
    "comparable",
    "hypervolume",
    "pareto_front",
    "parse_metrics",
    "violation",
]
