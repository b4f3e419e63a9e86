"""Text of chosen values and of rows of the table of trials."""

from __future__ import annotations

from typing import Any


def value_text(value: Any) -> str:
    """Return a chosen value as text: ``"conv3x3"``, ``"0.1"``, ``"[a, b]"``."""
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
