"""What an experiment exports: its best trials, and what becomes of their architectures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from torch import nn

from retiarii.errors import ConfigError, ExperimentError
from retiarii.execution import Engine
from retiarii.experiment._supernet_file import SUPERNET_FOLDER, load_supernet
from retiarii.experiment._weights import load_weights
from retiarii.graph import GraphEngine, Model
from retiarii.oneshot import OneShotStrategy, SearchRecord, Supernet
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord, Store
from retiarii.trial import Direction, Trial

logger = logging.getLogger(__name__)

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


def warn_if_undecided(store: Store, record: ExperimentRecord, trial: Trial) -> None:
    """Log that a one-shot search has not decided on what it found."""
    for epoch in store.list_epochs(record.id)[-1:]:
        message = SearchRecord.from_json(epoch.record).warning_about(trial.architecture)
        if message is not None:
            logger.warning(message)


def model_part(record: ExperimentRecord, architecture: Architecture) -> Architecture:
    """Leave out the choices of the evaluator's arguments."""
    return architecture.restricted(set(architecture).difference(record.config["evaluator_labels"]))


def networks(
    engine: Engine, trials: Sequence[Trial], store: Store, record: ExperimentRecord, *, with_weights: bool
) -> list[nn.Module]:
    """Return the networks of trials, with the weights that were kept of them or with new ones.

    Raises:
        ExperimentError: Weights were not saved or not kept.
    """
    built = [engine.build(model_part(record, trial.architecture)) for trial in trials]
    if with_weights:
        for network, trial in zip(built, trials, strict=True):
            load_weights(network, trial, store.trial_files(record.id), record)
    return built


def graphs(engine: GraphEngine, trials: Sequence[Trial], record: ExperimentRecord) -> list[Model]:
    """Return the graphs of trials, with their metrics."""
    found = []
    for trial in trials:
        graph = engine.graph(model_part(record, trial.architecture))
        graph.metric = trial.metric
        graph.intermediate_metrics.extend(trial.intermediates)
        found.append(graph)
    return found


def trained_supernet(strategy: object, model: nn.Module, store: Store, record: ExperimentRecord) -> Supernet:
    """Return the supernet that a one-shot strategy trained, with its weights.

    Raises:
        ExperimentError: The strategy is not one-shot, or the training has not ended yet.
    """
    if not isinstance(strategy, OneShotStrategy):
        raise ExperimentError(f"{strategy!r} is a multi-trial strategy, which trains no supernet.")
    search = strategy.search(model, seed=record.seed)
    if load_supernet(store.directory(record.id) / SUPERNET_FOLDER, search) is None:
        raise ExperimentError(
            f"The supernet of experiment {record.id} is not trained to the end yet. Go on with: "
            f"{store.command(f'resume {record.id}')}"
        )
    return search.supernet
