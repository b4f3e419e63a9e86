"""The names in settings that stand for objects; other packages add to them by entry points."""

from __future__ import annotations

from retiarii._registry import Registry

ENGINES = Registry(
    "execution engine",
    {
        "py": "retiarii.experiment.pytorch._network_engines:python_engine",
        "base": "retiarii.experiment.pytorch._network_engines:graph_engine",
        "oneshot": "retiarii.experiment.pytorch._network_engines:python_engine",
    },
    "retiarii.engines",
)
"""Functions ``(model, mutators, config, evaluator) -> Engine``, by the names that ``config.execution_engine`` takes."""

EXECUTORS = Registry(
    "executor",
    {
        "local": "retiarii.experiment._executors:local",
        "in_process": "retiarii.experiment._executors:in_process",
    },
    "retiarii.executors",
)
"""Functions ``(task, settings) -> Executor``, by the names that ``config.training_service.platform`` takes."""
