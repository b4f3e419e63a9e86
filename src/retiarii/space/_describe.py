"""Readable descriptions of a search space: a table with one line per choice, and the size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from retiarii.space._choice import Choice, Listed
from retiarii.space._condition import Condition, Test
from retiarii.space._plain_value import Value
from retiarii.space._subset import Subset

_HEADINGS = ("label", "domain", "active when", "declared at")
_MAX_WIDTH = 60
_MAX_EXACT = 10**30


def rows_of(choices: Sequence[Choice], conditions: Mapping[str, Condition]) -> list[tuple[str, str, str, str]]:
    """Return label, domain, condition and place of declaration of each choice."""
    parents = {choice.label: choice for choice in choices}
    return [
        (choice.label, _domain_text(choice), _condition_text(conditions[choice.label], parents), choice.declared_at)
        for choice in choices
    ]


def _domain_text(choice: Choice) -> str:
    """Return the domain; a list of candidates that is too long for the column is cut, with their number."""
    text = choice.domain()
    if len(text) <= _MAX_WIDTH or not isinstance(choice, Listed):
        return text
    end = f", ... {len(choice.values)} in all}}"
    start = text[: _MAX_WIDTH - len(end)]
    return start[: start.rfind(", ")] + end if ", " in start else start + end


def _condition_text(condition: Condition, parents: Mapping[str, Choice]) -> str:
    """Return a condition in words: ``always``, ``op = 'conv' and depth in {2, 3}``, ..."""
    if frozenset() in condition:
        return "always"
    texts = (
        " and ".join(sorted(_test_text(test, parents[test.label]) for test in conjunction)) for conjunction in condition
    )
    return " or ".join(sorted(texts)) or "never"


def _test_text(test: Test, parent: Choice) -> str:
    values = [repr(value) for value in sorted(test.values, key=_readable_order)]
    one, several = ("contains", "contains one of") if isinstance(parent, Subset) else ("=", "in")
    return f"{test.label} {one} {values[0]}" if len(values) == 1 else f"{test.label} {several} {{{', '.join(values)}}}"


def _readable_order(value: Value) -> tuple[Any, ...]:
    """Sort by type first, because not all types compare; None comes first, numbers and strings in their own order."""
    if value is None:
        return ()
    return type(value).__name__, repr(value) if isinstance(value, tuple) else value


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns with headings; empty columns are left out."""
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


def size_text(size: int | float, *, is_estimate: bool = False) -> str:
    """Return a size as text: ``1,234,567 (1.2e6) architectures``, or only the power of ten beyond 30 digits.

    An estimate reads ``about 1.2e06 architectures (estimated: ...)``.
    """
    if is_estimate:
        shown = "more than 1e308" if size == math.inf else f"about {size:.1e}"
        return f"{shown.replace('e+', 'e')} architectures (estimated: its conditions are too entangled to count)"
    if size == math.inf:
        return "infinitely many architectures"
    if size == 1:
        return "1 architecture"
    if size < 10**6:
        return f"{size:,} architectures"
    from decimal import Decimal  # for sizes that no float can hold

    short = f"{Decimal(size):.1e}".replace("e+", "e")
    return f"{size:,} ({short}) architectures" if size < _MAX_EXACT else f"{short} architectures"
