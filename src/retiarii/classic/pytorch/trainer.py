"""`Trainer`: the loop over epochs, with callbacks, logging, export and resumable checkpoints."""

from __future__ import annotations

import json
import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.utils.data import Dataset

from retiarii._tensor_file import temporary_beside
from retiarii.classic.pytorch._training_state import (
    PARTS,
    check_parts,
    class_names,
    damage_explained,
    read_state,
    restore_random,
    write_state,
)
from retiarii.classic.pytorch.base_mutator import BaseMutator
from retiarii.classic.pytorch.base_trainer import BaseTrainer
from retiarii.classic.pytorch.callbacks import Callback
from retiarii.errors import ConfigError, NoContextError
from retiarii.oneshot.pytorch import default_device, metered_pass, shown_log

__all__ = ["TorchTensorEncoder", "Trainer"]

_logger = logging.getLogger(__name__)


class TorchTensorEncoder(json.JSONEncoder):
    """Encodes tensors as lists."""

    def default(self, o: Any) -> Any:
        """Return the list of a tensor."""
        return o.tolist() if isinstance(o, Tensor) else super().default(o)


class Trainer(BaseTrainer):
    """Trains a model and its mutator for some epochs. Subclasses implement what one epoch does.

    Averages of metrics are logged at level INFO of the logger ``retiarii.classic.pytorch.trainer``, and shown on
    standard error unless the program has set up logging itself.

    A checkpoint has the state of all attributes of the trainer that are modules, optimizers or schedulers of the
    learning rate, also those that a subclass adds.

    With ``checkpoint_file`` the training can be interrupted at any time, also by ``Ctrl-C`` or ``kill -9``: the same
    script, run again, goes on after the last finished epoch, with the numbers of a training that was not interrupted.

    Args:
        model: A model with choices. It is moved to the device.
        mutator: The mutator that is bound to the model. It is moved to the device.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        dataset_train: The training data, for subclasses.
        dataset_valid: The validation data, for subclasses.
        batch_size: The number of samples of a batch, for subclasses.
        workers: The number of processes that load data, for subclasses.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        callbacks: Callbacks, called in this order.
        checkpoint_file: Where the training is saved before the first epoch and after each, and where it goes on from if
            the file exists.

    Attributes:
        history: For each finished epoch, the averages of what was logged in it: from the name of a pass, such as
            ``"train"``, to metrics.

    Raises:
        ConfigError: The mutator is bound to another model.
    """

    def __init__(
        self,
        model: nn.Module,
        mutator: BaseMutator,
        loss: Callable[[Any, Any], Tensor],
        metrics: Callable[[Any, Any], Mapping[str, Any]],
        optimizer: optim.Optimizer,
        num_epochs: int,
        dataset_train: Dataset[Any] | None,
        dataset_valid: Dataset[Any] | None,
        batch_size: int,
        workers: int,
        device: torch.device | str | None,
        log_frequency: int | None,
        callbacks: Sequence[Callback] | None,
        *,
        checkpoint_file: str | os.PathLike[str] | None = None,
    ) -> None:
        if mutator.model is not model:
            raise ConfigError(
                f"The {type(mutator).__name__} is bound to another model than the one that is to be trained. Give the "
                "trainer the model that the mutator was made of."
            )
        self.device = default_device(device)
        self.model = model.to(self.device)
        self.mutator: Any = mutator.to(self.device)  # Any: subclasses know its class
        self.loss = loss.to(self.device) if isinstance(loss, nn.Module) else loss
        self.metrics = metrics
        self.optimizer = optimizer
        self.num_epochs = num_epochs
        self.dataset_train: Any = dataset_train  # Any: subclasses know whether they have one
        self.dataset_valid: Any = dataset_valid
        self.batch_size = batch_size
        self.workers = workers
        self.log_frequency = log_frequency
        self.callbacks = list(callbacks or [])
        self.checkpoint_file = checkpoint_file
        self.history: list[dict[str, dict[str, float]]] = []
        self._measured: dict[str, dict[str, float]] = {}
        self._is_resumed = False
        self._goes_on = True  # from checkpoint_file, where it exists
        self._log_dir: Path | None = None
        for callback in self.callbacks:
            callback.build(self.model, self.mutator, self)

    @abstractmethod
    def train_one_epoch(self, epoch: int) -> None:
        """Train for one epoch; the first one is 0."""

    @abstractmethod
    def validate_one_epoch(self, epoch: int) -> None:
        """Measure the model after an epoch; -1 if `validate` asks for it."""

    def train(self, validate: bool = True) -> None:
        """Train for the epochs that are left.

        Args:
            validate: Whether to validate after each epoch.

        Raises:
            RecordError: ``checkpoint_file`` exists and cannot be read.
            ConfigError: ``checkpoint_file`` exists and is of another training.
        """
        with shown_log():
            self._begin_training()
            for epoch in range(len(self.history), self.num_epochs):
                with self._interruption_noted(epoch):
                    self._run_epoch(epoch, validate)
                self._save()
            self._end_training()

    def _begin_training(self) -> None:
        if self.checkpoint_file is None:
            return
        if self._goes_on and not self._is_resumed and not self.history and Path(self.checkpoint_file).exists():
            self.resume(self.checkpoint_file)
        self._save()

    def _end_training(self) -> None:
        """Do something after the last epoch."""

    def _save(self) -> None:
        if self.checkpoint_file is not None:
            self.checkpoint(self.checkpoint_file)

    def _run_epoch(self, epoch: int, validate: bool) -> None:
        self._measured = {}
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch)
        _logger.info("Epoch [%d/%d]", epoch + 1, self.num_epochs)
        self.train_one_epoch(epoch)
        if validate:
            self.validate_one_epoch(epoch)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch)
        self.history.append(self._measured)
        self._write_graph_status()

    @contextmanager
    def _interruption_noted(self, epoch: int) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            if self.checkpoint_file is None:
                _logger.warning("Interrupted in epoch %d; without checkpoint_file nothing was saved.", epoch)
            else:
                text = "Interrupted in epoch %d. Run the script again to go on from the beginning of this epoch: %s"
                _logger.warning(text, epoch, self.checkpoint_file)
            raise

    def validate(self) -> None:
        """Measure the model on the validation data."""
        self.validate_one_epoch(-1)

    def export(self, file: str | os.PathLike[str]) -> None:
        """Write the architecture that the mutator exports to a JSON file, for `apply_fixed_architecture`.

        Args:
            file: The path. The file is replaced as a whole; folders that do not exist are made.

        Raises:
            OSError: The file cannot be written.
        """
        text = json.dumps(dict(self.mutator.export()), indent=2, sort_keys=True, cls=TorchTensorEncoder)
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        try:
            temporary.write_text(text + "\n", encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def checkpoint(self, file: str | os.PathLike[str] | None = None) -> None:
        """Write a file from which `resume` goes on after the last finished epoch.

        Args:
            file: The file; by default ``checkpoint_file``. It is replaced as a whole.

        Raises:
            NoContextError: There is neither.
            OSError: The file cannot be written.
        """
        target = self.checkpoint_file if file is None else file
        if target is None:
            raise NoContextError(
                "checkpoint() does not know where to write: give it a file, or the trainer a checkpoint_file."
            )
        write_state(
            {
                "trainer": type(self).__name__,
                "history": self.history,
                "parts": {name: part.state_dict() for name, part in self._parts().items()},
                "callbacks": [callback.state_dict() for callback in self.callbacks],
                "classes": class_names(self._parts(), self.callbacks),
            },
            target,
        )

    def resume(self, file: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint: the next `train` begins with the epoch after the last finished one.

        Model, mutator, optimizer and callbacks have to be made as they were for the training that wrote it. No code in
        the file is run.

        Raises:
            RecordError: The file is missing, damaged, or no checkpoint.
            ConfigError: It is of another trainer, model, mutator or optimizer.
        """
        state = read_state(file, type(self).__name__)
        with damage_explained(file):
            parts = self._parts()
            check_parts(parts, self.callbacks, state, file)
            for name, part in parts.items():
                part.load_state_dict(state["parts"][name])
            for callback, saved in zip(self.callbacks, state["callbacks"], strict=True):
                callback.load_state_dict(saved)
            self.history = [dict(epoch) for epoch in state["history"]]
            restore_random(state)
        self._is_resumed = True
        _logger.info("Going on from %s after %d epochs", file, len(self.history))

    def _parts(self) -> dict[str, Any]:
        """Return the attributes with a state of their own, by name; those of subclasses, too."""
        return {name: value for name, value in vars(self).items() if isinstance(value, PARTS)}

    def enable_visualization(self, log_dir: str | os.PathLike[str] = "logs") -> None:
        """Write the decisions of the mutator after each epoch, one JSON object a line, to ``status.jsonl`` in a folder.

        NNI's NAS UI, which drew them over a graph of the model, has no equivalent here. A line has the epoch, the
        averages of the metrics, and what ``mutator.status()`` returns: the weight of each candidate by key.

        Args:
            log_dir: The folder; it is made if it is missing.

        Raises:
            OSError: The folder cannot be made.
        """
        self._log_dir = Path(log_dir)
        self._log_dir.mkdir(parents=True, exist_ok=True)

    def _write_graph_status(self) -> None:
        """Write the current decisions, if `enable_visualization` was called. The name is that of NNI."""
        if self._log_dir is None:
            return
        mutator: Any = self.mutator
        status = mutator.status() if hasattr(mutator, "status") else {}
        line = {"epoch": len(self.history) - 1, "metrics": self.history[-1] if self.history else {}, "status": status}
        with open(self._log_dir / "status.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line, cls=TorchTensorEncoder) + "\n")

    def _pass(
        self,
        name: str,
        epoch: int,
        batches: Iterable[Any],
        step: Callable[[Any], tuple[Mapping[str, float], int]],
        *,
        total: int,
    ) -> None:
        """Do a step for each batch; log and keep the averages.

        Args:
            name: The name in log lines and in `history`.
            epoch: The epoch.
            batches: The batches.
            step: Returns the metrics of a batch, and its number of samples.
            total: The number of batches, for log lines.
        """
        meters = metered_pass(
            batches,
            step,
            title=f"Epoch [{epoch + 1}/{self.num_epochs}] {name}",
            logger=_logger,
            total=total,
            log_frequency=self.log_frequency,
        )
        self._measured[name] = meters.averages
