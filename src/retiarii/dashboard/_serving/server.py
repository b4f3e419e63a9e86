"""`serve`: the dashboard's process."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import webbrowser
from dataclasses import dataclass
from socket import socket

import uvicorn
from nicegui import Client

from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._serving.access import TOKEN_VARIABLE, Access, access_for
from retiarii.dashboard._serving.address import listen, url_of
from retiarii.dashboard._serving.app import create_app
from retiarii.dashboard._serving.lifetime import Lifetime
from retiarii.storage import Store
from retiarii.terminal import write


@dataclass(frozen=True)
class ServeOptions:
    """How to serve the dashboard.

    Attributes:
        host: The address to listen on. Every other than that of this machine needs a token.
        port: The first port to try; 0 for any.
        page: The page to open, as in ``"/experiments/0c4tq7wz"``.
        opens_browser: Whether to open it in a browser.
        parent: The process after whose end the server ends; None to serve until Ctrl-C.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    page: str = "/"
    opens_browser: bool = False
    parent: int | None = None


def serve(store: Store, options: ServeOptions) -> None:
    """Serve the dashboard of a store until Ctrl-C, or until its parent process has ended.

    A server for a parent writes one line of JSON with its ``port`` when it listens, before it is ready to answer, and
    an empty one when it is; otherwise the address is written for people.

    Raises:
        ConfigError: The address or the port cannot be used.
    """
    access = access_for(options.host)
    listening = listen(options.host, options.port)
    port = listening.getsockname()[1]
    if options.parent is not None:
        _tell_parent(json.dumps({"port": port}))
    server = _server(store, access, _words(options.host, port))
    if options.parent is None:
        _announce(options, access, port)
    asyncio.run(_serve(server, listening, options))


class _DashboardServer(uvicorn.Server):
    """A server that ends the streams of changes first, because it waits for the end of all answers.

    Args:
        config: Its settings.
        reader: What is followed.
    """

    def __init__(self, config: uvicorn.Config, reader: Reader) -> None:
        super().__init__(config)
        self._reader = reader

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """See uvicorn."""
        self._reader.changes.close()
        await super().shutdown(sockets)


def _server(store: Store, access: Access, words: str) -> uvicorn.Server:
    reader = Reader(store)
    config = uvicorn.Config(
        create_app(store, access, reader, words),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=32_768,
        ws_max_size=1_000_000,
        timeout_graceful_shutdown=2,
    )
    return _DashboardServer(config, reader)


def _words(host: str, port: int) -> str:
    """Return the command that starts a server at the same address, where the pages that are open look for it."""
    words = ["dashboard"]
    words += ["--host", shlex.quote(host)] if host != ServeOptions.host else []
    words += ["--port", str(port)] if port != ServeOptions.port else []
    return " ".join(words)


async def _serve(server: uvicorn.Server, listening: socket, options: ServeOptions) -> None:
    running = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    if options.parent is not None:
        _tell_parent("")
        ended = asyncio.create_task(Lifetime(options.parent, _has_pages).wait())
        await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        server.should_exit = True
    elif options.opens_browser:
        address = url_of(options.host, listening.getsockname()[1]) + options.page
        await asyncio.to_thread(webbrowser.open, address)
    await running


def _has_pages() -> bool:
    return any(client.has_socket_connection for client in list(Client.instances.values()))


def _tell_parent(line: str) -> None:
    """Write a line to the process that started this one; it may have ended."""
    try:
        os.write(sys.stdout.fileno(), f"{line}\n".encode())
    except OSError:
        return


def _announce(options: ServeOptions, access: Access, port: int) -> None:
    if options.port and port != options.port:
        write(f"{options.port} is taken; using {port}.")
    write(f"Dashboard: {url_of(options.host, port)}{options.page}")
    if access.token and not os.environ.get(TOKEN_VARIABLE):
        write(f"Token: {access.token}")
    write("End it with Ctrl-C.")
