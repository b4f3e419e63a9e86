"""`draw_panels`: curves with bands on logarithmic axes, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retiarii.errors import BenchmarkError, ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class BandCurve:
    """One curve.

    Attributes:
        name: Its name in the legend.
        spent: The budgets.
        middle: The values at these budgets.
        low: The lower edge of the band.
        high: The upper edge of the band.
    """

    name: str
    spent: Sequence[float]
    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """Curves over one budget.

    Attributes:
        title: The title.
        across: The label of the budget.
        up: The label of the values.
        curves: The curves.
    """

    title: str
    across: str
    up: str
    curves: Sequence[BandCurve]


def draw_panels(panels: Sequence[Panel], path: Path) -> None:
    """Draw panels side by side, without a window system and without the state of ``matplotlib.pyplot``.

    Args:
        panels: The panels; the first has the legend.
        path: The file; its ending says the format, such as ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        BenchmarkError: matplotlib is not installed.
        ConfigError: There is no such format.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as err:
        raise BenchmarkError('Plots need matplotlib: pip install "retiarii[plot]".') from err
    figure = Figure(figsize=(4.6 * len(panels), 3.6), layout="constrained")
    kind = path.suffix.lstrip(".")
    formats = figure.canvas.get_supported_filetypes()
    if kind not in formats:
        raise ConfigError(
            f"The file of the plot is {str(path)!r}, expected an ending that is one of {', '.join(sorted(formats))}."
        )
    places: Any = figure.subplots(1, len(panels), squeeze=False)
    for place, panel in zip(places[0], panels, strict=True):
        _draw(place, panel)
    places[0][0].legend(frameon=False)
    figure.savefig(path, dpi=150, metadata={"Date": None} if kind == "svg" else None)


def _draw(place: Axes, panel: Panel) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    for curve in panel.curves:
        (line,) = place.plot(curve.spent, curve.middle, label=curve.name)
        place.fill_between(curve.spent, curve.low, curve.high, color=line.get_color(), alpha=0.2, linewidth=0)
    place.set(xscale="log", yscale="log", xlabel=panel.across, ylabel=panel.up, title=panel.title)
    place.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    place.yaxis.set_major_formatter("{x:g}")
    place.yaxis.set_minor_formatter(NullFormatter())
    place.grid(which="both", alpha=0.2)
