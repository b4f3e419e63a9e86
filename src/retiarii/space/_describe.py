"""A search space for people: one line per choice, and the exact size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from retiarii.space._choice import Choice
from retiarii.space._condition import Condition

_HEADINGS = ("label", "domain", "active when", "declared at")
_WIDEST = 60


def rows_of(choices: Sequence[Choice], conditions: dict[str, Condition]) -> list[tuple[str, str, str, str]]:
    """Return label, domain, condition and place of each choice."""
    return [
        (choice.label, choice.domain(), _condition_text(conditions[choice.label]), choice.declared_at)
        for choice in choices
    ]


def _condition_text(condition: Condition) -> str:
    if frozenset() in condition:
        return "always"
    texts = sorted(" and ".join(sorted(map(str, conjunction))) for conjunction in condition)
    return " or ".join(texts) if texts else "never"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns with headings; columns without content are left out."""
    body = [[_short(cell) for cell in row] for row in rows]
    used = [column for column in range(len(_HEADINGS)) if any(row[column] for row in body)]
    lines = [[_HEADINGS[column] for column in used], *([row[column] for column in used] for row in body)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(used))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


def size_text(size: int | float) -> str:
    """Return a size to read: ``1,234,567 (1.2e6) architectures``, or only the power of ten beyond 30 digits."""
    if size == math.inf:
        return "infinitely many architectures"
    if size == 1:
        return "1 architecture"
    if size < 1_000_000:
        return f"{size:,} architectures"
    exponent = math.floor(math.log10(size))
    mantissa = 10 ** (math.log10(size) - exponent)
    short = f"{mantissa:.1f}e{exponent}"
    return f"{size:,} ({short}) architectures" if exponent < 30 else f"{short} architectures"
