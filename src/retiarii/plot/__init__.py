"""Plotly figures of experiments, for notebooks and the dashboard alike (extra ``plot``)."""

from retiarii.plot._history_figure import history
from retiarii.plot._importance_figure import importance_bars
from retiarii.plot._intermediates_figure import intermediates
from retiarii.plot._parallel_figure import parallel
from retiarii.plot._pareto_figure import pareto, two_objectives
from retiarii.plot._supernet_figures import entropy, losses, probabilities, probability_curves

__all__ = [
    "entropy",
    "history",
    "importance_bars",
    "intermediates",
    "losses",
    "parallel",
    "pareto",
    "probabilities",
    "probability_curves",
    "two_objectives",
]
