"""Headers of ASGI requests, and short answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.types import Receive, Scope, Send


def header(scope: Scope, name: bytes) -> str:
    """Return a header of a request; empty if it is missing, or there are several."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def is_page_request(scope: Scope) -> bool:
    """Return whether a browser asks for a page to show, and not a script for data."""
    return scope["type"] == "http" and "text/html" in header(scope, b"accept") and not is_api(scope)


def is_api(scope: Scope) -> bool:
    """Return whether a request is one to the API."""
    return str(scope["path"]).startswith("/api/") or scope["path"] == "/api"


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer a request, or a WebSocket, with an error in one sentence, in the form that the API has for errors."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": detail[:120]})
        return
    is_text = is_page_request(scope)
    body = (detail if is_text else json.dumps({"error": "RequestError", "detail": detail})).encode()
    kind = "text/plain; charset=utf-8" if is_text else "application/json"
    given = {"content-type": kind, "content-length": str(len(body)), "cache-control": "no-store", **(headers or {})}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})
