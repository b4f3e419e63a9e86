"""`Lightning`: an evaluator that trains with any Lightning module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from retiarii.errors import EvaluatorError, TrialPruned
from retiarii.evaluator._epoch_fidelity import EPOCHS
from retiarii.evaluator._evaluator import Evaluator
from retiarii.evaluator._output import save_checkpoint
from retiarii.evaluator._supernet_training import SupernetTraining
from retiarii.evaluator._trial_context import TrialContext
from retiarii.evaluator.pytorch._lightning_data import TrainingData, fresh_copy, fresh_loaders
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.evaluator.pytorch._lightning_module import (
    LightningModule,
    SupervisedLearningModule,
)
from retiarii.evaluator.pytorch._lightning_part import TrainingPart
from retiarii.evaluator.pytorch._lightning_report import ReportMetrics
from retiarii.evaluator.pytorch._lightning_trainer import (
    check_trainer,
    fresh_trainer,
    honest_interrupts,
    quiet_lightning,
)
from retiarii.trial import Metrics

if TYPE_CHECKING:
    from retiarii.oneshot import OneShotSearch

_WHOLE_MODEL = (pytorch_lightning.strategies.SingleDeviceStrategy, pytorch_lightning.strategies.DDPStrategy)

_ONE_BATCH = {
    "limit_val_batches": 1,
    "accelerator": "cpu",
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
    "precision": None,
    "plugins": None,
    "profiler": None,
    "callbacks": [],
    "logger": False,
    "enable_checkpointing": False,
    "inference_mode": False,  # or lazy layers would be initialised with tensors that cannot be trained
}


class Lightning(Evaluator):
    """Trains and measures models with a Lightning module and a `Trainer`.

    Each evaluation uses a copy of the module, a new trainer and new loaders over the same data, so the evaluator itself
    never changes. The metrics that the module logs in each validation become an intermediate result, and the last ones
    the final result, unless the module calls `report_intermediate_result` or `report_final_result` itself. In an
    experiment the final weights are saved as by `retiarii.save_checkpoint`, unless the trainer's strategy splits the
    model among devices.

    A trial with the fidelity ``"epochs"`` trains for that many epochs instead of the trainer's ``max_epochs``, and
    writes a checkpoint. A trial with a parent continues from the parent's checkpoint, with the same results as one
    training of all epochs: the randomness of an epoch follows from its number and the seed of the first trial.

    Args:
        lightning_module: The training logic. Its ``self.model`` is the model to evaluate.
        trainer: A `Trainer` of this package.
        train_dataloaders: Training data, in any form that ``Trainer.fit`` takes (a data module, too). Without them,
            and without a ``train_dataloader`` method of the module, models are validated and not trained.
        val_dataloaders: Validation data, likewise.
        train_dataloader: Another spelling of ``train_dataloaders``.
        fit_kwargs: Further arguments of ``Trainer.fit``.
        val_dataloader: Another spelling of ``val_dataloaders``.
        monitor: The logged metric by which trials are compared. If it is left out, it is the one logged as
            ``"default"``, or else the only metric whose name begins with "val", or else the only one of these that is
            not a loss.

    Attributes:
        module: The training logic, as given.
        trainer: The trainer, as given; each evaluation uses a new one with the same arguments.
        train_dataloaders: Training data.
        val_dataloaders: Validation data.

    Raises:
        EvaluatorError: The module is not a LightningModule, the trainer has no record of its arguments, or data are
            given twice.
    """

    fidelities = (EPOCHS,)

    def __init__(
        self,
        lightning_module: pytorch_lightning.LightningModule,
        trainer: pytorch_lightning.Trainer,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        train_dataloader: Any = None,
        fit_kwargs: Mapping[str, Any] | None = None,
        *,
        val_dataloader: Any = None,
        monitor: str | None = None,
    ) -> None:
        if not isinstance(lightning_module, pytorch_lightning.LightningModule):
            raise EvaluatorError(
                f"lightning_module is a {_type_name(lightning_module)}, expected an instance of "
                "retiarii.evaluator.pytorch.lightning.LightningModule (or of pytorch_lightning.LightningModule; the "
                "classes of the package 'lightning' are others)."
            )
        check_trainer(trainer)
        self.module = lightning_module
        self.trainer = trainer
        self.train_dataloaders = _one_of("train_dataloader", train_dataloader, train_dataloaders)
        self.val_dataloaders = _one_of("val_dataloader", val_dataloader, val_dataloaders)
        self.fit_kwargs = dict(fit_kwargs or {})
        self.monitor = monitor

    @property
    def train_dataloader(self) -> Any:
        """Another spelling of ``train_dataloaders``."""
        return self.train_dataloaders

    @property
    def val_dataloader(self) -> Any:
        """Another spelling of ``val_dataloaders``."""
        return self.val_dataloaders

    def evaluate(self, model: nn.Module, context: TrialContext | None = None) -> Metrics | None:
        """Train a model and measure it on the validation data.

        Args:
            model: The model, trained in place.
            context: The trial; None for debugging.

        Returns:
            The metrics of the last validation, or None if the module reported a final result by itself.

        Raises:
            EvaluatorError: There are no validation data or no checkpoint of the parent, or a file cannot be written.
            MetricError: The metric to compare trials by was not logged, or is ambiguous.
            TrialPruned: The search has pruned the trial; the weights are saved.
        """
        context = context or TrialContext()
        part = TrainingPart.of(context)
        module = fresh_copy(self.module)
        _set_model(module, model)
        report = ReportMetrics(self.monitor, context.objectives)
        self._check_validation(module)
        trainer = fresh_trainer(self.trainer, report, **part.changes)
        try:
            with quiet_lightning(), honest_interrupts():
                self._run(trainer, module, report, part)
        except TrialPruned:
            _save(model, trainer)
            raise
        _save(model, trainer)
        return report.conclude(trainer)

    def fit(self, model: nn.Module) -> Metrics | None:
        """Train and measure a model, like `evaluate`."""
        return self.evaluate(model)

    def run_on_example(self, model: nn.Module) -> bool:
        """Validate a model on one batch, on the CPU.

        Args:
            model: The model with its choices.

        Returns:
            Whether there are validation data.
        """
        evaluator = self.fix(self.search_space.default())
        module = fresh_copy(evaluator.module)
        if not evaluator._has_validation(module):
            return False
        if isinstance(module, SupervisedLearningModule):
            module.export_onnx = None
        _set_model(module, model)
        trainer = fresh_trainer(evaluator.trainer, pytorch_lightning.Callback(), **_ONE_BATCH)
        train, validation = evaluator.train_dataloaders, fresh_loaders(evaluator.val_dataloaders)
        data = train if isinstance(train, pytorch_lightning.LightningDataModule) else validation
        with quiet_lightning(r".*sampler has shuffling enabled"), honest_interrupts():
            trainer.validate(module, data, verbose=False)
        return True

    def train_supernet(self, search: OneShotSearch, training: SupernetTraining) -> None:
        """Train a supernet with the module, the trainer and the training data; the search uses the validation data.

        Args:
            search: The running search.
            training: The listener, the seed, and the checkpoint to continue from.

        Raises:
            EvaluatorError: There are no validation data, the trainer uses several processes, or the checkpoint cannot
                be read.
            MetricError: The metric to compare by was not logged, or is ambiguous.
        """
        from retiarii.evaluator.pytorch._lightning_supernet import train

        module = fresh_copy(self.module)
        if not self._has_validation(module):
            raise EvaluatorError(
                f"{type(self).__name__} has no validation data, from which one-shot strategies learn and by which "
                "architectures are compared. Give it val_dataloaders (retiarii.oneshot.split_loader makes two loaders "
                "of one)."
            )
        data = TrainingData(self.train_dataloaders, self.val_dataloaders, self.monitor, self.fit_kwargs)
        with quiet_lightning(r".*sampler has shuffling enabled"), honest_interrupts():
            train(data, search, training, module, lambda callback: fresh_trainer(self.trainer, callback))

    def evaluate_subnet(self, model: nn.Module, *, calibration_batches: int = 20) -> Metrics | None:
        """Measure a network on the validation data, without training its weights.

        Args:
            model: The network. The statistics of its batch normalisation are recomputed on training data.
            calibration_batches: The number of training batches for these statistics.

        Returns:
            The metrics of the validation, or None if the module reported a final result by itself.

        Raises:
            EvaluatorError: There are no validation data.
            MetricError: The metric to compare by was not logged, or is ambiguous.
        """
        from retiarii.evaluator.pytorch._lightning_supernet import Recalibration

        module = fresh_copy(self.module)
        _set_model(module, model)
        self._check_validation(module)
        report = ReportMetrics(self.monitor)
        callbacks = [Recalibration(self.train_dataloaders, calibration_batches)]
        trainer = fresh_trainer(self.trainer, report, callbacks=callbacks, logger=False, enable_checkpointing=False)
        train, validation = self.train_dataloaders, fresh_loaders(self.val_dataloaders)
        data = train if isinstance(train, pytorch_lightning.LightningDataModule) else validation
        with quiet_lightning(r".*sampler has shuffling enabled"), honest_interrupts():
            trainer.validate(module, data, verbose=False)
        return report.conclude(trainer)

    def _run(self, trainer: pytorch_lightning.Trainer, module: Any, report: ReportMetrics, part: TrainingPart) -> None:
        """Train if there are training data, and validate at least once if there are validation data."""
        train, validation = fresh_loaders(self.train_dataloaders), fresh_loaders(self.val_dataloaders)
        is_trained = train is not None or _defines(module, "train_dataloader")
        if is_trained:
            part.fit(trainer, module, train, validation, self.fit_kwargs)
        if not is_trained or (
            self._has_validation(module) and not report.has_validated
        ):  # max_steps or max_time ended it
            data = train if isinstance(train, pytorch_lightning.LightningDataModule) else validation
            trainer.validate(module, data, verbose=False)

    def _has_validation(self, module: pytorch_lightning.LightningModule) -> bool:
        return (
            self.val_dataloaders is not None
            or _defines(module, "val_dataloader")
            or isinstance(self.train_dataloaders, pytorch_lightning.LightningDataModule)
        )

    def _check_validation(self, module: pytorch_lightning.LightningModule) -> None:
        """Raise before the training if the metric to compare by cannot be measured."""
        if (self.monitor or "").startswith("val") and not self._has_validation(module):
            raise EvaluatorError(
                f"{type(self).__name__} compares trials by {self.monitor!r}, but has no validation data. Give it "
                "val_dataloaders."
            )


def _save(model: nn.Module, trainer: Any) -> None:
    if isinstance(trainer.strategy, _WHOLE_MODEL) and trainer.is_global_zero:
        save_checkpoint(model)


def _set_model(module: pytorch_lightning.LightningModule, model: nn.Module) -> None:
    """Set the model of a module, which need not be derived from retiarii's base class."""
    if isinstance(module, LightningModule):
        module.set_model(model)
    else:
        module.model = model


def _defines(module: pytorch_lightning.LightningModule, hook: str) -> bool:
    return getattr(type(module), hook) is not getattr(pytorch_lightning.LightningModule, hook)


def _one_of(name: str, singular: Any, plural: Any) -> Any:
    if singular is not None and plural is not None:
        raise EvaluatorError(f"{name} and {name}s are two spellings of one argument, but both are given. Give one.")
    return plural if singular is None else singular


def _type_name(value: Any) -> str:
    if isinstance(value, type):
        return f"class ({value.__qualname__}, not an instance of it)"
    return f"{type(value).__module__}.{type(value).__qualname__}"
