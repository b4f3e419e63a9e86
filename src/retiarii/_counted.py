"""`counted`: a number with its noun, for messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 trial``, ``2,000 trials``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
