"""Text for the terminal: consoles, tables, architectures."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from retiarii.terminal import SafeConsole, Text, joined, plain, shortened, visible_line

if TYPE_CHECKING:
    from retiarii.trial import FailureKind

_WIDE = 160  # the width without a terminal, so that long lines are not cut

STATE_STYLES = {"running": "green", "done": "blue", "stopped": "yellow", "failed": "red"}
LABEL_STYLE = "dim"


def console() -> SafeConsole:
    """Return a console on the present standard output."""
    is_measured = sys.stdout.isatty() or "COLUMNS" in os.environ
    return SafeConsole(width=None if is_measured else _WIDE)


def error_console() -> SafeConsole:
    """Return a console on the present standard error."""
    return SafeConsole(stderr=True)


def plain_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return a table without lines, its headings dimmed.

    Args:
        *columns: The headings; only the last column wraps.
        right: The headings of columns of numbers.
    """
    table = Table(box=None, pad_edge=False, header_style=LABEL_STYLE, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column != columns[-1])
    return table


def heading(text: str) -> Text:
    """Return the heading of a section."""
    return plain(text, style="bold")


def architecture_text(architecture: Mapping[str, Any]) -> str:
    """Return an architecture on one line, cut at the end if it is too long."""
    text = ", ".join(f"{label}={_value_text(value)}" for label, value in architecture.items())
    return visible_line(shortened(text)) or "(no choices)"


def failure_text(kind: FailureKind, message: str) -> Text:
    """Return the reason of a failure on one line."""
    return joined((kind.value.replace("_", " "), "red"), ": ", message)


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + " ".join(map(_value_text, value)) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
