"""The process of a command: its start in a session of its own, the answers to its requests, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from retiarii.errors import EvaluatorError, TrialPruned
from retiarii.evaluator._command_link import CommandServer

GRACE_S = 5.0
"""The time that a command has to end by itself before it is killed."""


def check_platform(name: str) -> None:
    """Refuse systems without Unix sockets.

    Raises:
        EvaluatorError: The system is Windows.
    """
    if sys.platform == "win32":
        raise EvaluatorError(f"{name} needs Unix sockets, which Python does not have on Windows.")


@contextmanager
def started(
    arguments: str | Sequence[str], folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own; at the end of the block, its remaining processes are killed.

    Args:
        arguments: A line for the shell, or arguments.
        folder: The folder in which it runs.
        variables: Its whole environment.

    Raises:
        EvaluatorError: It cannot be started.
    """
    try:
        process = subprocess.Popen(
            arguments,
            shell=isinstance(arguments, str),
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as err:
        raise EvaluatorError(f"The command {arguments!r} cannot be started in {folder}: {err}.") from err
    try:
        yield process
    finally:
        kill(process)


def serve_until_end(process: subprocess.Popen[bytes], server: CommandServer) -> None:
    """Answer the requests of a command until it ends.

    Raises:
        TrialPruned: The search ends the trial; the command has some seconds to end by itself.
        Exception: What the server raises otherwise.
    """
    ended, at_end = os.pipe()

    def wait() -> None:
        process.wait()
        os.close(at_end)

    waiting = threading.Thread(target=wait, daemon=True, name="retiarii-command")
    waiting.start()
    try:
        server.serve(ended)
    except TrialPruned:
        waiting.join(GRACE_S)
        raise
    finally:
        kill(process)
        waiting.join()
        os.close(ended)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill all processes in the session of a command."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def ending(code: int) -> str:
    """Return a clause that says how a command ended.

    Args:
        code: Its exit code, negative for a signal.
    """
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
