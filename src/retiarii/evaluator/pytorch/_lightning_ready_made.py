"""`Classification` and `Regression`: evaluators with a ready-made Lightning module."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from torch import nn, optim

from retiarii.evaluator.pytorch._lightning_arguments import check_names
from retiarii.evaluator.pytorch._lightning_evaluator import Lightning
from retiarii.evaluator.pytorch._lightning_module import (
    ClassificationModule,
    CriterionSource,
    OptimizerSource,
    RegressionModule,
)
from retiarii.evaluator.pytorch._lightning_trainer import Trainer
from retiarii.space import Expression
from retiarii.trial import Direction


class Classification(Lightning):
    """Trains classifiers and compares trials by ``val_acc``, the accuracy on the validation data (larger is better).

    Logged are ``train_loss``, ``train_acc``, ``val_loss`` and ``val_acc``.

    Args:
        criterion: The loss: a class of `torch.nn` (or its name, or a module).
        learning_rate: The learning rate of the optimizer.
        weight_decay: The weight decay of the optimizer.
        optimizer: A class of `torch.optim` (or its name) that takes parameters, ``lr`` and ``weight_decay``.
        train_dataloaders: Training data: batches are pairs of inputs and class indices.
        val_dataloaders: Validation data; several loaders count as one.
        export_onnx: Write each model as ONNX when it is first validated: to this path, or, if True, to ``model.onnx``
            in the trainer's ``default_root_dir``.
        train_dataloader: Another spelling of ``train_dataloaders``.
        num_classes: If given, the model's output is checked against it.
        val_dataloader: Another spelling of ``val_dataloaders``.
        trainer_kwargs: Arguments of `Trainer`, for example ``max_epochs``.

    Raises:
        EvaluatorError: Data are given twice.
        ArgumentError: An argument is unknown.
    """

    direction = Direction.MAXIMIZE

    def __init__(
        self,
        criterion: CriterionSource = nn.CrossEntropyLoss,
        learning_rate: float | Expression = 0.001,
        weight_decay: float | Expression = 0.0,
        optimizer: OptimizerSource = optim.Adam,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        export_onnx: Path | str | bool | None = None,
        train_dataloader: Any = None,
        num_classes: int | None = None,
        *,
        val_dataloader: Any = None,
        **trainer_kwargs: Any,
    ) -> None:
        module = ClassificationModule(criterion, learning_rate, weight_decay, optimizer, export_onnx, num_classes)
        super().__init__(
            module,
            _trainer(type(self), trainer_kwargs),
            train_dataloaders,
            val_dataloaders,
            train_dataloader,
            val_dataloader=val_dataloader,
            monitor="val_acc",
        )


class Regression(Lightning):
    """Trains regressors and compares trials by ``val_mse``, the mean squared error on the validation data.

    Smaller is better. Logged are ``train_loss``, ``train_mse``, ``val_loss`` and ``val_mse``.

    Args:
        criterion: The loss: a class of `torch.nn` (or its name, or a module).
        learning_rate: The learning rate of the optimizer.
        weight_decay: The weight decay of the optimizer.
        optimizer: A class of `torch.optim` (or its name) that takes parameters, ``lr`` and ``weight_decay``.
        train_dataloaders: Training data: batches are pairs of inputs and numbers.
        val_dataloaders: Validation data; several loaders count as one.
        export_onnx: Write each model as ONNX when it is first validated: to this path, or, if True, to ``model.onnx``
            in the trainer's ``default_root_dir``.
        train_dataloader: Another spelling of ``train_dataloaders``.
        val_dataloader: Another spelling of ``val_dataloaders``.
        trainer_kwargs: Arguments of `Trainer`, for example ``max_epochs``.

    Raises:
        EvaluatorError: Data are given twice.
        ArgumentError: An argument is unknown.
    """

    direction = Direction.MINIMIZE

    def __init__(
        self,
        criterion: CriterionSource = nn.MSELoss,
        learning_rate: float | Expression = 0.001,
        weight_decay: float | Expression = 0.0,
        optimizer: OptimizerSource = optim.Adam,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        export_onnx: Path | str | bool | None = None,
        train_dataloader: Any = None,
        *,
        val_dataloader: Any = None,
        **trainer_kwargs: Any,
    ) -> None:
        module = RegressionModule(criterion, learning_rate, weight_decay, optimizer, export_onnx)
        super().__init__(
            module,
            _trainer(type(self), trainer_kwargs),
            train_dataloaders,
            val_dataloaders,
            train_dataloader,
            val_dataloader=val_dataloader,
            monitor="val_mse",
        )


def _trainer(cls: type, arguments: dict[str, Any]) -> Trainer:
    """Return a trainer made with the arguments of an evaluator that are not its own."""
    own = [name for name, item in inspect.signature(cls).parameters.items() if item.kind is not item.VAR_KEYWORD]
    check_names(cls.__name__, arguments, own)
    return Trainer(**arguments)
