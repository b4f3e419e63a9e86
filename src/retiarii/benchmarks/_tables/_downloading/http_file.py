"""`open_http`: a file on a web server from some byte on, without leaving https."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO

from retiarii._version import __version__
from retiarii.benchmarks._tables.download_address import check_address, is_loopback
from retiarii.errors import ConfigError

TIMEOUT_S = 30.0
_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(\d{1,18})", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class HttpPart:
    """The rest of a file on a server, as it arrives.

    Attributes:
        response: Its bytes; None if the file has no more.
        start: The number of bytes before the first of them.
        total: The size of the whole file in bytes; None if the server does not say.
        tag: The server's mark of this version of the file (``ETag`` or ``Last-Modified``); empty if it has none.
        is_page: Whether it is a web page.
    """

    response: HTTPResponse | None
    start: int
    total: int | None
    tag: str
    is_page: bool = False


@contextmanager
def open_http(url: str, start: int, tag: str) -> Iterator[HttpPart]:
    """Ask a server for a file from a byte on; it may send the whole file, if another version is there by now.

    Args:
        url: The address, which has been checked.
        start: The bytes that are there already.
        tag: The ``tag`` of the version that they are from.

    Raises:
        urllib.error.HTTPError: The server refuses.
        urllib.error.URLError: The server cannot be reached.
        ConfigError: The server sends us to an address that is not https.
    """
    request = urllib.request.Request(url, headers=_headers(start, tag))
    try:
        response = _opener(url).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as err:
        if err.code != _RANGE_NOT_SATISFIABLE or not start:
            raise
        with err:
            yield HttpPart(None, start, _range(err.headers.get("Content-Range", ""))[1], tag)
        return
    except (urllib.error.URLError, ConfigError):
        raise
    except (HTTPException, OSError, ValueError) as err:  # errors of the answer or of a host, which urllib does not wrap
        raise urllib.error.URLError(str(err) or type(err).__name__) from err
    with response:
        yield _part(response)


def _headers(start: int, tag: str) -> dict[str, str]:
    headers = {"User-Agent": f"retiarii/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag:
            headers["If-Range"] = tag
    return headers


def _part(response: HTTPResponse) -> HttpPart:
    headers = response.headers
    start, total = _range(headers.get("Content-Range", "")) if response.status == 206 else (0, None)
    length = headers.get("Content-Length", "")
    if total is None and _LENGTH.fullmatch(length):
        total = start + int(length)
    etag = headers.get("ETag", "")
    tag = etag if etag.startswith('"') else headers.get("Last-Modified", "")  # weak marks do not promise equal bytes
    tag = tag if tag.isprintable() else ""  # a header in several lines could not be sent back
    return HttpPart(response, start, total, tag, headers.get_content_type() == "text/html")


def _range(text: str) -> tuple[int, int | None]:
    """Return the first byte and the size of the whole file, as ``Content-Range`` has them."""
    found = _RANGE.fullmatch(text)
    return (int(found[1] or 0), int(found[2])) if found else (0, None)


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """Follows the server to https addresses only; to http on this machine only if it began there."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request for the new address.

        Raises:
            ConfigError: The new address is not https.
        """
        check_address(newurl, allow_loopback=self._allow_loopback)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return an opener for http and https alone: urllib's own opens files and ftp, too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler({} if is_loopback(url) else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _HttpsRedirects(allow_loopback=is_loopback(url)),
    ):
        opener.add_handler(handler)
    return opener
