"""The trained supernet of an experiment as a file of tensors and plain data; reading it runs no code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from retiarii.errors import ExperimentError
from retiarii.oneshot import OneShotSearch

SUPERNET_FOLDER = "supernet"
CHECKPOINT = "last.ckpt"
_FILE = "supernet.pt"


def save_supernet(folder: Path, search: OneShotSearch, *, is_complete: bool) -> None:
    """Write the weights of a supernet and the state of the search; the file is replaced at once.

    Args:
        folder: Of the supernet.
        search: After the training.
        is_complete: Whether the training came to its end.
    """
    temporary = folder / f"{_FILE}.tmp"
    weights = search.supernet.module.state_dict()
    torch.save({"weights": weights, "search": search.state_dict(), "is_complete": is_complete}, temporary)
    os.replace(temporary, folder / _FILE)


def load_supernet(folder: Path, search: OneShotSearch) -> bool | None:
    """Bring a search to where `save_supernet` was called.

    Returns:
        Whether the training came to its end; None if there is no file.

    Raises:
        ExperimentError: The file is damaged, or of another model.
    """
    path = folder / _FILE
    try:
        content: dict[str, Any] = torch.load(path, map_location=search.supernet.device, weights_only=True)
        search.supernet.module.load_state_dict(content["weights"])
        search.load_state_dict(content["search"])
        return bool(content["is_complete"])
    except FileNotFoundError:
        return None
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise ExperimentError(
            f"The trained supernet in {path} cannot be read ({type(error).__name__}: {error}). It is damaged or of "
            f"another model; delete {folder} to train it again."
        ) from error
