"""`TrialContext`: the data of a trial that an evaluation can ask for."""

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
"""The name of the parameter with which an evaluation asks for its context."""


def _ignore(metrics: Metrics) -> None:
    pass


@dataclass(frozen=True)
class TrialContext:
    """The number, seed, fidelity and folders of the trial that an evaluation belongs to.

    Evaluators get it as ``evaluate(self, model, context)``, functions as a parameter named ``context``.

    Attributes:
        number: The trial's number in the experiment.
        seed: The seed of all randomness in the trial, 0 <= seed < 2**64.
        architecture: The evaluated architecture, including the choices of the evaluator's arguments.
        fidelity: How much training the trial gets in all, including that of its parent; empty if the evaluator decides.
        device: The device to compute on, as ``torch.device`` takes it: ``"cpu"`` or ``"cuda"``.
        folder: The folder for the trial's files, such as those that a later trial needs to continue it. None if no
            files are kept.
        parent: The number of the trial that this one continues; None if it starts from new weights.
        parent_folder: The folder of that trial. A file that the parent did not write, or that was not kept, is missing
            in it: opening it raises FileNotFoundError, and the trial fails instead of starting from new weights.
        parent_fidelity: How much training that trial got; empty without a parent, or if the evaluator decided.
        origin_seed: The seed of the trial with which the training began: of the parent, or of the parent's parent, and
            so on; None if it began with this trial.
        objectives: The names of the metrics by which trials are compared; a plain number counts as ``"default"``.
        on_report: The function that `report` calls with the metrics.
    """

    number: int = 0
    seed: int = 0
    architecture: Architecture = field(default_factory=lambda: Architecture({}))
    fidelity: Fidelity = FULL
    device: str = "cpu"
    folder: Path | None = None
    parent: int | None = None
    parent_folder: Path | None = None
    parent_fidelity: Fidelity = FULL
    origin_seed: int | None = None
    objectives: tuple[str, ...] = (DEFAULT,)
    on_report: Callable[[Metrics], None] = field(default=_ignore, repr=False, compare=False)

    def reporting_to(self, on_report: Callable[[Metrics], None]) -> TrialContext:
        """Return the same context with another receiver of reports."""
        told = object.__new__(TrialContext)
        vars(told).update(vars(self), on_report=on_report)  # dataclasses.replace() takes longer than many an evaluation
        return told

    def report(self, metric: MetricValue) -> None:
        """Report intermediate metrics, for example after an epoch, like `retiarii.report_intermediate_result`.

        Args:
            metric: A number, or a mapping from names to numbers. NaN is allowed.

        Raises:
            MetricError: ``metric`` is neither a number nor such a mapping.
            TrialPruned: The search ends this trial. Do not catch it; the reported metrics count.
        """
        self.on_report(parse_metrics(metric, where="the intermediate result"))


def asks_for_context(function: Callable[..., Any]) -> bool:
    """Return whether a function has a parameter named ``context`` that can be passed by keyword."""
    plain = getattr(function, "__func__", function)  # of a method
    return _asks(plain) if isinstance(plain, FunctionType) else _asks.__wrapped__(plain)


@lru_cache(maxsize=64)
def _asks(function: Callable[..., Any]) -> bool:
    try:
        return _has_context(getattr(function, "__func__", function))
    except TypeError:  # a callable object that cannot be a key
        return _has_context.__wrapped__(function)


@lru_cache(maxsize=256)  # inspecting a signature takes longer than many evaluations
def _has_context(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some built-in callables have no signature
        return False
    found = parameters.get(CONTEXT)
    return found is not None and found.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
