"""The trained supernet of an experiment as a file of tensors and plain data; reading it runs no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retiarii._tensor_file import UNREADABLE, TensorFileError, read_tensors, write_tensors
from retiarii.errors import ExperimentError, RetiariiError, StorageError
from retiarii.oneshot import OneShotSearch

SUPERNET_FOLDER = "supernet"
CHECKPOINT = "last.ckpt"
_FILE = "supernet.pt"


def save_supernet(folder: Path, search: OneShotSearch, *, is_complete: bool) -> None:
    """Write the weights of a supernet and the state of the search; the file is replaced atomically.

    Args:
        folder: The folder of the supernet.
        search: The search, after the training.
        is_complete: Whether the training was completed.

    Raises:
        StorageError: The file cannot be written.
    """
    path = folder / _FILE
    weights = search.supernet.module.state_dict()
    content = {"weights": weights, "search": search.state_dict(), "is_complete": is_complete}
    try:
        write_tensors(content, path)
    except OSError as error:
        raise StorageError(
            f"The trained supernet cannot be written to {path}: {error.strerror or error}. Make room for it and resume "
            "the experiment: it goes on from the checkpoint of the last epoch."
        ) from error


def load_supernet(folder: Path, search: OneShotSearch) -> bool | None:
    """Restore the state of a search that `save_supernet` wrote.

    Returns:
        Whether the training was completed; None if there is no file.

    Raises:
        ExperimentError: The file is damaged, was not written by an experiment, or belongs to another model or strategy.
    """
    path = folder / _FILE
    try:
        content = read_tensors(path, search.supernet.device)
    except FileNotFoundError:
        return None
    except TensorFileError as error:
        raise ExperimentError(f"The trained supernet in {path} {error}. {_way_out(folder)}") from error
    except OSError as error:
        raise ExperimentError(
            f"The trained supernet in {path} cannot be read: {error.strerror or error}. Make it readable for this user."
        ) from error
    try:
        return _restored(content, search)
    except (*UNREADABLE, RetiariiError) as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise ExperimentError(
            f"The trained supernet in {path} does not belong to this model and strategy ({type(error).__name__}: "
            f"{first_line}). {_way_out(folder)}"
        ) from error


def _restored(content: dict[str, Any], search: OneShotSearch) -> bool:
    search.supernet.module.load_state_dict(content["weights"])
    search.load_state_dict(content["search"])
    return bool(content["is_complete"])


def _way_out(folder: Path) -> str:
    if (folder / CHECKPOINT).exists():
        return "Delete it and resume the experiment: it is made again from the checkpoint of the last epoch."
    return "Delete it and resume the experiment to train the supernet again."
