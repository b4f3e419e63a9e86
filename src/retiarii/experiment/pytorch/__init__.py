"""The public names of experiments on PyTorch models, under the import path of the specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes

if TYPE_CHECKING:
    from retiarii.experiment._control.callbacks import Callback
    from retiarii.experiment._debug import debug_mutated_model
    from retiarii.experiment._experiment import RetiariiExperiment
    from retiarii.experiment._settings.config import RetiariiExeConfig

__all__ = ["Callback", "RetiariiExeConfig", "RetiariiExperiment", "debug_mutated_model"]

__getattr__, __dir__ = lazy_attributes(__name__, dict.fromkeys(__all__, "retiarii.experiment"))
