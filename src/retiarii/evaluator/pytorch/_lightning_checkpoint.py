"""Checkpoints of Lightning trainings, written atomically and read without running code."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from retiarii._tensor_file import TensorFileError, read_tensors, write_tensors
from retiarii.errors import EvaluatorError
from retiarii.evaluator._written_files import writing_explained
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning

_LEFT_OUT = ("hyper_parameters", "datamodule_hyper_parameters", "hparams_type")
"""Entries of checkpoints with the arguments of modules and data modules, which are removed: they may be any objects."""


class _WholeFiles(pytorch_lightning.plugins.TorchCheckpointIO):
    """Writes checkpoints with `write_tensors`; Lightning's own plugin writes to another folder first."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        write_tensors({name: part for name, part in checkpoint.items() if name not in _LEFT_OUT}, Path(path))


def write_checkpoint(trainer: Any, path: Path) -> None:
    """Write the state of a training: model, optimizers, schedulers, callbacks and counters.

    Args:
        trainer: The trainer, during or after training.
        path: The file, which is replaced atomically: a process killed at any instant leaves a complete file.

    Raises:
        EvaluatorError: The file cannot be written; no partial file stays.
    """
    before = trainer.strategy.checkpoint_io
    trainer.strategy.checkpoint_io = _WholeFiles()
    try:
        with writing_explained("The checkpoint of this training", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(path)
    finally:
        trainer.strategy.checkpoint_io = before


def read_checkpoint(path: Path, way_out: str) -> dict[str, Any]:
    """Read a checkpoint that `write_checkpoint` wrote; tensors are read when they are used.

    Args:
        path: The file.
        way_out: The advice in the message for a file that cannot be read.

    Raises:
        FileNotFoundError: The file does not exist.
        EvaluatorError: The file is damaged, or contains other objects than tensors and plain data.
    """
    try:
        content: dict[str, Any] = read_tensors(path, mmap=True)
    except FileNotFoundError:
        raise
    except (TensorFileError, OSError) as error:
        reason = error if isinstance(error, TensorFileError) else f"is not readable ({error.strerror or error})"
        raise EvaluatorError(f"The checkpoint {path} cannot be read: it {reason}. {way_out}") from error
    return content


def continuing(path: Path) -> dict[str, Any]:
    """Return the arguments of ``Trainer.fit`` that continue a training from a checkpoint that was read before."""
    accepts = inspect.signature(pytorch_lightning.Trainer.fit).parameters
    return {"ckpt_path": str(path), **({"weights_only": True} if "weights_only" in accepts else {})}
