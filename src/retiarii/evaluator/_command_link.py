"""The connection between a trial and the command that it runs: requests and answers in JSON, one line each.

The trial listens on a Unix socket in a folder that only its user can enter, and the environment variable
``RETIARII_TRIAL`` of the command has the path. Every request is a connection of its own, so that threads, forks and
child processes of the command can report, too.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from retiarii.errors import EvaluatorError, MetricError, TrialPruned

_MAX_REQUEST = 1 << 20  # bytes
_PATIENCE_S = 10.0  # for a client that has connected and sends nothing

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class CommandServer:
    """Listens for requests of a command. Use it as a context manager.

    Args:
        answer: Returns the answer to a request. If it raises an exception, the command gets an answer first, and then
            `serve` raises the exception.

    Attributes:
        address: The path of the socket.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._folder = tempfile.TemporaryDirectory(prefix="retiarii-", dir=_short_folder())
        self.address = str(Path(self._folder.name) / "trial")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._selector = selectors.DefaultSelector()
        try:
            self._listener.bind(self.address)
            self._listener.listen(64)
            self._selector.register(self._listener, selectors.EVENT_READ)
        except OSError as err:
            self.close()
            raise EvaluatorError(f"A trial cannot listen for its command on {self.address}: {err}.") from err

    def __enter__(self) -> CommandServer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._selector.close()
        self._listener.close()
        self._folder.cleanup()

    def serve(self, ended: int) -> None:
        """Answer requests until a descriptor becomes readable, then answer the requests that still wait.

        Args:
            ended: A descriptor that becomes readable, and stays readable, when the command has ended.

        Raises:
            TrialPruned: The search ends the trial.
            Exception: Any exception of ``answer`` but `MetricError`, which is sent to the command only.
        """
        self._selector.register(ended, selectors.EVENT_READ)
        while True:
            ready = [key.fd for key, _ in self._selector.select()]
            if self._listener.fileno() in ready:
                self._serve_one()
            elif ended in ready:
                return

    def _serve_one(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(_PATIENCE_S)
            try:
                request = _read(connection)
            except (OSError, ValueError) as err:
                _reply(connection, {"error": f"The request cannot be read: {err}"})
                return
            try:
                answer = self._answer(request)
            except MetricError as err:
                answer = {"error": str(err)}
            except TrialPruned as err:
                _reply(connection, {"pruned": err.reason})
                raise
            _reply(connection, answer)


def _short_folder() -> str | None:
    """Return a folder with a short path for the socket: its path may have about 100 bytes only."""
    return None if len(tempfile.gettempdir()) < 60 else "/tmp"


def ask(variable: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to the trial or program that runs this command, and return its answer.

    Args:
        variable: The environment variable with the path of its socket.
        request: The report or question, as JSON data.

    Raises:
        MetricError: It refuses the reported value.
        TrialPruned: The search ends the trial.
        EvaluatorError: It cannot be reached.
    """
    address = os.environ[variable]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(address)
            _send(connection, request)
            answer = _read(connection)
    except (OSError, ValueError) as err:
        raise EvaluatorError(
            f"The trial that runs this command cannot be reached at {address} (${variable}): {err}. It has ended, or "
            "the variable was copied from another process: unset it to run the script on its own."
        ) from err
    if "error" in answer:
        raise MetricError(str(answer["error"]))
    if "pruned" in answer:
        raise TrialPruned(str(answer["pruned"]))
    return answer


def _reply(connection: socket.socket, answer: dict[str, Any]) -> None:
    """Send an answer, if the command still waits for it."""
    with suppress(OSError):
        _send(connection, answer)


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _read(connection: socket.socket) -> dict[str, Any]:
    """Read one line and return its JSON object.

    Raises:
        ValueError: The line is too long, or is not a JSON object.
        OSError: The connection broke, or nothing was received in time.
    """
    data = bytearray()
    while not data.endswith(b"\n"):
        received = connection.recv(1 << 16)
        if not received:
            raise OSError("the connection was closed in the middle of a message")
        data += received
        if len(data) > _MAX_REQUEST:
            raise ValueError(f"a message has more than {_MAX_REQUEST} bytes")
    try:
        message = json.loads(data)
    except RecursionError:
        raise ValueError("a message nests too deeply") from None
    if not isinstance(message, dict):
        raise ValueError(f"{message!r} is no object")
    return message
