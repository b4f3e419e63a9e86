"""Names, values and texts in the form that a tracking tool accepts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from retiarii._plain_data import clean_text

_DIGITS = 8  # of a hash: two of a thousand names get the same one with a probability of about 1 in 10,000
_SUBSTITUTE = "_"


@dataclass(frozen=True)
class NameRule:
    """The names that a tracking tool accepts.

    Attributes:
        forbidden: A regular expression of the parts of a name that are replaced.
        max_length: The maximum number of characters.
    """

    forbidden: str
    max_length: int

    def allowed(self, name: str) -> str:
        """Return the name itself if it is accepted, else a similar one that ends with a hash of the whole name.

        Two different names never become the same one, apart from a chance of 1 in 4 billion for each pair.
        """
        name = clean_text(name)
        similar = re.sub(self.forbidden, _SUBSTITUTE, name)
        if similar == name and 0 < len(name) <= self.max_length:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
        return f"{similar[: self.max_length - _DIGITS - 1]}-{digest}"


def cut(text: str, max_length: int) -> str:
    """Return a text in valid UTF-8, cut to a length. Its end is kept, where errors have their reason.

    Args:
        text: Any text.
        max_length: The maximum number of characters.
    """
    text = clean_text(text)
    return text if len(text) <= max_length else "... " + text[len(text) - max_length + 4 :]


def value_text(value: Any) -> str:
    """Return the value of a choice as a text; a subset as a list in JSON."""
    return clean_text(json.dumps(list(value), ensure_ascii=False) if isinstance(value, tuple) else str(value))


def plain_value(value: Any) -> bool | int | float | str:
    """Return the value of a choice as a boolean, a number or a text."""
    return value if isinstance(value, (bool, int, float)) else value_text(value)


def batches(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    """Yield the items in lists of at most ``size``."""
    listed = list(items)
    return (listed[first : first + size] for first in range(0, len(listed), size))
