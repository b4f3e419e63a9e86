"""The one place that imports Plotly, an optional dependency."""

from __future__ import annotations

from retiarii.errors import MissingExtraError

try:
    from plotly import graph_objects
except ModuleNotFoundError as err:
    if err.name != "plotly":
        raise  # installed but broken: its own message says more
    raise MissingExtraError(
        "Figures need plotly, which is not installed. Install it with: pip install 'retiarii[plot]'"
    ) from err

__all__ = ["graph_objects"]
