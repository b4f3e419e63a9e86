"""Text for the terminal: consoles, tables, numbers, durations, architectures."""

from __future__ import annotations

import os
import sys
import time
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


def number_text(value: float | None) -> str:
    """Return a metric with enough digits to compare it: four decimals if these suffice."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.6g}"


def size_text(size_bytes: int) -> str:
    """Return an amount of memory or disk in one unit."""
    size, units = float(size_bytes), ["B", "KB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def duration_text(seconds: float | None) -> str:
    """Return a duration as one or two units: ``0.52 s``, ``14 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{max(seconds, 0.0):.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    whole = int(seconds)
    counts = {"d": whole // 86400, "h": whole // 3600 % 24, "min": whole // 60 % 60, "s": whole % 60}
    units = list(counts)
    first = next(index for index, unit in enumerate(units) if counts[unit])
    return " ".join(f"{counts[unit]} {unit}" for unit in units[first : first + 2] if counts[unit])


def age_text(moment: float) -> str:
    """Return how long ago a moment was, in one unit."""
    seconds = time.time() - moment
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now" if seconds < 5 else f"{int(seconds)} s ago"


def moment_text(moment: float) -> str:
    """Return a moment in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


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
