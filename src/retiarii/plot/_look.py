"""The look of all figures: fonts, margins, colours for light and dark, and the escaping of user text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retiarii._visible import visible_line
from retiarii.plot._plotly_extra import graph_objects as go
from retiarii.trial import TrialState

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
"""Colours that colour-blind people can tell apart (Okabe and Ito, Color Universal Design, 2008).

Its yellow and black are left out: one of them is invisible on each of our backgrounds.
"""

STATE_COLOURS = {
    TrialState.COMPLETED: "#0072B2",
    TrialState.PRUNED: "#CC79A7",
    TrialState.FAILED: "#D55E00",
    TrialState.RUNNING: "#009E73",
    TrialState.INTERRUPTED: "#7F7F7F",
}
STATE_SYMBOLS = {
    TrialState.COMPLETED: "circle",
    TrialState.PRUNED: "triangle-down",
    TrialState.FAILED: "x",
    TrialState.RUNNING: "diamond",
    TrialState.INTERRUPTED: "square",
}
"""States differ in colour and in symbol, so that they can be told apart without colours.

Hollow symbols mark trials that break constraints.
"""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Lines differ in colour and in dash."""

_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Helvetica, Arial, sans-serif"
_LONGEST_TEXT = 80


@dataclass(frozen=True)
class Theme:
    """The colours of a figure that depend on the background.

    Attributes:
        ink: Text and the line of the best value.
        muted: Text of axes; its contrast with ``surface`` is above 4.5.
        grid: Lines of the grid.
        surface: The background.
    """

    ink: str
    muted: str
    grid: str
    surface: str


LIGHT = Theme(ink="#191d24", muted="#586070", grid="#e2e5ea", surface="#ffffff")
DARK = Theme(ink="#e7eaf0", muted="#9ba5b5", grid="#262c37", surface="#151920")


def theme(dark: bool) -> Theme:
    """Return the colours for a light or a dark background."""
    return DARK if dark else LIGHT


def escaped(text: object, *, longest: int = _LONGEST_TEXT) -> str:
    """Return user text, such as a label or a message, for any text of a Plotly figure.

    Plotly interprets some HTML, entities, ``%{name}`` in templates and ``$formulas$``; all of these are shown as
    written. Control characters become visible, and long texts are cut.

    Args:
        text: The text.
        longest: The maximum number of characters before escaping.
    """
    line = visible_line(str(text))
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    for character, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("{", "&#123;"), ("$", "&#36;")):
        line = line.replace(character, code)
    return line


def figure(*, x: str = "", y: str = "", title: str = "", dark: bool = False, height: int = 320) -> go.Figure:
    """Return an empty figure with axes.

    Args:
        x: The title of the horizontal axis; user text must be `escaped`.
        y: The title of the vertical axis; user text must be `escaped`.
        title: The title of the figure; user text must be `escaped`.
        dark: Whether the background is dark.
        height: The height in pixels; the width is that of the page.
    """
    made = go.Figure()
    made.update_layout(
        template=None,
        height=height,
        autosize=True,
        title={"text": title, "font": {"size": 15}} if title else None,
        margin={"l": 8, "r": 12, "t": 44 if title else 12, "b": 8},
        hovermode="closest",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
        colorway=list(PALETTE),
        xaxis={"title": {"text": x}},
        yaxis={"title": {"text": y}},
        uirevision="kept",  # a new version of the figure keeps zoom and hidden traces
    )
    made.update_xaxes(automargin=True, zeroline=False)
    made.update_yaxes(automargin=True, zeroline=False)
    return made.update_layout(colours(dark))


def colours(dark: bool) -> dict[str, Any]:
    """Return the part of the layout that depends on the background, in Plotly's form."""
    now = theme(dark)
    axis = {"gridcolor": now.grid, "linecolor": now.grid, "color": now.muted}
    return {
        "font": {"family": _FONTS, "size": 12, "color": now.ink},
        "paper_bgcolor": now.surface,
        "plot_bgcolor": now.surface,
        "hoverlabel": {"bgcolor": now.surface, "bordercolor": now.muted, "font": {"color": now.ink}},
        "xaxis": axis,
        "yaxis": axis,
    }
