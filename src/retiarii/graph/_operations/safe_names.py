"""Checks and quoting of names that are written into source code."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container


def is_name(text: str) -> bool:
    """Return whether a text is a valid name of a variable, an attribute or an argument, and stays the same in a class.

    Python normalises letters in names, and renames names that start with two underscores inside a class.
    """
    is_mangled = text.startswith("__") and not text.endswith("__")
    is_plain = text.isidentifier() and unicodedata.normalize("NFKC", text) == text
    return is_plain and not keyword.iskeyword(text) and not is_mangled


def class_name(name: str) -> str:
    """Return a valid class name, as close to the given name as possible."""
    text = unicodedata.normalize("NFKC", re.sub(r"\W", "_", name, flags=re.ASCII if not name.isidentifier() else 0))
    if not text or text[0].isdigit():
        text = f"Layer{text}"
    text = text.lstrip("_") if text.startswith("__") else text
    return text if is_name(text) else f"{text or 'Layer'}_"


def quoted(text: str) -> str:
    """Return the string literal of a text, in double quotes unless that needs escapes."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text else plain


def keyword_argument(name: str, source: str) -> str:
    """Return a keyword argument of a call as source; a name that is not an identifier is passed with ``**``."""
    return f"{name}={source}" if is_name(name) else f"**{{{quoted(name)}: {source}}}"


def free_name(name: str, taken: Container[str]) -> str:
    """Return a name, with a number at its end if it is taken."""
    candidate, number = name, 1
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
