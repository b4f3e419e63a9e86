"""Plotly figures of experiments, for notebooks and the dashboard alike (extra ``plot``)."""
