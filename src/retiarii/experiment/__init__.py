"""Experiments: the loop that joins a strategy, an executor and the store.

`RetiariiExperiment` is what users hold. Its ``run`` makes an `ExperimentRun` (locks the experiment, starts the
executor, keeps the state in the store), which hands over to `TrialLoop`, the main flow: ask the strategy, write the
trial, submit it, poll, write its end, tell the strategy. `RetiariiExeConfig` says how to run, `Callback` is told what
happens, and `ProgressDisplay` is one. Importing this package imports nothing until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes

if TYPE_CHECKING:
    from retiarii.experiment import pytorch as pytorch
    from retiarii.experiment._callbacks import Callback
    from retiarii.experiment._config import RetiariiExeConfig, TrainingServiceConfig
    from retiarii.experiment._debug import debug_mutated_model
    from retiarii.experiment._experiment import RetiariiExperiment
    from retiarii.experiment._stop import Ending

_EXPORTS = {
    "Callback": "retiarii.experiment._callbacks",
    "Ending": "retiarii.experiment._stop",
    "RetiariiExeConfig": "retiarii.experiment._config",
    "RetiariiExperiment": "retiarii.experiment._experiment",
    "TrainingServiceConfig": "retiarii.experiment._config",
    "debug_mutated_model": "retiarii.experiment._debug",
}

__all__ = [
    "Callback",
    "Ending",
    "RetiariiExeConfig",
    "RetiariiExperiment",
    "TrainingServiceConfig",
    "debug_mutated_model",
]

__getattr__, __dir__ = lazy_attributes(__name__, _EXPORTS, modules=("pytorch",))
