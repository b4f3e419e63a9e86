"""`Login`: asks for the token where one is needed."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from retiarii.dashboard._serving.access import Access
from retiarii.dashboard._serving.http_messages import header, is_page_request, refuse

COOKIE = "retiarii_session"

_MAX_FORM_BYTES = 1000
_MAX_FAILURES = 20  # a minute, from one address: a stranger cannot keep the owner out
_MAX_ADDRESSES = 10_000  # of those that gave wrong tokens
_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Log in · retiarii</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 380px; margin: 14vh auto; padding: 0 16px; }
h1 { font-size: 20px; margin: 0 0 8px; }
form { display: grid; gap: 10px; margin-top: 16px; }
input, button { font: inherit; padding: 8px 10px; border-radius: 6px; border: 1px solid GrayText; }
button { cursor: pointer; }
</style></head><body><main><h1>retiarii</h1>
<p>This dashboard needs the token that <code>retiarii dashboard</code> printed when it started.</p>%s
<form method="post" action="/login"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button></form></main></body></html>"""


class Login:
    """Lets those through who know the token: by the cookie of the form, or by ``Authorization: Bearer``.

    Args:
        app: The application behind it.
        access: Who may use it; without a token, everybody.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self._access = app, access
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()  # by address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket") or not self._access.token or self._is_known(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/login"):
            await self._log_in(scope, receive, send)
        elif is_page_request(scope):
            await _send_form(send, 401, "")
        else:
            detail = "A token is needed. Send the header Authorization: Bearer TOKEN, or log in with a browser."
            await refuse(scope, receive, send, 401, detail, {"www-authenticate": "Bearer"})

    def _is_known(self, scope: Scope) -> bool:
        kind, _, given = header(scope, b"authorization").partition(" ")
        if kind.lower() == "bearer" and not self._is_blocked(scope):
            if self._access.is_token(given.strip()):
                return True
            self._note_failure(scope)
        return self._access.is_session(_cookie(header(scope, b"cookie")))

    def _is_blocked(self, scope: Scope) -> bool:
        failures = self._failures.get(_address(scope))
        return failures is not None and len(failures) == _MAX_FAILURES and time.monotonic() - failures[0] < 60

    def _note_failure(self, scope: Scope) -> None:
        address = _address(scope)
        self._failures.setdefault(address, deque(maxlen=_MAX_FAILURES)).append(time.monotonic())
        self._failures.move_to_end(address)
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_blocked(scope):
            await refuse(scope, receive, send, 429, "Too many wrong tokens. Try again in a minute.")
            return
        given = parse_qs(await _body(receive)).get("token", [""])[0]
        if not self._access.is_token(given):
            self._note_failure(scope)
            await _send_form(send, 401, '<p role="alert"><strong>This token is wrong.</strong></p>')
            return
        cookie = f"{COOKIE}={self._access.session}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _cookie(text: str) -> str:
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


async def _body(receive: Receive) -> str:
    body, has_more = b"", True
    while has_more and len(body) <= _MAX_FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    return body[:_MAX_FORM_BYTES].decode("utf-8", "replace")


async def _send_form(send: Send, status: int, message: str) -> None:
    body = (_FORM % message).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
