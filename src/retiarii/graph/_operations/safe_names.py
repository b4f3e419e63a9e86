"""Names on their way into source code: checks of those that come from files, and quotes where a name is a string."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container
from typing import Any

_QUALIFIED = re.compile(r"[A-Za-z_]\w*(\.(\w+|<locals>))*")
_PATH = re.compile(r"[^\"'\\\n\r{}]+")


def is_name(text: str) -> bool:
    """Return whether a text can stand in source code as a variable, an attribute, or the name of an argument.

    Python reads other forms of the same letters as one name, and gives names with two underscores in front another one
    inside of a class.
    """
    is_mangled = text.startswith("__") and not text.endswith("__")
    is_plain = text.isidentifier() and unicodedata.normalize("NFKC", text) == text
    return is_plain and not keyword.iskeyword(text) and not is_mangled


def class_name(name: str) -> str:
    """Return a name that a class can have in source code, as close to the given one as possible."""
    text = unicodedata.normalize("NFKC", re.sub(r"\W", "_", name, flags=re.ASCII if not name.isidentifier() else 0))
    if not text or text[0].isdigit():
        text = f"Layer{text}"
    text = text.lstrip("_") if text.startswith("__") else text
    return text if is_name(text) else f"{text or 'Layer'}_"


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
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
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
    if not isinstance(name, str) or not _PATH.fullmatch(name) or "" in name.split("."):
        raise ValueError(f"{name!r} is no path of a module")
    return name


def text(value: Any) -> str:
    """Return a text.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value
