"""`Access`: who may use the dashboard."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from ipaddress import ip_address

TOKEN_VARIABLE = "RETIARII_DASHBOARD_TOKEN"
"""The environment variable with the token; without it, a token is generated."""

_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True)
class Access:
    """Who may use the dashboard.

    Attributes:
        token: What users have to know; empty on an address that only this machine can reach.
    """

    token: str = ""

    @property
    def session(self) -> str:
        """The value of the cookie of a browser that has logged in; the token does not follow from it."""
        return hmac.new(self.token.encode(), b"retiarii dashboard session", hashlib.sha256).hexdigest()

    def is_token(self, given: str) -> bool:
        """Return whether a text is the token, in a time that does not depend on the text."""
        return bool(self.token) and hmac.compare_digest(given.encode(), self.token.encode())

    def is_session(self, given: str) -> bool:
        """Return whether a text is the value of the cookie."""
        return bool(self.token) and hmac.compare_digest(given.encode(), self.session.encode())

    def allows_host(self, host: str) -> bool:
        """Return whether a request may name this host.

        Without a token only names of this machine are allowed: a foreign name may have been made to point here, so
        that a foreign page counts as ours (DNS rebinding). With a token, the cookie belongs to the name that the user
        logged in with, so a foreign name gets nothing but the form for the token.
        """
        return bool(self.token) or host_name(host) in _OWN_NAMES


def host_name(host: str) -> str:
    """Return the host of ``HOST:PORT``, in lower case."""
    name, colon, port = host.strip().lower().rpartition(":")
    return name if colon and port.isdigit() else host.strip().lower()


def access_for(host: str) -> Access:
    """Return who may use a server on an address: with a token, unless only this machine can reach it."""
    return Access() if is_own_address(host) else Access(os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24))


def is_own_address(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
