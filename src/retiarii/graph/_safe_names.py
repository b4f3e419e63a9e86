"""Checks of names that come from files and end up in source code: each returns the name, or raises ``ValueError``."""

from __future__ import annotations

import re
from typing import Any

_QUALIFIED = re.compile(r"[A-Za-z_]\w*(\.(\w+|<locals>))*")
_PATH = re.compile(r"[^\"'\\\n\r{}]+")


def identifier(name: Any) -> str:
    """Return a name of a variable, a parameter or the like.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"{name!r} is no identifier")
    return name


def qualified(name: Any) -> str:
    """Return a name with dots, of a class or function.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(name, str) or not _QUALIFIED.fullmatch(name):
        raise ValueError(f"{name!r} is no qualified name")
    return name


def path(name: Any) -> str:
    """Return a path of submodules.

    Raises:
        ValueError: It is none, or has characters that end a string in source code.
    """
    if not isinstance(name, str) or not _PATH.fullmatch(name):
        raise ValueError(f"{name!r} is no path of a module")
    return name
