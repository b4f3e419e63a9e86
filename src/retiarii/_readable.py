"""Numbers, sizes, durations and moments as people read them, for the terminal and for pages."""

from __future__ import annotations

import time


def number_text(value: float | None) -> str:
    """Return a metric with enough digits to compare it: four decimals if these suffice, none for counts."""
    if value is None:
        return "-"
    if 100 <= abs(value) < 1e12 and value == int(value):
        return f"{value:.0f}"
    return f"{value:.4f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.6g}"


def size_text(size_bytes: float) -> str:
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
