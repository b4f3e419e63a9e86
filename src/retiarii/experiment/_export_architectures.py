"""The best trials of an experiment, for `RetiariiExperiment.export_top_models`."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from retiarii.errors import ConfigError
from retiarii.space import Architecture
from retiarii.trial import Direction, Objective, Objectives, Trial, TrialState

if TYPE_CHECKING:
    from retiarii.storage import ExperimentRecord, Store

FORMATTERS = ("dict", "instance", "code", "graph")


def check_format(formatter: Any, *, weights: bool) -> None:
    """Check the arguments of ``export_top_models``.

    Raises:
        ConfigError: An argument is invalid.
    """
    if formatter not in FORMATTERS:
        raise ConfigError(f"formatter is {formatter!r}, expected one of {list(FORMATTERS)}.")
    if weights and formatter != "instance":
        raise ConfigError(
            f"weights=True needs formatter='instance', and formatter is {formatter!r}. For others, load the file "
            "that experiment.checkpoint(trial.number) names."
        )


def best_trials(
    store: Store, record: ExperimentRecord, top_k: Any, optimize_mode: Any, by: str | None = None
) -> list[Trial]:
    """Return the best completed trials: feasible trials first, then by a metric, then by number.

    Args:
        store: The store of the experiment.
        record: The experiment.
        top_k: The maximum number of trials.
        optimize_mode: ``"maximize"`` or ``"minimize"``; None as in the search.
        by: The metric; None for the first objective.

    Raises:
        ConfigError: ``top_k``, ``optimize_mode`` or ``by`` is invalid.
    """
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise ConfigError(f"top_k is {top_k!r}, expected a whole number, 1 or more.")
    try:
        given = None if optimize_mode is None else Direction(optimize_mode)
    except ValueError:
        raise ConfigError(f"optimize_mode is {optimize_mode!r}, expected 'maximize' or 'minimize'.") from None
    if by is None or by == record.objectives.primary.metric:
        return store.best_trials(record.id, top_k, given or record.direction)
    ranking = Objectives((Objective(by, given or _direction_of(by, record.objectives)),))
    completed = store.iter_trials(record.id, states=[TrialState.COMPLETED])
    keyed = ((key, trial) for trial in completed if (key := ranking.rank(trial)) is not None)
    return [trial for _, trial in heapq.nsmallest(top_k, keyed, key=lambda pair: pair[0])]


def _direction_of(metric: str, objectives: Objectives) -> Direction:
    for objective in objectives:
        if objective.metric == metric:
            return objective.direction
    raise ConfigError(
        f"by is {metric!r}, which is none of the objectives {list(objectives.names)}. Name one of them, or say with "
        "optimize_mode which values are better."
    )


def nothing_to_export(store: Store, record: ExperimentRecord, *, is_one_shot: bool) -> str:
    """Return the message for an experiment without completed trials."""
    if is_one_shot and not any(store.count_trials(record.id).values()):
        return (
            f"The supernet of experiment {record.id} is not trained to the end yet, so there is nothing to export. "
            f"Go on with: {store.command(f'resume {record.id}')}"
        )
    return (
        f"Experiment {record.id} has no completed trial, so there is nothing to export. "
        f"`{store.command(f'show {record.id}')}` lists what failed and why."
    )


def model_part(record: ExperimentRecord, architecture: Architecture) -> Architecture:
    """Return an architecture without the choices of the evaluator's arguments."""
    return architecture.restricted(set(architecture).difference(record.config["evaluator_labels"]))
