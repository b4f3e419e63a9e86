"""`Trainer`: PyTorch Lightning's trainer with quiet defaults, which can be built again for every trial."""

from __future__ import annotations

import inspect
import logging
import os
import signal
import tempfile
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retiarii.errors import EvaluatorError
from retiarii.evaluator._output import OUTPUT_DIR_VARIABLE
from retiarii.evaluator._trace import trace
from retiarii.evaluator.pytorch._lightning_arguments import as_list, modern_arguments
from retiarii.evaluator.pytorch._lightning_data import fresh_copy
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.space.construction import call_of

_LIGHTNING_LOGGERS = ("pytorch_lightning", "lightning_fabric")
_POINTLESS_WARNINGS = (
    r".*does not have many workers which may be a bottleneck",  # wrong advice: trials share the cores
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated",  # caused by Lightning 2.6 with torch 2.13, not by the user
    r".*The dirpath has changed from",  # each trial has its own folder, also if it continues another trial
)


@trace
class Trainer(pytorch_lightning.Trainer):
    """`pytorch_lightning.Trainer` for trials: the same arguments with other defaults.

    Output of Lightning is off by default: ``enable_progress_bar``, ``enable_model_summary``, ``enable_checkpointing``
    and ``logger`` are False, and its messages at level INFO are hidden. Files are written to ``default_root_dir``: in
    an experiment the trial's folder (the environment variable ``RETIARII_OUTPUT_DIR``), else a new temporary folder,
    never the working directory. ``devices`` is 1 by default. The arguments are recorded, so that every evaluation gets
    a new trainer.

    Arguments of Lightning 1 (``gpus``, ``progress_bar_refresh_rate``, ``weights_summary``,
    ``checkpoint_callback``, ...) are translated, with a FutureWarning that shows the new spelling.

    Raises:
        ArgumentError: An argument is unknown, or is one of Lightning 1 without a replacement.
    """

    __signature__ = inspect.signature(pytorch_lightning.Trainer)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        modern = modern_arguments(kwargs)
        given = {name: value for name, value in modern.items() if (name, value) != ("default_root_dir", None)}
        with quiet_lightning():
            super().__init__(*args, **{**_defaults(given), **given})


def fresh_trainer(trainer: pytorch_lightning.Trainer, callback: pytorch_lightning.Callback, **changes: Any) -> Any:
    """Return a new trainer with the same arguments and one more callback; callbacks and loggers are copied.

    Args:
        trainer: The trainer.
        callback: The additional callback.
        **changes: Arguments to change.
    """
    call = call_of(trainer)
    assert call is not None, "checked by check_trainer"
    kwargs = {**fresh_copy(modern_arguments(call.kwargs, warn=False)), **changes}
    kwargs["callbacks"] = [*as_list(kwargs.get("callbacks")), callback]
    return call.cls(*fresh_copy(call.args), **kwargs)


@contextmanager
def quiet_lightning(*more: str) -> Iterator[None]:
    """Hide messages that Lightning shows in every run; a logging level that the user set is not changed.

    Args:
        *more: Patterns of further warnings to hide.
    """
    loggers = [logging.getLogger(name) for name in _LIGHTNING_LOGGERS]
    hushed = [logger for logger in loggers if logger.level == logging.INFO]  # the level that Lightning sets
    for logger in hushed:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in (*_POINTLESS_WARNINGS, *more):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger in hushed:
            logger.setLevel(logging.INFO)


@contextmanager
def honest_interrupts() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt; Lightning would raise SystemExit and ignore further Ctrl-C."""
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as err:
        was_interrupted = isinstance(err.__context__, KeyboardInterrupt)
        if is_main and was_interrupted:
            signal.signal(signal.SIGINT, handler)
        if was_interrupted:
            raise KeyboardInterrupt from None
        raise


def check_trainer(trainer: Any) -> None:
    """Check that a trainer can be built again for each trial.

    Raises:
        EvaluatorError: ``trainer`` is not a Lightning trainer, or has no record of its arguments.
    """
    if not isinstance(trainer, pytorch_lightning.Trainer) or call_of(trainer) is None:
        raise EvaluatorError(
            f"trainer is a {type(trainer).__module__}.{type(trainer).__qualname__}, expected one built by "
            "retiarii.evaluator.pytorch.lightning.Trainer(...), which takes the arguments of pytorch_lightning.Trainer "
            "and remembers them: every trial needs a new trainer."
        )


def _defaults(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return retiarii's defaults for arguments that the user left out."""
    callbacks = as_list(kwargs.get("callbacks"))
    defaults: dict[str, Any] = {
        "default_root_dir": _output_dir(),
        "devices": 1,
        "enable_model_summary": False,
        "logger": False,
    }
    if not any(isinstance(callback, pytorch_lightning.callbacks.ProgressBar) for callback in callbacks):
        defaults["enable_progress_bar"] = False
    if not any(isinstance(callback, pytorch_lightning.callbacks.Checkpoint) for callback in callbacks):
        defaults["enable_checkpointing"] = False
    return defaults


def _output_dir() -> Path:
    """Return the folder for the files of a run, which is made when the first file is written."""
    given = os.environ.get(OUTPUT_DIR_VARIABLE)
    return Path(given) if given else Path(tempfile.gettempdir()) / f"retiarii-{uuid.uuid4().hex}"
