"""Export of PyTorch models: graphs, code, and the trained supernet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from torch import nn

from retiarii.errors import ExperimentError
from retiarii.experiment._export_architectures import model_part
from retiarii.experiment.pytorch._network_engines import with_graphs
from retiarii.experiment.pytorch._supernet_file import SUPERNET_FOLDER, load_supernet
from retiarii.graph import GraphEngine, Model
from retiarii.oneshot import OneShotStrategy, SearchRecord, Supernet
from retiarii.space import Engine
from retiarii.storage import ExperimentRecord, Store
from retiarii.trial import Trial

logger = logging.getLogger(__name__)


def warn_if_undecided(store: Store, record: ExperimentRecord, trial: Trial) -> None:
    """Log a warning if a one-shot search has not converged on the architecture that it found."""
    for epoch in store.list_epochs(record.id)[-1:]:
        message = SearchRecord.from_json(epoch.record).warning_about(trial.architecture)
        if message is not None:
            logger.warning(message)


def exported(
    formatter: str, engine: Engine, model: nn.Module, trials: Sequence[Trial], record: ExperimentRecord
) -> list[Any]:
    """Return the graphs or the code of trials, for the formatters ``"graph"`` and ``"code"``."""
    by_graph = with_graphs(model, engine)
    if formatter == "graph":
        return list(graphs(by_graph, trials, record))
    return [by_graph.code(model_part(record, trial.architecture)) for trial in trials]


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
