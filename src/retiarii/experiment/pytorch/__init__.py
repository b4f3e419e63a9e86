"""The public names of experiments on PyTorch models, under the import path of the specification."""

from __future__ import annotations

from retiarii.experiment._callbacks import Callback
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.experiment._debug import debug_mutated_model
from retiarii.experiment._experiment import RetiariiExperiment

__all__ = ["Callback", "RetiariiExeConfig", "RetiariiExperiment", "debug_mutated_model"]
