"""The names of engines and executors in settings; other packages add names by entry points."""

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
        "local": "retiarii.experiment._running.executors:local",
        "in_process": "retiarii.experiment._running.executors:in_process",
        "simulated": "retiarii.experiment._running.executors:simulated",
    },
    "retiarii.executors",
)
"""Functions ``(task, settings) -> Executor``, by the names that ``config.training_service.platform`` takes."""
