"""`Lifetime`: ends the server after the process that started it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import psutil

_LOOK_S = 0.5
LINGER_S = 60.0
"""How long the server stays after its last page was closed."""


class Lifetime:
    """Watches the process that started the server.

    When it has ended, in any way, the server ends too: at once if no page is open, otherwise a minute after the last
    page was closed.

    Args:
        pid: The process that started the server.
        has_pages: Returns whether a page is open.
    """

    def __init__(self, pid: int, has_pages: Callable[[], bool]) -> None:
        self._has_pages = has_pages
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    async def wait(self) -> None:
        """Return when the server is to end."""
        while self._is_alive():
            await asyncio.sleep(_LOOK_S)
        had_pages, closed = self._has_pages(), time.monotonic()
        while had_pages and time.monotonic() - closed < LINGER_S:
            await asyncio.sleep(_LOOK_S)
            if self._has_pages():
                closed = time.monotonic()

    def _is_alive(self) -> bool:
        if self._process is None:
            return False
        try:
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
