"""`chart`: a Plotly figure in a page, with its text alternative."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from plotly import graph_objects

from retiarii._visible import visible
from retiarii.dashboard._pages.elements import element

_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
    "showTips": False,
}


class Chart:
    """A figure that can be replaced. Colours of texts and grids follow the theme of the page (``look.css``).

    Attributes:
        plot: The Plotly element, for its events (``chart.plot.on("plotly_click", ...)``).
    """

    def __init__(self, figure: graph_objects.Figure, text_alternative: str, height: int) -> None:
        with element("div", "chart", role="figure", aria_label=visible(text_alternative)) as self._box:
            self._box.style(f"height: {height}px")
            self.plot = ui.plotly(_options(figure, height))

    def show(self, figure: graph_objects.Figure, text_alternative: str) -> None:
        """Replace the figure; zoom stays if the figure's ``layout.uirevision`` is the same."""
        self._box.props["aria-label"] = visible(text_alternative)
        height = self.plot.figure["layout"].get("height", 0)
        self.plot.update_figure(_options(figure, height))


def chart(figure: graph_objects.Figure, text_alternative: str, *, height: int = 320) -> Chart:
    """Draw a figure.

    Args:
        figure: The figure. Its labels must be escaped (``plot/_look.py``), because Plotly reads some HTML in them.
        text_alternative: What the figure shows, in a sentence with its main numbers, for those who cannot see it.
        height: Its height in pixels; it is as wide as its place.

    Returns:
        The chart; its ``show`` replaces the figure.
    """
    return Chart(figure, text_alternative, height)


def _options(figure: graph_objects.Figure, height: int) -> dict[str, Any]:
    options: dict[str, Any] = figure.to_plotly_json()
    layout = options.setdefault("layout", {})
    layout.update(autosize=True, height=height, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)")
    layout.pop("width", None)
    return {**options, "config": _CONFIG}
