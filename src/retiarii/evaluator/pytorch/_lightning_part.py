"""`TrainingPart`: the epochs that one trial trains, of a training that several trials may continue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retiarii.errors import EvaluatorError
from retiarii.evaluator._epoch_fidelity import EPOCHS, whole_epochs
from retiarii.evaluator._trial_context import TrialContext
from retiarii.evaluator.pytorch._lightning_checkpoint import continuing, read_checkpoint, write_checkpoint
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.evaluator.pytorch._lightning_seeds import EpochSeeds, without_generators

CHECKPOINT = "training.ckpt"
"""The checkpoint file in a trial's folder, from which another trial can continue."""

_ONE_PROCESS = (pytorch_lightning.strategies.SingleDeviceStrategy,)


@dataclass(frozen=True)
class TrainingPart:
    """The part of a training that one trial does.

    Attributes:
        context: The trial.
        epochs: The total number of epochs at its end, including those of earlier trials; None if the trainer decides.
    """

    context: TrialContext
    epochs: int | None

    @classmethod
    def of(cls, context: TrialContext) -> TrainingPart:
        """Return the part of a trial.

        Raises:
            EvaluatorError: The fidelity is not a whole number of epochs.
        """
        return cls(context, whole_epochs(context))

    @property
    def is_whole(self) -> bool:
        """Whether the trial trains from new weights for the trainer's own number of epochs, without a fidelity."""
        return self.epochs is None and self.context.parent is None

    @property
    def changes(self) -> dict[str, Any]:
        """The trainer's arguments that follow from the fidelity."""
        return {} if self.epochs is None else {"max_epochs": self.epochs}

    def fit(self, trainer: Any, module: Any, train: Any, validation: Any, fit_kwargs: Mapping[str, Any]) -> None:
        """Train, and write a checkpoint if files are kept.

        Args:
            trainer: A new trainer, with the arguments of `changes`.
            module: The Lightning module, with its model.
            train: The training data; its loaders are changed.
            validation: The validation data; its loaders are changed.
            fit_kwargs: Further arguments of ``Trainer.fit``.

        Raises:
            EvaluatorError: There is no checkpoint to continue from, or the checkpoint cannot be written.
        """
        if self.is_whole:
            trainer.fit(module, train, validation, **fit_kwargs)
            return
        start = {} if self.context.parent is None else continuing(self._start(self.context.parent))
        train, validation = without_generators(train), without_generators(validation)
        trainer.callbacks.insert(0, EpochSeeds(self.context.seed, train))
        trainer.fit(module, train, validation, **{**fit_kwargs, **start})
        if self.context.folder is not None and isinstance(trainer.strategy, _ONE_PROCESS):
            write_checkpoint(trainer, self.context.folder / CHECKPOINT)

    def _start(self, parent: int) -> Path:
        """Return the parent's checkpoint file, after reading it completely."""
        number, folder = self.context.number, self.context.parent_folder
        if folder is None:
            raise EvaluatorError(f"Trial {number} continues trial {parent}, but there are no files of trials.")
        path = folder / CHECKPOINT
        way_out = f"Trial {number} has to continue trial {parent} from it."
        try:
            done = read_checkpoint(path, way_out)["epoch"]
        except FileNotFoundError:
            raise EvaluatorError(
                f"Trial {number} continues trial {parent}, which left no checkpoint: there is no file {path}. Trials "
                "leave one if they are given a fidelity and train in one process, and it stays as long as the strategy "
                "may continue them."
            ) from None
        if self.epochs is not None and self.epochs < done:
            raise EvaluatorError(
                f"Trial {number} has the fidelity {EPOCHS}={self.epochs}, but trial {parent}, which it continues, was "
                f"trained for {done} epochs. The fidelity counts the epochs of both."
            )
        return path
