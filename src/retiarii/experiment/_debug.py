"""`debug_mutated_model`: one architecture, in this process, so that a breakpoint works."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from retiarii.errors import ConfigError
from retiarii.evaluator import Evaluator
from retiarii.execution import NasTask, TrialJob
from retiarii.experiment._run import joint_space
from retiarii.trial import Metrics

logger = logging.getLogger(__name__)


def debug_mutated_model(
    base_model: nn.Module,
    trainer: Evaluator,
    applied_mutators: Sequence[Any] | None = None,
    *,
    architecture: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Metrics:
    """Evaluate one architecture in this process: no experiment, no other process, nothing stored or caught.

    Args:
        base_model: The model with choices in it.
        trainer: The evaluator.
        applied_mutators: None are supported by this version.
        architecture: Which one; the first candidate of every choice if left out.
        seed: Of the random choices that training makes.

    Returns:
        The final metrics.

    Raises:
        ArchitectureError: ``architecture`` does not fit the model's space.
        MetricError: The evaluator reported no usable metric.
        ConfigError: ``applied_mutators`` is not empty.
    """
    if applied_mutators:
        raise ConfigError("applied_mutators is not empty, but this version has no mutators on graphs. Pass [] or None.")
    space = joint_space(base_model, trainer)
    chosen = space.default() if architecture is None else space.architecture(architecture)
    logger.info("Evaluating %s", chosen)
    metrics = NasTask(base_model, trainer)(
        TrialJob(0, chosen, seed), lambda metrics: logger.info("Intermediate result: %s", metrics)
    )
    logger.info("Final result: %s", metrics)
    return metrics
