"""Names on their way into source code: checks of those that come from files, and quotes where a name is a string."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container
from typing import Any

_QUALIFIED = re.compile(r"[A-Za-z_]\w*(\.(\w+|<locals>))*")
_PATH = re.compile(r"[^\"'\\\n\r{}]+")


def is_name(text: str) -> bool:
    """Return whether a text can stand in source code as a variable, an attribute, or the name of an argument."""
    return text.isidentifier() and not keyword.iskeyword(text)


def quoted(text: str) -> str:
    """Return the string literal of a text, in double quotes where that needs no escapes."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text else plain


def keyword_argument(name: str, source: str) -> str:
    """Return an argument of a call as source; one whose name is no identifier can be given by ``**`` only."""
    return f"{name}={source}" if is_name(name) else f"**{{{quoted(name)}: {source}}}"


def free_name(name: str, taken: Container[str]) -> str:
    """Return a name, with a number at its end where it is taken."""
    candidate, number = name, 1
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def identifier(name: Any) -> str:
    """Return a name of a variable, a parameter or the like.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(name, str) or not is_name(name):
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
        ValueError: It is none, or has characters that names of modules do not have.
    """
    if not isinstance(name, str) or not _PATH.fullmatch(name):
        raise ValueError(f"{name!r} is no path of a module")
    return name
