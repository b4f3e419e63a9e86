"""`CodeExport`: the networks of trials as Python code, written by a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from retiarii.dashboard._steering.command_process import command_line, detached, environment, last_part
from retiarii.errors import ExperimentBusyError, ExperimentError
from retiarii.storage import Store

_TIMEOUT_S = 120.0
_PATIENCE_S = 60.0
_MOST_KEPT = 16
_MOST_BYTES = 8 * 2**20

_Key: TypeAlias = tuple[str, str, float, int, str]


class CodeExport:
    """Exports code, one network at a time, and keeps the last ones; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[_Key, str] = OrderedDict()

    def code(self, store: Store, experiment_id: str, number: int) -> str:
        """Return the network of a trial as Python code that needs only PyTorch.

        Raises:
            NotFoundError: The experiment or the trial does not exist.
            ExperimentBusyError: Another export takes too long.
            ExperimentError: The code cannot be written; the message is that of the command.
        """
        record, trial = store.get_experiment(experiment_id), store.get_trial(experiment_id, number)
        key = store.url, record.id, record.created, number, trial.architecture.key
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise ExperimentBusyError("Another network is being exported as code. Try again in a minute.")
        try:
            if key not in self._kept:
                self._kept[key] = _exported(store, record.id, number)
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]
        finally:
            self._lock.release()


CODE_EXPORT = CodeExport()
"""That of this process."""


def _exported(store: Store, experiment_id: str, number: int) -> str:
    words = ("export", experiment_id, "--trial", str(number), "--format", "code")
    command = f"`{store.command(' '.join(words))}`"
    with tempfile.TemporaryDirectory(prefix="retiarii-export-") as folder:
        code, output = Path(folder, "network.py"), Path(folder, "output")
        try:
            with output.open("wb") as file:  # modules of the user may print when they are imported
                process = subprocess.Popen(
                    command_line(*words, "-o", str(code)),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=environment(store.url),
                    **detached(),
                )
            status = process.wait(_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise ExperimentError(f"{command} was ended, because it took more than {_TIMEOUT_S:.0f} seconds.") from None
        except OSError as err:
            raise ExperimentError(f"{command} cannot be started: {err.strerror or err}.") from err
        if status:
            raise ExperimentError(f"{command} failed: {last_part(output) or f'exit code {status}'}")
        with code.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
