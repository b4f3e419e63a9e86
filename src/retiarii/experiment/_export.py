"""What an experiment exports: its best trials, and what becomes of their architectures."""

from __future__ import annotations

from typing import Any

from retiarii.errors import ConfigError
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord, Store
from retiarii.trial import Direction, Trial

FORMATTERS = ("dict", "instance", "code", "graph")


def check_format(formatter: Any, *, weights: bool) -> None:
    """Check the arguments of ``export_top_models``.

    Raises:
        ConfigError: One is impossible.
    """
    if formatter not in FORMATTERS:
        raise ConfigError(f"formatter is {formatter!r}, expected one of {list(FORMATTERS)}.")
    if weights and formatter != "instance":
        raise ConfigError(
            f"weights=True needs formatter='instance', and formatter is {formatter!r}. For others, load the file "
            "that experiment.checkpoint(trial.number) names."
        )


def best_trials(store: Store, record: ExperimentRecord, top_k: Any, optimize_mode: Any) -> list[Trial]:
    """Return the best completed trials, best first.

    Raises:
        ConfigError: ``top_k`` or ``optimize_mode`` is impossible.
    """
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise ConfigError(f"top_k is {top_k!r}, expected a whole number, 1 or more.")
    try:
        direction = record.direction if optimize_mode is None else Direction(optimize_mode)
    except ValueError:
        raise ConfigError(f"optimize_mode is {optimize_mode!r}, expected 'maximize' or 'minimize'.") from None
    return store.best_trials(record.id, top_k, direction)


def nothing_to_export(store: Store, record: ExperimentRecord, *, is_one_shot: bool) -> str:
    """Return the message for an experiment of which no trial completed."""
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
    """Leave out the choices of the evaluator's arguments."""
    return architecture.restricted(set(architecture).difference(record.config["evaluator_labels"]))
