"""Files with the weights of a network: written atomically, read without running code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from retiarii._tensor_file import UNREADABLE, TensorFileError, read_tensors, write_tensors
from retiarii.errors import EvaluatorError
from retiarii.evaluator._written_files import writing_explained

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def write_state(model: nn.Module, path: Path) -> None:
    """Write ``model.state_dict()``, moved to the CPU; the file is replaced atomically.

    Args:
        model: The model; wrappers of compilation or parallel training are removed.
        path: The file; its folder is made if it is missing.

    Raises:
        EvaluatorError: The file cannot be written; no partial file stays.
    """
    state = {name: _on_cpu(value) for name, value in _unwrapped(model).state_dict().items()}
    with writing_explained("The weights of this trial", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(state, path)


def read_state(model: nn.Module, path: Path) -> None:
    """Load weights that `write_state` wrote into a network of the same architecture.

    Raises:
        EvaluatorError: The file cannot be read, or holds the weights of another network.
    """
    try:
        model.load_state_dict(read_tensors(path, needs_seal=False))  # an evaluation may write one without a checksum
    except (TensorFileError, OSError, *UNREADABLE) as error:
        raise EvaluatorError(
            f"The weights in {path} cannot be loaded ({type(error).__name__}: {error}). The file is damaged, or holds "
            "something else than the state_dict of the model that the evaluation was given."
        ) from error


def _unwrapped(model: nn.Module) -> nn.Module:
    while True:
        if isinstance(model, _WRAPPERS):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):  # of torch.compile
            model = inner
        else:
            return model


def _on_cpu(value: Any) -> Any:
    return value.detach().cpu() if isinstance(value, torch.Tensor) else value
