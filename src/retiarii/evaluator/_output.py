"""The folder for files of an evaluation, in the environment variable ``RETIARII_OUTPUT_DIR``.

It is a variable instead of an argument, so that programs that an evaluation starts can use it, too.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from retiarii._lazy import is_a, load
from retiarii._own_process import own_process
from retiarii.errors import ArgumentError
from retiarii.trial import CHECKPOINT, CHECKPOINT_OF_KERAS, SPARE

logger = logging.getLogger(__name__)

OUTPUT_DIR_VARIABLE = "RETIARII_OUTPUT_DIR"


class _Form(NamedTuple):
    """How the weights of one kind of model are saved.

    Attributes:
        model: The class of the models, as ``"module:attribute"``.
        name: The name of the file.
        writer: The function that writes it.
        reader: The function that reads it.
    """

    model: str
    name: str
    writer: str
    reader: str


_TORCH = "retiarii.evaluator.pytorch._state_file"
_KERAS = "retiarii.evaluator.keras._weights_file"
_FORMS = (
    _Form("keras:Model", CHECKPOINT_OF_KERAS, f"{_KERAS}:write_weights", f"{_KERAS}:read_weights"),
    _Form("torch.nn:Module", CHECKPOINT, f"{_TORCH}:write_state", f"{_TORCH}:read_state"),
)

_KEEPS_FILES: ContextVar[bool] = ContextVar("retiarii_keeps_files", default=True)


def output_to(folder: Path, *, keeps_files: bool = True) -> AbstractContextManager[None]:
    """Make a folder for the files of the evaluation in this block, and remove it at the end if it is empty.

    Args:
        folder: The folder.
        keeps_files: Whether files in it may be needed later. If not, `save_checkpoint` writes nothing.
    """
    return _Output(folder, keeps_files)


class _Output(AbstractContextManager[None]):
    """The context of `output_to`; entered and left by every trial, so it is no generator and makes no paths."""

    def __init__(self, folder: Path, keeps_files: bool) -> None:
        self._name, self._keeps_files = str(folder), keeps_files
        self._own = own_process()

    def __enter__(self) -> None:
        self._before = os.environ.get(OUTPUT_DIR_VARIABLE)
        self._is_new = _make(self._name)
        os.environ[OUTPUT_DIR_VARIABLE] = self._name
        self._token = _KEEPS_FILES.set(self._keeps_files)

    def __exit__(self, *raised: object) -> None:
        _KEEPS_FILES.reset(self._token)
        if self._before is None:
            os.environ.pop(OUTPUT_DIR_VARIABLE, None)
        else:
            os.environ[OUTPUT_DIR_VARIABLE] = self._before
        if self._is_new and self._own.is_this():  # a fork may leave this block, too, while the evaluation continues
            _put_by(self._name)


def output_dir() -> Path | None:
    """Return the folder of the running trial, for files of any kind; None outside a trial.

    It is also in the environment variable ``RETIARII_OUTPUT_DIR``. An experiment keeps the folders of its best
    ``keep_checkpoints`` trials, and removes those of the others.
    """
    given = os.environ.get(OUTPUT_DIR_VARIABLE)
    return Path(given) if given else None


def save_checkpoint(model: Any) -> Path | None:
    """Save the weights of the running trial's network, so that ``export_top_models(weights=True)`` can load them.

    The file ``checkpoint.pt`` in `output_dir` holds ``model.state_dict()``, on the CPU; of a Keras model,
    ``checkpoint.weights.h5`` has the weights. It is replaced as a whole, so that a function may call this after every
    epoch that is better than those before. Nothing is written outside a trial and in experiments that keep no files.
    The evaluators of Lightning and Keras do this by themselves.

    Args:
        model: The trained model of the evaluation, or a copy; a PyTorch model may be compiled or wrapped for parallel
            training.

    Returns:
        The file; None if nothing is written.

    Raises:
        ArgumentError: ``model`` is something else, such as a state dict.
        EvaluatorError: The file cannot be written, for example because the disk is full.
    """
    form = _form_of(model, "save_checkpoint")
    folder = output_dir()
    if folder is None or not _KEEPS_FILES.get():
        return None
    path = folder / form.name
    load(form.writer)(model, path)
    return path


def load_checkpoint(model: Any, path: Path) -> None:
    """Load the weights that `save_checkpoint` wrote into a network of the same architecture.

    Args:
        model: The network, of PyTorch or Keras.
        path: The file.

    Raises:
        ArgumentError: ``model`` is something else, such as a state dict.
        EvaluatorError: The file cannot be read, or holds the weights of another network.
    """
    load(_form_of(model, "load_checkpoint").reader)(model, path)


def _form_of(model: Any, function: str) -> _Form:
    for form in _FORMS:
        if is_a(model, form.model):
            return form
    raise ArgumentError(
        f"{function} got an object of type {type(model).__name__}, expected the model itself, not a state dict."
    )


def _make(folder: str) -> bool:
    """Make a folder, and return whether it is new; an error is only logged, as few evaluations write files."""
    if _take_over(folder):
        return True
    try:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        if os.path.islink(folder):  # it would lead the trial's files elsewhere
            os.unlink(folder)
        os.mkdir(folder, mode=0o700)
    except FileExistsError:
        return False
    except OSError as error:
        logger.warning("The folder for the files of this trial cannot be made (%s): %s", error.strerror, folder)
        return False
    return True


def _take_over(folder: str) -> bool:
    """Rename the spare folder of an earlier trial to this one; return False if there is none."""
    try:
        os.rename(_spare_of(folder), folder)
        if stat.S_ISDIR(os.lstat(folder).st_mode):
            return True
        os.unlink(folder)  # a link, which would lead the trial's files elsewhere
    except OSError:  # there is none, or this trial has a folder with files in it
        pass
    return False


def _put_by(folder: str) -> None:
    """Keep an empty folder as a spare for the next trial, because removing it takes some file systems milliseconds."""
    with suppress(OSError):
        if not os.path.islink(folder) and not os.listdir(folder):
            os.rename(folder, _spare_of(folder))


def _spare_of(folder: str) -> str:
    return folder.rpartition(os.sep)[0] + os.sep + SPARE
