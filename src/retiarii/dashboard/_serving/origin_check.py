"""`OriginCheck`: refuses what pages of other sites send, and hosts that are not ours."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from retiarii.dashboard._serving.access import Access
from retiarii.dashboard._serving.http_messages import header, refuse

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_DROPPED = (b"x-forwarded-", b"forwarded")


class OriginCheck:
    """Refuses requests and WebSockets that a page of another site sends, and unknown hosts (DNS rebinding).

    Browsers say where a request comes from: in ``Sec-Fetch-Site`` with every request, in ``Origin`` with all that
    write and with WebSockets. Another site may link to a page of the dashboard, and nothing else. Other programs send
    neither header. Headers of proxies are dropped: nothing here may depend on them.

    Args:
        app: The application behind it.
        access: Who may use it.

    Reference:
        W3C Fetch Metadata Request Headers; the "resource isolation policy" of web.dev/articles/fetch-metadata.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] in ("http", "websocket"):
            problem = self._problem(scope)
            if problem is not None:
                await refuse(scope, receive, send, *problem)
                return
            kept = [pair for pair in scope["headers"] if not pair[0].startswith(_DROPPED)]
            scope = {**scope, "headers": kept}
        await self.app(scope, receive, send)

    def _problem(self, scope: Scope) -> tuple[int, str] | None:
        host = header(scope, b"host")
        if not host or not self._access.allows_host(host):
            return 421, (
                "This dashboard answers at localhost and 127.0.0.1 only. To open it from elsewhere, use an SSH tunnel, "
                "or start it with --host."
            )
        site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
        if site in ("cross-site", "same-site") and not _is_navigation(scope):
            return 403, "This request comes from a page of another site, which may not use the dashboard."
        is_writing = scope["type"] == "websocket" or scope["method"] not in _READING
        if is_writing and origin and not _is_same(origin, host):
            return 403, "This request comes from a page of another site, which may not use the dashboard."
        if is_writing and sum(name == b"origin" for name, _ in scope["headers"]) > 1:
            return 400, "The request has several Origin headers."
        return None


def _is_navigation(scope: Scope) -> bool:
    """Return whether a user follows a link to a page."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and header(scope, b"sec-fetch-mode") == "navigate"
        and header(scope, b"sec-fetch-dest") == "document"
    )


def _is_same(origin: str, host: str) -> bool:
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    return found.scheme in ("http", "https") and found.netloc.lower() == host.strip().lower()
