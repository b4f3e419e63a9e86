"""Addresses of downloads: https only, and shown without secrets."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from retiarii.errors import ConfigError


def check_address(url: str, *, allow_loopback: bool) -> None:
    """Check that a file may be fetched from an address.

    Args:
        url: The address.
        allow_loopback: Whether http is allowed, too, if the server is on this machine, as a mirror in a test is.

    Raises:
        ConfigError: It is no https address, or has a password in it.
    """
    parts = _parts(url)
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"The address {shown_address(url)} has a user name or password in it, which is not sent.")
    if parts.scheme == "https" and parts.hostname:
        return
    if not (allow_loopback and is_loopback(url)):
        raise ConfigError(f"The address {shown_address(url)} does not begin with https://, and nothing is fetched.")


def is_loopback(url: str) -> bool:
    """Return whether an address is http on this machine."""
    parts = _parts(url)
    if parts.scheme != "http" or not parts.hostname:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def is_address(text: str) -> bool:
    """Return whether a text is an address of any scheme, and not a path."""
    return "://" in text


def shown_address(url: str) -> str:
    """Return an address for messages: without user, password, query and fragment, which may be secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not an address)"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as err:
        raise ConfigError(f"The address of a download is wrong ({err}). Expected https://host/path.") from None
    return parts
