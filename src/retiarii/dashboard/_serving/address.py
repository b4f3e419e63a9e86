"""`listen`: the first free port."""

from __future__ import annotations

import errno
import socket

from retiarii.errors import ConfigError

_NUM_TRIED = 50


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the first free port, from the one asked for.

    Args:
        host: The address, as in ``"127.0.0.1"``.
        port: The first port to try; 0 for any.

    Raises:
        ConfigError: The address cannot be used, or 50 ports in a row are taken.
    """
    if not 0 <= port < 2**16:
        raise ConfigError(f"The port is {port}, expected a number from 0 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for tried in range(port, min(port + _NUM_TRIED, 2**16)):
        try:
            return socket.create_server((host, tried), family=family, backlog=128)
        except OSError as err:
            if err.errno != errno.EADDRINUSE:
                raise ConfigError(
                    f"The dashboard cannot listen on {host}, port {tried}: {err.strerror or err}."
                ) from err
    raise ConfigError(f"The ports from {port} to {tried} are taken. Give another one: --port 9000.")


def url_of(host: str, port: int) -> str:
    """Return the address for a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
