"""`html_table`: small tables in HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence

from retiarii._counted import counted
from retiarii._visible import visible_line

_MOST_ROWS = 20
_MOST_LETTERS = 120


def html_table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], noun: str) -> str:
    """Return a table in HTML. All texts are escaped; colours are those of the notebook, light or dark.

    Args:
        caption: The line above the table.
        headings: The names of the columns. The first cell of each row is the heading of the row.
        rows: The cells; of more than 20 rows only the first are in the table.
        noun: What a row is, for the line that says how many are left out.
    """
    head = "".join(f'<th scope="col" style="text-align: left">{_text(name)}</th>' for name in headings)
    body = "".join(map(_row, rows[:_MOST_ROWS]))
    hidden = len(rows) - _MOST_ROWS
    rest = f"<div>and {counted(hidden, f'more {noun}')}</div>" if hidden > 0 else ""
    title = f'<caption style="text-align: left; color: inherit">{_text(caption)}</caption>'
    return f"<div><table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}</div>"


def _row(cells: Sequence[str]) -> str:
    rest = "".join(f'<td style="text-align: left">{_text(cell)}</td>' for cell in cells[1:])
    return f'<tr><th scope="row" style="text-align: left">{_text(cells[0])}</th>{rest}</tr>'


def _text(text: str) -> str:
    from html import escape  # each import of retiarii would take a millisecond longer

    shown = visible_line(text)
    return escape(shown if len(shown) <= _MOST_LETTERS else f"{shown[: _MOST_LETTERS - 3]}...")
