"""Plotly figures of experiments, for notebooks and the dashboard alike (extra ``plot``)."""

from retiarii.plot._history_figure import history
from retiarii.plot._intermediates_figure import intermediates
from retiarii.plot._supernet_figures import entropy, losses, probabilities, probability_curves

__all__ = ["entropy", "history", "intermediates", "losses", "probabilities", "probability_curves"]
