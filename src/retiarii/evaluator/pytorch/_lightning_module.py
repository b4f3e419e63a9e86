"""The Lightning modules of the ready-made evaluators, and the base class for others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor, nn, optim

from retiarii.evaluator._tracing import record_constructor, trace
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning, torchmetrics
from retiarii.evaluator.pytorch._lightning_metrics import Accuracy
from retiarii.evaluator.pytorch._onnx import write_onnx
from retiarii.nn.pytorch._construction import ConstructorCall

CriterionSource: TypeAlias = "Callable[[], nn.Module] | nn.Module | str"
OptimizerSource: TypeAlias = "Callable[..., optim.Optimizer] | str"


class LightningModule(pytorch_lightning.LightningModule):
    """Base class for the training logic of an evaluator; the model to evaluate is ``self.model``.

    Choices in a subclass's constructor arguments are searched. Everything else is as in
    `pytorch_lightning.LightningModule`.
    """

    model: nn.Module

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        record_constructor(cls, ConstructorCall)

    def set_model(self, model: nn.Module | Callable[[], nn.Module]) -> None:
        """Set the model to train and measure.

        Args:
            model: The model, or a callable without arguments that builds it.
        """
        self.model = model if isinstance(model, nn.Module) else model()


class SupervisedLearningModule(LightningModule):
    """Learning from pairs of inputs and targets.

    Logs ``train_loss`` for each step, and ``val_loss``, ``test_loss`` and all metrics, with the prefixes ``train_``,
    ``val_`` and ``test_``, for each epoch. Losses are means over samples, several validation loaders count as one.

    Args:
        criterion: The loss: a class of `torch.nn` (or its name, or a module) that takes output and target.
        metrics: Metrics by name, updated with the model's output and the target.
        learning_rate: Of the optimizer.
        weight_decay: Of the optimizer.
        optimizer: A class of `torch.optim` (or its name) that takes parameters, ``lr`` and ``weight_decay``.
        export_onnx: Write the model as ONNX when it is validated for the first time: to this path, or, if True, to
            ``model.onnx`` in the trainer's ``default_root_dir``. None and False write nothing.
    """

    def __init__(
        self,
        criterion: CriterionSource,
        metrics: Mapping[str, torchmetrics.Metric],
        learning_rate: float = 0.001,
        weight_decay: float = 0.0,
        optimizer: OptimizerSource = optim.Adam,
        export_onnx: Path | str | bool | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters({"learning_rate": learning_rate, "weight_decay": weight_decay})
        self.criterion = _build_criterion(criterion)
        self.optimizer = getattr(optim, optimizer) if isinstance(optimizer, str) else optimizer
        self.metrics = nn.ModuleDict(
            {
                f"{stage}_{name}": copy.deepcopy(metric)
                for stage in ("train", "val", "test")
                for name, metric in metrics.items()
            }
        )
        self.export_onnx = export_onnx

    def forward(self, x: Any) -> Any:
        """Return the model's output."""
        return self.model(x)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        x, y = batch
        output = self(x)
        loss: Tensor = self.criterion(output, y)
        self.log("train_loss", loss, prog_bar=True, batch_size=_num_samples(y))
        self._log_metrics("train", output, y)
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Measure a batch of validation data."""
        if self.export_onnx:
            self._write_onnx(batch[0])
        self._measure("val", batch)

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Measure a batch of test data."""
        self._measure("test", batch)

    def configure_optimizers(self) -> Any:
        """Return the optimizer of the model's parameters."""
        return self.optimizer(
            self.parameters(), lr=self.hparams["learning_rate"], weight_decay=self.hparams["weight_decay"]
        )

    def _measure(self, stage: str, batch: Any) -> None:
        x, y = batch
        output = self(x)
        loss = self.criterion(output, y)
        self.log(f"{stage}_loss", loss, prog_bar=True, batch_size=_num_samples(y), add_dataloader_idx=False)
        self._log_metrics(stage, output, y)

    def _log_metrics(self, stage: str, output: Any, y: Any) -> None:
        for name, metric in self.metrics.items():
            if isinstance(metric, torchmetrics.Metric) and name.startswith(f"{stage}_"):
                metric.update(output, y)
                self.log(name, metric, on_step=False, on_epoch=True, prog_bar=True, add_dataloader_idx=False)

    def _write_onnx(self, x: Any) -> None:
        wish, self.export_onnx = self.export_onnx, None
        path = Path(self.trainer.default_root_dir) / "model.onnx" if wish is True else Path(str(wish))
        write_onnx(self.model, x, path)


@trace
class ClassificationModule(SupervisedLearningModule):
    """Learning to classify; besides the losses it logs ``train_acc``, ``val_acc`` and ``test_acc``.

    Args:
        criterion: As in `SupervisedLearningModule`.
        learning_rate: Of the optimizer.
        weight_decay: Of the optimizer.
        optimizer: As in `SupervisedLearningModule`.
        export_onnx: As in `SupervisedLearningModule`.
        num_classes: Checked against the model's output where it is given; never needed.
    """

    def __init__(
        self,
        criterion: CriterionSource = nn.CrossEntropyLoss,
        learning_rate: float = 0.001,
        weight_decay: float = 0.0,
        optimizer: OptimizerSource = optim.Adam,
        export_onnx: Path | str | bool | None = None,
        num_classes: int | None = None,
    ) -> None:
        super().__init__(criterion, {"acc": Accuracy(num_classes)}, learning_rate, weight_decay, optimizer, export_onnx)


@trace
class RegressionModule(SupervisedLearningModule):
    """Learning to predict numbers; besides the losses it logs ``train_mse``, ``val_mse`` and ``test_mse``.

    Args:
        criterion: As in `SupervisedLearningModule`.
        learning_rate: Of the optimizer.
        weight_decay: Of the optimizer.
        optimizer: As in `SupervisedLearningModule`.
        export_onnx: As in `SupervisedLearningModule`.
    """

    def __init__(
        self,
        criterion: CriterionSource = nn.MSELoss,
        learning_rate: float = 0.001,
        weight_decay: float = 0.0,
        optimizer: OptimizerSource = optim.Adam,
        export_onnx: Path | str | bool | None = None,
    ) -> None:
        super().__init__(
            criterion, {"mse": torchmetrics.MeanSquaredError()}, learning_rate, weight_decay, optimizer, export_onnx
        )


def _build_criterion(criterion: CriterionSource) -> nn.Module:
    if isinstance(criterion, nn.Module):
        return copy.deepcopy(criterion)
    return getattr(nn, criterion)() if isinstance(criterion, str) else criterion()


def _num_samples(target: Any) -> int | None:
    """Return the size of a batch; None where Lightning must find out."""
    return len(target) if isinstance(target, Tensor) else None
