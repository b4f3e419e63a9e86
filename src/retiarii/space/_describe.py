"""A search space for people: one line per choice, and the exact size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from retiarii.space._choice import Choice
from retiarii.space._condition import Condition

_HEADINGS = ("label", "domain", "active when", "declared at")
_MAX_WIDTH = 60
_MAX_EXACT = 10**30


def rows_of(choices: Sequence[Choice], conditions: Mapping[str, Condition]) -> list[tuple[str, str, str, str]]:
    """Return label, domain, condition and place of declaration of each choice."""
    return [
        (choice.label, choice.domain(), condition_text(conditions[choice.label]), choice.declared_at)
        for choice in choices
    ]


def condition_text(condition: Condition) -> str:
    """Return a condition in words: ``always``, ``op = 'conv' and depth in {2, 3}``, ..."""
    if frozenset() in condition:
        return "always"
    texts = sorted(" and ".join(sorted(map(str, conjunction))) for conjunction in condition)
    return " or ".join(texts) if texts else "never"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns with headings; columns that say nothing are left out."""
    shown = [
        column
        for column in range(len(_HEADINGS))
        if any(row[column] not in ("", "always") for row in rows) or column < 2
    ]
    body = [[_shortened(row[column]) for column in shown] for row in rows]
    headings = [_HEADINGS[column] for column in shown]
    widths = [max(map(len, cells)) for cells in zip(headings, *body, strict=True)]
    lines = [headings, ["-" * width for width in widths], *body]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_WIDTH else text[: _MAX_WIDTH - 3] + "..."


def size_text(size: int | float) -> str:
    """Return a size to read: ``1,234,567 (1.2e6) architectures``, or only the power of ten beyond 30 digits."""
    if size == math.inf:
        return "infinitely many architectures"
    if size == 1:
        return "1 architecture"
    if size < 10**6:
        return f"{size:,} architectures"
    short = f"{Decimal(size):.1e}".replace("e+", "e")
    return f"{size:,} ({short}) architectures" if size < _MAX_EXACT else f"{short} architectures"
