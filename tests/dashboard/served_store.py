"""The dashboard of a store in a process of its own, as tests need it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

SERVER = """
import socket, sys, uvicorn
from retiarii.dashboard._serving.app import create_app
from retiarii.storage import open_store
listening = socket.create_server(("127.0.0.1", 0))
app = create_app(open_store(sys.argv[1]))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
"""


class ServedStore:
    """A running dashboard.

    Attributes:
        address: ``http://127.0.0.1:PORT``, without a slash at the end.
        pid: Its process.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._log = folder / "server.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVER, url],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.pid = self._process.pid
        port = self._process.stdout.readline().strip()
        if not port:
            self.end()
            raise RuntimeError(f"The dashboard did not start:\n{self.log()}")
        self.address = f"http://127.0.0.1:{port}"

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        """Return what the server wrote to its standard error."""
        return self._log.read_text()

    def kill(self) -> None:
        """End the process without a chance to clean up."""
        self._process.kill()
        self._process.wait(20)

    def end(self) -> None:
        """End the process as a user does."""
        if self.is_alive():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process.stdout.close()
