"""Checkpoints of trainers: the state of a training, written whole, and read without running code."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn, optim

from retiarii._tensor_file import UNREADABLE, TensorFileError, read_tensors, write_tensors
from retiarii.errors import ConfigError, RecordError

_FORMAT = "retiarii classic trainer 1"

PARTS = (nn.Module, optim.Optimizer, optim.lr_scheduler.LRScheduler, torch.amp.GradScaler)
"""The classes of the attributes of a trainer whose state is saved."""


def write_state(state: Mapping[str, Any], file: str | os.PathLike[str]) -> None:
    """Write the state of a training and of the random generators; an error leaves an old file as it was.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors({"format": _FORMAT, "random": _random_state(), **state}, path)


def read_state(file: str | os.PathLike[str], trainer: str) -> dict[str, Any]:
    """Read what `write_state` wrote.

    Args:
        file: The file.
        trainer: The name of the trainer's class, which has to be that in the state.

    Raises:
        RecordError: The file is missing, damaged, or no checkpoint.
        ConfigError: The checkpoint is of another trainer.
    """
    try:
        state = read_tensors(Path(file))
    except (OSError, TensorFileError) as err:
        raise RecordError(
            f"The checkpoint {file} cannot be read: {err}. Give a file that the checkpoint() of a trainer wrote."
        ) from err
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise RecordError(f"{file} is no checkpoint of a trainer of this version of retiarii.")
    if state.get("trainer") != trainer:
        raise ConfigError(f"The checkpoint {file} is of a {state.get('trainer')}, expected one of a {trainer}.")
    return state


def check_parts(
    parts: Mapping[str, Any], callbacks: Sequence[Any], state: Mapping[str, Any], file: str | os.PathLike[str]
) -> None:
    """Check that a checkpoint has the parts and callbacks of a trainer, and weights of its model.

    Raises:
        ConfigError: It has others.
    """
    if parts.keys() != state["parts"].keys() or len(callbacks) != len(state["callbacks"]):
        raise ConfigError(
            f"The checkpoint {file} has the parts {sorted(state['parts'])} and {len(state['callbacks'])} callbacks, "
            f"but the trainer has {sorted(parts)} and {len(callbacks)} callbacks. Use the same ones in the same order."
        )
    known = state.get("classes", {})  # older checkpoints have none
    for name, cls in class_names(parts, callbacks).items():
        if known.get(name, cls) != cls:
            raise ConfigError(
                f"In the checkpoint {file}, the {name} is a {known[name]}, but that of the trainer is a {cls}. Use one "
                "of the same class, or train from the beginning with another checkpoint file."
            )
    own, weights = parts["model"].state_dict(), state["parts"]["model"]
    different = sorted(own.keys() ^ weights.keys())
    different += [name for name in own if name in weights and np.shape(own[name]) != np.shape(weights[name])]
    if different:
        raise ConfigError(
            f"The checkpoint {file} is of another model: {different[0]!r} is in one of them only, or has another shape "
            f"there ({len(different)} of {len(own)} weights differ). Build the model as it was when the checkpoint was "
            "written."
        )


def class_names(parts: Mapping[str, Any], callbacks: Sequence[Any]) -> dict[str, str]:
    """Return the names of the classes whose states would otherwise be loaded into each other without an error.

    Modules are left out: their states have names of parameters, which are compared.
    """
    named = {name: part for name, part in parts.items() if not isinstance(part, nn.Module)}
    named |= {f"callback {position}": callback for position, callback in enumerate(callbacks)}
    return {name: type(part).__name__ for name, part in named.items()}


def restore_random(state: Mapping[str, Any]) -> None:
    """Set the random generators of torch, NumPy and Python to their state in a checkpoint."""
    generators = state["random"]
    torch.set_rng_state(generators["torch"])
    if torch.cuda.is_available() and generators["cuda"]:
        torch.cuda.set_rng_state_all(generators["cuda"])
    name, keys, *rest = generators["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    version, internal, gauss = generators["python"]
    random.setstate((version, tuple(internal), gauss))


@contextmanager
def damage_explained(file: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong while a checkpoint is unpacked into an error that names the file.

    Raises:
        ConfigError: The state does not fit the training.
    """
    try:
        yield
    except ConfigError:
        raise
    except UNREADABLE as err:
        raise ConfigError(
            f"The checkpoint {file} does not fit this training ({type(err).__name__}: {err}). Use the model, mutator, "
            "optimizer and callbacks with which it was written; build them anew, as parts of them may have been loaded."
        ) from err


def _random_state() -> dict[str, Any]:
    numpy: Any = np.random.get_state()
    name, keys, *rest = numpy
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, keys.tolist(), *rest],
        "python": [version, list(internal), gauss],
    }
