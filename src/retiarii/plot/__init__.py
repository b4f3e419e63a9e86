"""Plotly figures of experiments, for notebooks and the dashboard alike (extra ``plot``)."""

from retiarii.plot._history_figure import history
from retiarii.plot._intermediates_figure import intermediates

__all__ = ["history", "intermediates"]
