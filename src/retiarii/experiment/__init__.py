"""Experiments: the loop that joins a strategy, an executor and the store.

Users create a `RetiariiExperiment`. Its ``run`` makes an `ExperimentRun`, which locks the experiment, starts the
executor, keeps the state in the store and runs the `TrialLoop`, the main flow: ask the strategy, write the trial,
submit it, poll, write its end, tell the strategy. `RetiariiExeConfig` holds the settings. A `Callback` receives the
events; `ProgressDisplay` is one. Importing this package imports nothing until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes

if TYPE_CHECKING:
    from retiarii.experiment import pytorch as pytorch
    from retiarii.experiment._control.callbacks import Callback
    from retiarii.experiment._control.stop_signal import Ending
    from retiarii.experiment._debug import debug_mutated_model
    from retiarii.experiment._experiment import RetiariiExperiment
    from retiarii.experiment._settings.config import RetiariiExeConfig, TrainingServiceConfig
    from retiarii.experiment._trackers.mlflow_callback import MLflowCallback
    from retiarii.experiment._trackers.tensorboard_callback import TensorBoardCallback
    from retiarii.experiment._trackers.wandb_callback import WandbCallback

_EXPORTS = {
    "Callback": "retiarii.experiment._control.callbacks",
    "Ending": "retiarii.experiment._control.stop_signal",
    "MLflowCallback": "retiarii.experiment._trackers.mlflow_callback",
    "RetiariiExeConfig": "retiarii.experiment._settings.config",
    "RetiariiExperiment": "retiarii.experiment._experiment",
    "TensorBoardCallback": "retiarii.experiment._trackers.tensorboard_callback",
    "TrainingServiceConfig": "retiarii.experiment._settings.config",
    "WandbCallback": "retiarii.experiment._trackers.wandb_callback",
    "debug_mutated_model": "retiarii.experiment._debug",
}

__all__ = [
    "Callback",
    "Ending",
    "MLflowCallback",
    "RetiariiExeConfig",
    "RetiariiExperiment",
    "TensorBoardCallback",
    "TrainingServiceConfig",
    "WandbCallback",
    "debug_mutated_model",
]

__getattr__, __dir__ = lazy_attributes(__name__, _EXPORTS, modules=("pytorch",))
