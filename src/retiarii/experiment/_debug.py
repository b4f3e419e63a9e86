"""`debug_mutated_model`: evaluate one architecture in this process, where breakpoints work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from retiarii.errors import ConfigError
from retiarii.evaluator import Evaluator
from retiarii.execution import NasTask, TrialJob
from retiarii.experiment._arguments import check_evaluator, check_model, check_mutators
from retiarii.experiment._running.make_engine import joint_space, make_engine
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.trial import Metrics

logger = logging.getLogger(__name__)


def debug_mutated_model(
    base_model: Any,
    trainer: Evaluator | Callable[..., Any],
    applied_mutators: Sequence[Any] | None = None,
    *,
    architecture: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Metrics:
    """Evaluate one architecture in this process, without an experiment; nothing is stored, and errors are raised.

    Args:
        base_model: The model with choices in it, or a bare search space.
        trainer: The evaluator, or a function that trains and measures a model.
        applied_mutators: Mutators on the model's graph.
        architecture: The architecture; the first candidate of every choice if left out.
        seed: The seed of the random choices of training.

    Returns:
        The final metrics.

    Raises:
        ConfigError: An argument is of the wrong kind.
        ArchitectureError: ``architecture`` does not fit the model's space.
        MetricError: The evaluator reported no usable metric.
        GraphError: A mutator cannot be applied, or the model cannot be turned into a graph.
    """
    model, evaluator = check_model(base_model), check_evaluator(trainer)
    if model is None or evaluator is None:
        raise ConfigError(f"debug_mutated_model needs a base_model and a trainer, got {base_model!r} and {trainer!r}.")
    engine = make_engine(model, check_mutators(applied_mutators), RetiariiExeConfig(), evaluator)
    space = joint_space(engine, evaluator)
    chosen = space.default() if architecture is None else space.architecture(architecture)
    logger.info("Evaluating %s", chosen)
    metrics = NasTask(engine, evaluator)(
        TrialJob(0, chosen, seed), lambda metrics: logger.info("Intermediate result: %s", metrics)
    )
    logger.info("Final result: %s", metrics)
    return metrics
