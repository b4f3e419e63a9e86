"""`search_space_of_command`: the search space of the model that a command builds."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

from retiarii.errors import EvaluatorError
from retiarii.evaluator._command_link import CommandServer
from retiarii.evaluator._command_process import GRACE_S, check_platform, ending, kill, serve_until_end, started
from retiarii.evaluator._reporting import ADDRESS_VARIABLE, SPACE_VARIABLE


def search_space_of_command(command: str, folder: str | Path = ".", *, timeout_s: float = 300.0) -> Any:
    """Run a command until it tells its search space, and end it there.

    A Python script tells it with `retiarii.classic.pytorch.classic_nas.get_and_apply_next_architecture`.

    Args:
        command: A line for the shell.
        folder: The folder in which the command runs.
        timeout_s: How long to wait for the search space, in seconds.

    Returns:
        The search space as plain JSON data, which is not checked.

    Raises:
        EvaluatorError: The command cannot be started, ends without telling a search space, tells two, or takes longer
            than ``timeout_s``.
    """
    check_platform("A search space of a command")
    where = Path(folder).expanduser().resolve()
    if not where.is_dir():
        raise EvaluatorError(f"The command {command!r} cannot run in {str(folder)!r}, which is no directory.")
    with CommandServer(told := _Told()) as server:
        variables = {name: value for name, value in os.environ.items() if name != ADDRESS_VARIABLE}
        variables |= {SPACE_VARIABLE: server.address, "PYTHONUNBUFFERED": "1"}
        with started(command, where, variables) as process:
            told.limit(process, timeout_s)
            try:
                serve_until_end(process, server)
            finally:
                told.lift_limit()
    if told.count > 1:
        raise EvaluatorError(
            f"The command called {_CALL} twice: {command!r}. A trial has one model whose architecture is searched."
        )
    if told.count == 0:
        raise EvaluatorError(f"{_reason(process, timeout_s, is_late=told.is_late)}: {command!r}.")
    return told.space


_CALL = "get_and_apply_next_architecture(model)"


def _reason(process: subprocess.Popen[bytes], timeout_s: float, *, is_late: bool) -> str:
    """Return why there is no search space."""
    if is_late:
        return f"The command did not call {_CALL} within {timeout_s:g} s and was killed"
    if process.returncode != 0:
        return f"The command {ending(process.returncode)} before it called {_CALL}"
    return f"The command ended and did not call {_CALL}"


class _Told:
    """The search space that a command tells, and the time that the command has.

    Attributes:
        space: The search space; None until it is told.
        count: How many times the command told one.
        is_late: Whether the command was killed because it took too long.
    """

    def __init__(self) -> None:
        self.space: Any = None
        self.count = 0
        self.is_late = False
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def limit(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        """Kill the command when the time is up."""
        self._process = process
        self._timer = threading.Timer(timeout_s, self._end)
        self._timer.daemon = True
        self._timer.start()

    def lift_limit(self) -> None:
        """Stop counting the time."""
        if self._timer is not None:
            self._timer.cancel()

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request of the command, which then has some seconds to end."""
        if "space" not in request:
            return {"error": f"The request {json.dumps(request)[:200]} has no 'space'."}
        self.count += 1
        if self.count > 1:
            return {"error": f"{_CALL} was called before: a trial has one model whose architecture is searched."}
        self.space = request["space"]
        if self._process is not None:
            self.lift_limit()
            self.limit(self._process, GRACE_S)
        return {}

    def _end(self) -> None:
        self.is_late = self.count == 0
        if self._process is not None:
            kill(self._process)
