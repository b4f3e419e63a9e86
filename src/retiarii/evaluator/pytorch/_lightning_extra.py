"""The one place that imports the optional dependencies of the Lightning evaluators."""

from __future__ import annotations

from retiarii.errors import MissingExtraError

try:
    import pytorch_lightning
    import torchmetrics
except ModuleNotFoundError as err:
    if err.name not in ("pytorch_lightning", "torchmetrics"):
        raise  # installed but broken: its own message says more
    raise MissingExtraError(
        f"The Lightning evaluators need {err.name}, which is not installed. Install it with: "
        "pip install 'retiarii[lightning]'"
    ) from err

__all__ = ["pytorch_lightning", "torchmetrics"]
