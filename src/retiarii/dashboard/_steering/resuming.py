"""`Resuming`: continue experiments in processes of their own, which outlive the dashboard."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from retiarii.dashboard._steering.command_process import command_line, detached, environment, last_part
from retiarii.errors import ExperimentBusyError, ExperimentError
from retiarii.storage import Store

OUTPUT = "resume.log"
"""The file in the folder of an experiment with the output of its last resume."""

_WATCHED_S = 2.5
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Resumed:
    """A process that continues an experiment.

    Attributes:
        pid: The process; None if this dashboard has started none.
        is_alive: Whether it runs.
        exit_code: The exit code of the process; None while it runs.
        path: The file with its output.
        output: The end of that output.
    """

    pid: int | None
    is_alive: bool
    exit_code: int | None
    path: Path
    output: str


class Resuming:
    """Continues experiments; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._processes: dict[tuple[str, str], subprocess.Popen[bytes]] = {}

    def resume(self, store: Store, experiment_id: str, max_trials: int | None = None) -> Resumed:
        """Start ``retiarii resume ID``, and watch it for a moment.

        Args:
            store: The store of the experiment.
            experiment_id: Its id.
            max_trials: Go on to so many trials in all; None as before.

        Returns:
            The process, which runs the experiment or prepares to do so; or which has done what was left.

        Raises:
            NotFoundError: The experiment does not exist.
            ExperimentBusyError: It is running, or being resumed.
            ExperimentError: The process ended at once; the message has its last output.
        """
        record = store.get_experiment(experiment_id)
        key = (store.url, record.id)
        with self._lock:
            process = self._processes.get(key)
            if store.is_running(record.id) or (process is not None and process.poll() is None):
                raise ExperimentBusyError(f"Experiment {record.id!r} is running already.")
            path = store.directory(record.id) / OUTPUT
            process = self._processes[key] = _start(store, record.id, max_trials, path)
        deadline = time.monotonic() + _WATCHED_S
        while process.poll() is None and not store.is_running(record.id) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        if process.poll():
            raise ExperimentError(
                f"`{store.command(f'resume {record.id}')}` ended at once with the exit code {process.returncode}: "
                f"{last_part(path) or 'it printed nothing'}"
            )
        return self.state(store, record.id)

    def state(self, store: Store, experiment_id: str) -> Resumed:
        """Return the process that was started last for an experiment, and its output.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        path = store.trial_files(experiment_id).root.parent / OUTPUT
        process = self._processes.get((store.url, experiment_id))
        code = None if process is None else process.poll()
        is_alive = process is not None and code is None
        return Resumed(None if process is None else process.pid, is_alive, code, path, last_part(path))


RESUMING = Resuming()
"""That of this process."""


def _start(store: Store, experiment_id: str, max_trials: int | None, path: Path) -> subprocess.Popen[bytes]:
    more = [] if max_trials is None else ["--max-trial-number", str(max_trials)]
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        output = os.open(path, flags, 0o600)
        try:
            process = subprocess.Popen(
                command_line("resume", experiment_id, *more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(store.url),
                **detached(),
            )
        finally:
            os.close(output)
    except OSError as err:
        raise ExperimentError(
            f"The process that resumes experiment {experiment_id!r} cannot be started: {err.strerror or err}."
        ) from err
    Thread(target=process.wait, name="retiarii-resume", daemon=True).start()  # else it would stay as a zombie
    return process
