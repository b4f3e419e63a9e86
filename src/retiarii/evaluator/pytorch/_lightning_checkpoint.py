"""Checkpoints of Lightning trainings: written whole or not at all, and read without running code."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from retiarii._tensor_file import TensorFileError, read_tensors, write_tensors
from retiarii.errors import EvaluatorError
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.evaluator.pytorch._state_file import writing_explained

_LEFT_OUT = ("hyper_parameters", "datamodule_hyper_parameters", "hparams_type")
"""What Lightning adds of the arguments of module and data module: they may be anything, and the evaluator has them."""


class _WholeFiles(pytorch_lightning.plugins.TorchCheckpointIO):
    """Writes a checkpoint as `write_tensors` does; Lightning's own way goes through another folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        write_tensors({name: part for name, part in checkpoint.items() if name not in _LEFT_OUT}, Path(path))


def write_checkpoint(trainer: Any, path: Path) -> None:
    """Write all that a training needs to go on: model, optimizers, schedulers, callbacks and counters.

    Args:
        trainer: In training or after it.
        path: The file, which is replaced at once, so that a process killed at any instant leaves a whole one.

    Raises:
        EvaluatorError: The file cannot be written; nothing of it stays.
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
    """Return what `write_checkpoint` wrote, for a look at it; tensors are read when they are used.

    Args:
        path: The file.
        way_out: What the user can do about a file that cannot be read.

    Raises:
        FileNotFoundError: There is no such file.
        EvaluatorError: It is damaged, or holds something else than tensors and plain data.
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
    """Return the arguments of ``Trainer.fit`` with which a training goes on from a file that was read before."""
    accepts = inspect.signature(pytorch_lightning.Trainer.fit).parameters
    return {"ckpt_path": str(path), **({"weights_only": True} if "weights_only" in accepts else {})}
