"""`SafeHeaders`: the headers with which browsers protect a page, and the content security policy."""

from __future__ import annotations

import re
import secrets
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
}
_SCRIPT = re.compile(rb"<script(?=[\s>])")


def policy(nonce: str) -> str:
    """Return the content security policy of a page.

    Nothing comes from another host. Inline scripts need the nonce of their page. ``unsafe-eval`` is for Vue, which
    compiles the templates of NiceGUI's components in the browser, and for NiceGUI, which runs the code that the server
    sends with ``eval``. ``unsafe-inline`` for styles is for Vue, Quasar and Plotly, which set style attributes.
    """
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    )


class SafeHeaders:
    """Adds headers to every response, and to the scripts of a page the nonce that its policy names.

    NiceGUI escapes all texts in the pages that it makes, so each ``<script`` in them is one of its template or ours.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        start: dict[str, Any] = {}
        parts: list[bytes] = []

        async def safe_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = _with_safe_headers(message["headers"], nonce)
                message = {**message, "headers": headers}
                if _is_html(headers):
                    start.update(message)
                    return
            elif start and message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if message.get("more_body"):
                    return
                await _send_page(send, dict(start), b"".join(parts), nonce)
                start.clear()
                return
            await send(message)

        await self.app(scope, receive, safe_send)


async def _send_page(send: Send, start: dict[str, Any], body: bytes, nonce: str) -> None:
    body = _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', body)
    kept = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
    start["headers"] = [*kept, (b"content-length", str(len(body)).encode())]
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _with_safe_headers(headers: Any, nonce: str) -> list[tuple[bytes, bytes]]:
    ours = {**_HEADERS, b"content-security-policy": policy(nonce).encode()}
    kept = [(name, value) for name, value in headers if name.lower() not in ours]
    return [*kept, *ours.items()]


def _is_html(headers: list[tuple[bytes, bytes]]) -> bool:
    found = {name.lower(): value for name, value in headers}
    return found.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in found
