"""Pareto fronts and hypervolumes of trials, computed by `moocore`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from retiarii.errors import ConfigError
from retiarii.trial._objectives import Objectives
from retiarii.trial._trial import Trial


def comparable(trials: Iterable[Trial], objectives: Objectives) -> list[tuple[Trial, tuple[float, ...]]]:
    """Return the completed trials that keep all constraints, each with its losses (smaller is better)."""
    feasible = (trial for trial in trials if trial.is_completed and trial.is_feasible)
    pairs = ((trial, objectives.losses(trial.metrics)) for trial in feasible)
    return [(trial, losses) for trial, losses in pairs if losses is not None]


def pareto_front(trials: Iterable[Trial], objectives: Objectives) -> list[Trial]:
    """Return the trials that no other trial dominates, that is, equals or beats in all objectives and beats in one.

    Only completed trials that keep the constraints on metrics are compared. Of trials with equal metrics the earliest
    is in the front.

    Args:
        trials: In the order of their numbers.
        objectives: One or several.

    Returns:
        The front, best first by the first objective.
    """
    import moocore  # importing it takes a second, and few experiments have several objectives

    pairs = comparable(trials, objectives)
    if not pairs:
        return []
    is_in_front = moocore.is_nondominated([losses for _, losses in pairs])
    return objectives.ranked(trial for (trial, _), is_in in zip(pairs, is_in_front, strict=True) if is_in)


def hypervolume(
    trials: Iterable[Trial], objectives: Objectives, reference: Sequence[float] | Mapping[str, float]
) -> float:
    """Return the volume of the part of objective space that trials dominate, up to a reference point.

    Args:
        trials: The trials; those that are not completed or break a constraint are skipped.
        objectives: One or several.
        reference: A value for each objective, worse than all values of interest: as a list in the order of the
            objectives, or by name.

    Raises:
        ConfigError: ``reference`` is not a number for each objective.
    """
    import moocore

    point = _point(objectives, reference)
    pairs = comparable(trials, objectives)
    return float(moocore.hypervolume([losses for _, losses in pairs], point)) if pairs else 0.0


def _point(objectives: Objectives, reference: Sequence[float] | Mapping[str, float]) -> list[float]:
    named = reference if isinstance(reference, Mapping) else dict(zip(objectives.names, reference, strict=False))
    losses = objectives.losses(named)
    if losses is None or len(reference) != len(objectives):
        raise ConfigError(
            f"reference is {reference!r}, expected a finite number for each of the objectives {list(objectives.names)}."
        )
    return list(losses)
