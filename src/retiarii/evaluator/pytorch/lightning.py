"""Evaluators that train with PyTorch Lightning; import them as ``retiarii.evaluator.pytorch.lightning as pl``.

`Classification` and `Regression` are ready to use; `Lightning` takes any Lightning module. `LightningModule`, `Trainer`
and `DataLoader` are subclasses of Lightning's and torch's classes: they hold the model, have quiet defaults, and record
their arguments, which may be choices.

Importing this module needs PyTorch Lightning: ``pip install 'retiarii[lightning]'``.
"""

from retiarii.evaluator.pytorch._lightning_data import DataLoader
from retiarii.evaluator.pytorch._lightning_evaluator import Lightning
from retiarii.evaluator.pytorch._lightning_module import (
    ClassificationModule,
    LightningModule,
    RegressionModule,
    SupervisedLearningModule,
)
from retiarii.evaluator.pytorch._lightning_ready_made import Classification, Regression
from retiarii.evaluator.pytorch._lightning_trainer import Trainer

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
