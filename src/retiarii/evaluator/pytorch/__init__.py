"""Evaluators for PyTorch models.

All of them train with PyTorch Lightning and are defined in `retiarii.evaluator.pytorch.lightning`, which is imported
when one of its names is first used, so that this package can be imported without Lightning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes

if TYPE_CHECKING:
    from retiarii.evaluator.pytorch import lightning as lightning
    from retiarii.evaluator.pytorch.lightning import (
        Classification,
        ClassificationModule,
        DataLoader,
        Lightning,
        LightningModule,
        Regression,
        RegressionModule,
        SupervisedLearningModule,
        Trainer,
    )

__all__ = [
    "Classification",
    "ClassificationModule",
    "DataLoader",
    "Lightning",
    "LightningModule",
    "Regression",
    "RegressionModule",
    "SupervisedLearningModule",
    "Trainer",
]

__getattr__, __dir__ = lazy_attributes(
    __name__, dict.fromkeys(__all__, f"{__name__}.lightning"), modules=("lightning",)
)
