"""`TrialContext`: what an evaluation may know about its trial, if it asks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any

from retiarii.space import Architecture
from retiarii.trial import DEFAULT, FULL, Fidelity, Metrics, MetricValue, parse_metrics

CONTEXT = "context"
"""The name of the parameter by which an evaluation asks for its context."""


def _ignore(metrics: Metrics) -> None:
    pass


@dataclass(frozen=True)
class TrialContext:
    """The trial that an evaluation belongs to.

    An evaluator gets it as ``evaluate(self, model, context)``, a function as a parameter with the name ``context``.

    Attributes:
        number: The trial's number in the experiment.
        seed: From which everything random in the trial follows, 0 <= seed < 2**64.
        architecture: What is evaluated, the choices of the evaluator's arguments included.
        fidelity: How much training the trial is given in all, that of its parent included; empty where the evaluator
            decides.
        device: Where to compute, as ``torch.device`` takes it: ``"cpu"`` or ``"cuda"``.
        folder: Where the trial may write files; what a later trial needs to continue is written here. None where no
            files are kept.
        parent: The number of the trial that this one continues; None where it starts anew.
        parent_folder: The folder of that trial. A file that the parent did not write, or that was not kept, is missing
            in it: opening it raises FileNotFoundError, and the trial fails rather than start anew.
        objectives: The names of the metrics by which trials are compared; a plain number counts as ``"default"``.
        on_report: What `report` calls.
    """

    number: int = 0
    seed: int = 0
    architecture: Architecture = field(default_factory=lambda: Architecture({}))
    fidelity: Fidelity = FULL
    device: str = "cpu"
    folder: Path | None = None
    parent: int | None = None
    parent_folder: Path | None = None
    objectives: tuple[str, ...] = (DEFAULT,)
    on_report: Callable[[Metrics], None] = field(default=_ignore, repr=False, compare=False)

    def reporting_to(self, on_report: Callable[[Metrics], None]) -> TrialContext:
        """Return the same context with another receiver of reports."""
        told = object.__new__(TrialContext)
        vars(told).update(vars(self), on_report=on_report)  # dataclasses.replace() takes longer than many an evaluation
        return told

    def report(self, metric: MetricValue) -> None:
        """Report metrics on the way, for example after an epoch; the same as `retiarii.report_intermediate_result`.

        Args:
            metric: A number, or a mapping from names to numbers. NaN is allowed.

        Raises:
            MetricError: ``metric`` is neither.
            TrialPruned: The search ends this trial here. Let it pass: what was reported counts.
        """
        self.on_report(parse_metrics(metric, where="the intermediate result"))


def asks_for_context(function: Callable[..., Any]) -> bool:
    """Return whether a function has a parameter with the name ``context`` that can be given by name."""
    plain = getattr(function, "__func__", function)  # of a method
    return _asks(plain) if isinstance(plain, FunctionType) else _asks.__wrapped__(plain)


@lru_cache(maxsize=64)
def _asks(function: Callable[..., Any]) -> bool:
    try:
        return _has_context(getattr(function, "__func__", function))
    except TypeError:  # a callable object that cannot be a key
        return _has_context.__wrapped__(function)


@lru_cache(maxsize=256)  # to look takes longer than many an evaluation
def _has_context(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some built-in callables have none
        return False
    found = parameters.get(CONTEXT)
    return found is not None and found.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
