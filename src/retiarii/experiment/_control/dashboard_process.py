"""`show_dashboard`: the dashboard beside a search, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from select import select
from threading import Thread
from typing import IO, Any

from retiarii._own_process import OwnProcess, own_process
from retiarii.storage import Store
from retiarii.terminal import write

SWITCH = "RETIARII_DASHBOARD"
"""The environment variable that, set to ``off``, runs scripts that ask for a page without one."""

_NEEDED = ("fastapi", "uvicorn", "nicegui", "plotly")
_PATIENCE_S = 30.0
_ADVICE = "The search goes on without it. Look at it later with: "


def show_dashboard(store: Store, experiment_id: str, port: int) -> DashboardProcess | None:
    """Start the dashboard of a store, unless this process has started one, and print its address.

    A dashboard that does not start is no reason for a search not to run: a sentence says why.

    Args:
        store: The store.
        experiment_id: The experiment that the printed address shows.
        port: The first port to try.

    Returns:
        The process; None if it did not start.
    """
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "no"):
        return None
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        write(f'No dashboard: {missing[0]} is not installed. Install it with: pip install "retiarii[dashboard]"')
        return None
    process = _PROCESSES.get(store.url)
    if process is None or not process.is_alive:
        try:
            process = _PROCESSES[store.url] = DashboardProcess(store, port)
        except OSError as err:
            write(f"No dashboard: {err}. {_ADVICE}{store.command('dashboard')}")
            return None
        if process.port and process.port != port and port:
            write(f"{port} is taken; using {process.port}.")
    if not process.port:
        write(f"No dashboard: {process.problem()} {_ADVICE}{store.command('dashboard')}")
        return None
    write(f"Dashboard: http://127.0.0.1:{process.port}/experiments/{experiment_id}")
    return process


class DashboardProcess:
    """A running dashboard, in a session of its own: neither Ctrl-C nor an open file of this process reaches it.

    It ends by itself after this process has ended.

    Args:
        store: The store that it shows.
        port: The first port to try.

    Attributes:
        port: The port that it listens on; 0 if it did not start.

    Raises:
        OSError: No process can be started.
    """

    def __init__(self, store: Store, port: int) -> None:
        self._own: OwnProcess = own_process()
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "retiarii", "dashboard", "--port", str(port), "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(store),
            **_own_session(),
        )
        self.port = self._read_port()
        if self.port:
            Thread(target=self._report_failure, args=(store,), name="retiarii-dashboard", daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether it runs, and this process has started it and is not a fork of the one that did."""
        return self._own.is_this() and bool(self.port) and self._process.poll() is None

    def wait_for_user(self) -> None:
        """Wait for Ctrl-C, for Enter where there is a keyboard, or for its end; then end it."""
        write("Press Enter or Ctrl-C to close the dashboard." if sys.stdin.isatty() else "Close it with Ctrl-C.")
        try:
            if sys.stdin.isatty():
                sys.stdin.readline()
            else:
                self._process.wait()
        except KeyboardInterrupt:
            write("")
        self.end()

    def end(self) -> None:
        """End it now."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def problem(self) -> str:
        """Return why it did not start, as a sentence."""
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].removeprefix("Error: ") if lines else "its process did not start."

    def _read_port(self) -> int:
        line = _read_line(self._output(), _PATIENCE_S)
        try:
            return int(json.loads(line)["port"])
        except (ValueError, KeyError, TypeError):
            self.end()
            return 0

    def _report_failure(self, store: Store) -> None:
        """Wait until it answers; say so if it ends before."""
        output = self._output()
        if not os.read(output, 1):
            write(f"The dashboard ended: {self.problem()} {_ADVICE}{store.command('dashboard')}")

    def _output(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()


_PROCESSES: dict[str, DashboardProcess] = {}  # by the URL of the store


def _environment(store: Store) -> dict[str, str]:
    """Return its environment: the store, whose URL may hold a password, and the path of this package."""
    package = str(Path(__file__).resolve().parents[3])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "RETIARII_STORAGE": store.url, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def _own_session() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _read_line(output: int, timeout_s: float) -> str:
    """Return a line of a pipe without its end; what there is of it after the time, or at the end of the pipe."""
    line, deadline = b"", time.monotonic() + timeout_s
    while not line.endswith(b"\n"):
        if sys.platform != "win32" and not select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
            break
        part = os.read(output, 1)
        if not part:
            break
        line += part
    return line.decode("utf-8", "replace").strip()
