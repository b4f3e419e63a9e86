"""`as_table`: rows of text as a table for terminals, or in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from retiarii.errors import ConfigError


def as_table(columns: Sequence[str], rows: Sequence[Sequence[str]], style: str) -> str:
    """Return a table, with the first column to the left and the others to the right.

    Args:
        columns: The heads of the columns.
        rows: The cells.
        style: ``"text"`` or ``"markdown"``.

    Raises:
        ConfigError: There is no such style.
    """
    if style not in ("text", "markdown"):
        raise ConfigError(f"style is {style!r}, expected 'text' or 'markdown'.")
    if style == "markdown":
        rule = ["---", *["---:"] * (len(columns) - 1)]
        return "\n".join("| " + " | ".join(_escaped(row)) + " |" for row in (columns, rule, *rows))
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in (columns, *rows))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = row
    cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return "  ".join([first.ljust(widths[0]), *cells])


def _escaped(row: Sequence[str]) -> list[str]:
    return [cell.replace("|", r"\|") for cell in row]
