"""The Lightning modules of the ready-made evaluators, and the base class for others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from torch import Tensor, nn, optim

from retiarii.errors import EvaluatorError
from retiarii.evaluator._trace import record_constructor, trace
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning, torchmetrics
from retiarii.evaluator.pytorch._lightning_metrics import Accuracy, MeanLoss
from retiarii.evaluator.pytorch._onnx import write_onnx
from retiarii.space import Expression, nearest
from retiarii.space.construction import ConstructorCall

CriterionSource: TypeAlias = "Callable[[], nn.Module] | nn.Module | str"
OptimizerSource: TypeAlias = "Callable[..., optim.Optimizer] | str"

_STAGES = ("train", "val", "test")


class LightningModule(pytorch_lightning.LightningModule):
    """The base class for the training logic of an evaluator; the model to evaluate is ``self.model``.

    Choices in the constructor arguments of a subclass are searched. Otherwise it is used like a
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
    """Supervised learning from pairs of inputs and targets.

    It logs ``train_loss`` for each step, and ``val_loss``, ``test_loss`` and all metrics, with the prefixes ``train_``,
    ``val_`` and ``test_``, for each epoch. Losses are means over samples; several validation loaders count as one.

    Args:
        criterion: The loss: a class of `torch.nn` (or its name, or a module) that takes output and target.
        metrics: Metrics by name, updated with the model's output and the target.
        learning_rate: The learning rate of the optimizer.
        weight_decay: The weight decay of the optimizer.
        optimizer: A class of `torch.optim` (or its name) that takes parameters, ``lr`` and ``weight_decay``.
        export_onnx: Write the model as ONNX when it is validated for the first time: to this path, or, if True, to
            ``model.onnx`` in the trainer's ``default_root_dir``. None and False write nothing.
    """

    def __init__(
        self,
        criterion: CriterionSource,
        metrics: Mapping[str, torchmetrics.Metric],
        learning_rate: float | Expression = 0.001,
        weight_decay: float | Expression = 0.0,
        optimizer: OptimizerSource = optim.Adam,
        export_onnx: Path | str | bool | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters({"learning_rate": learning_rate, "weight_decay": weight_decay})
        self.criterion = _build_criterion(criterion)
        self.optimizer = _named("optimizer", optimizer, optim, optim.Optimizer)
        self.metrics = nn.ModuleDict()
        for stage in _STAGES:
            self.metrics.update({f"{stage}_{name}": copy.deepcopy(metric) for name, metric in metrics.items()})
        self.losses = nn.ModuleDict({f"{stage}_loss": MeanLoss() for stage in _STAGES})
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
        for name, metric in self._update_metrics("train", output, y):
            self.log(name, metric, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Measure a batch of validation data."""
        if self.export_onnx:
            self._write_onnx(batch[0])
        self._measure("val", batch)

    def on_validation_epoch_end(self) -> None:
        """Log loss and metrics over all validation loaders."""
        self._log_measured("val")

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Measure a batch of test data."""
        self._measure("test", batch)

    def on_test_epoch_end(self) -> None:
        """Log loss and metrics over all test loaders."""
        self._log_measured("test")

    def configure_optimizers(self) -> Any:
        """Return the optimizer of the model's parameters."""
        return self.optimizer(
            self.parameters(), lr=self.hparams["learning_rate"], weight_decay=self.hparams["weight_decay"]
        )

    def _measure(self, stage: str, batch: Any) -> None:
        x, y = batch
        output = self(x)
        self._loss_of(stage).update(self.criterion(output, y), _num_samples(y) or 1)
        self._update_metrics(stage, output, y)

    def _update_metrics(self, stage: str, output: Any, y: Any) -> list[tuple[str, torchmetrics.Metric]]:
        metrics = self._metrics_of(stage)
        for _, metric in metrics:
            metric.update(output, y)
        return metrics

    def _log_measured(self, stage: str) -> None:
        for name, metric in [(f"{stage}_loss", self._loss_of(stage)), *self._metrics_of(stage)]:
            self.log(name, metric, prog_bar=True)

    def _loss_of(self, stage: str) -> Any:
        return self.losses[f"{stage}_loss"]

    def _metrics_of(self, stage: str) -> list[tuple[str, Any]]:
        return [(name, metric) for name, metric in self.metrics.items() if name.startswith(f"{stage}_")]

    def _write_onnx(self, x: Any) -> None:
        wish, self.export_onnx = self.export_onnx, None
        path = Path(self.trainer.default_root_dir) / "model.onnx" if wish is True else Path(str(wish))
        write_onnx(self.model, x, path)


@trace
class ClassificationModule(SupervisedLearningModule):
    """Classification; besides the losses it logs ``train_acc``, ``val_acc`` and ``test_acc``.

    Args:
        criterion: As in `SupervisedLearningModule`.
        learning_rate: The learning rate of the optimizer.
        weight_decay: The weight decay of the optimizer.
        optimizer: As in `SupervisedLearningModule`.
        export_onnx: As in `SupervisedLearningModule`.
        num_classes: If given, the model's output is checked against it.
    """

    def __init__(
        self,
        criterion: CriterionSource = nn.CrossEntropyLoss,
        learning_rate: float | Expression = 0.001,
        weight_decay: float | Expression = 0.0,
        optimizer: OptimizerSource = optim.Adam,
        export_onnx: Path | str | bool | None = None,
        num_classes: int | None = None,
    ) -> None:
        super().__init__(criterion, {"acc": Accuracy(num_classes)}, learning_rate, weight_decay, optimizer, export_onnx)


@trace
class RegressionModule(SupervisedLearningModule):
    """Regression; besides the losses it logs ``train_mse``, ``val_mse`` and ``test_mse``.

    Args:
        criterion: As in `SupervisedLearningModule`.
        learning_rate: The learning rate of the optimizer.
        weight_decay: The weight decay of the optimizer.
        optimizer: As in `SupervisedLearningModule`.
        export_onnx: As in `SupervisedLearningModule`.
    """

    def __init__(
        self,
        criterion: CriterionSource = nn.MSELoss,
        learning_rate: float | Expression = 0.001,
        weight_decay: float | Expression = 0.0,
        optimizer: OptimizerSource = optim.Adam,
        export_onnx: Path | str | bool | None = None,
    ) -> None:
        super().__init__(
            criterion, {"mse": torchmetrics.MeanSquaredError()}, learning_rate, weight_decay, optimizer, export_onnx
        )


def _build_criterion(criterion: CriterionSource) -> nn.Module:
    if isinstance(criterion, nn.Module):
        return copy.deepcopy(criterion)
    loss: nn.Module = _named("criterion", criterion, nn, nn.Module)()
    return loss


def _named(argument: str, source: Any, module: Any, base: type) -> Callable[..., Any]:
    """Return a class that is given as a class or by its name in a module of torch.

    Raises:
        EvaluatorError: The argument is not a class or function, or the name does not exist.
    """
    if isinstance(source, str):
        names = [name for name, cls in vars(module).items() if isinstance(cls, type) and issubclass(cls, base)]
        if source not in names:
            raise EvaluatorError(
                f"{argument} is {source!r}, which is no class of {module.__name__}.{nearest(source, names)}"
            )
        return cast("Callable[..., Any]", getattr(module, source))
    if not callable(source):
        raise EvaluatorError(f"{argument} is {source!r}, expected a class of {module.__name__} or its name.")
    return cast("Callable[..., Any]", source)


def _num_samples(target: Any) -> int | None:
    """Return the size of a batch; None to let Lightning find it."""
    return len(target) if isinstance(target, Tensor) else None
