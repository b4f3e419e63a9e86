"""`RequestLimits`: bounds the size, the rate and the number of requests."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retiarii.dashboard._serving.http_messages import refuse


@dataclass(frozen=True)
class RequestBounds:
    """What clients may use.

    Attributes:
        body_bytes: The size of a request's body.
        header_bytes: The size of its headers, its address included.
        client_rate: Requests a second of one client, over a longer time.
        client_burst: Requests of one client at once; a page takes about 40.
        total_rate: Requests a second of all clients.
        total_burst: Requests of all clients at once.
        client_open: Requests, streams and WebSockets of one client that are open at a time.
        total_open: The same of all clients.
    """

    body_bytes: int = 1_000_000
    header_bytes: int = 16_384
    client_rate: float = 200.0
    client_burst: float = 1000.0
    total_rate: float = 500.0
    total_burst: float = 3000.0
    client_open: int = 128
    total_open: int = 512


class RequestLimits:
    """Refuses requests that are too large or too many, and counts those that are open.

    Args:
        app: The application behind it.
        limits: The limits.
    """

    def __init__(self, app: ASGIApp, limits: RequestBounds | None = None) -> None:
        self.app, self._limits = app, limits or RequestBounds()
        self._open: Counter[str] = Counter()
        self._total = _Allowance(self._limits.total_rate, self._limits.total_burst)
        self._clients: OrderedDict[str, _Allowance] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        problem = self._problem(scope, client)
        if problem is not None:
            await refuse(scope, receive, send, *problem)
            return
        self._open[client] += 1
        try:
            await self.app(scope, self._bounded(receive), send)
        except _TooLargeError:
            await refuse(scope, receive, send, 413, self._too_large())
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

    def _problem(self, scope: Scope, client: str) -> tuple[int, str, dict[str, str]] | None:
        limits = self._limits
        size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if size + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > limits.header_bytes:
            return 431, f"The headers are larger than {limits.header_bytes:,} bytes.", {}
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or int(declared[:20]) > limits.body_bytes:
            return 413, self._too_large(), {"connection": "close"}
        if self._open[client] >= limits.client_open or self._open.total() >= limits.total_open:
            return 503, "Too many requests and pages are open. Close some pages, and try again.", {"retry-after": "5"}
        if not (self._allowance(client).take() and self._total.take()):
            return 429, "Too many requests in a short time. Try again in a few seconds.", {"retry-after": "2"}
        return None

    def _too_large(self) -> str:
        return f"The body is larger than {self._limits.body_bytes:,} bytes."

    def _allowance(self, client: str) -> _Allowance:
        found = self._clients.pop(client, None) or _Allowance(self._limits.client_rate, self._limits.client_burst)
        self._clients[client] = found
        while len(self._clients) > 1000:
            self._clients.popitem(last=False)
        return found

    def _bounded(self, receive: Receive) -> Receive:
        num_bytes = 0

        async def bounded() -> Message:
            nonlocal num_bytes
            message = await receive()
            if message["type"] == "http.request":
                num_bytes += len(message.get("body", b""))
                if num_bytes > self._limits.body_bytes:
                    raise _TooLargeError
            return message

        return bounded


class _TooLargeError(Exception):
    """A body without a declared length has become too large."""


class _Allowance:
    """A token bucket: it fills at a rate up to a burst, and each request takes one."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._filled = burst, time.monotonic()

    def take(self) -> bool:
        """Take one; return whether there was one."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._filled) * self._rate)
        self._filled = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
