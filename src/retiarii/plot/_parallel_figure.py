"""`parallel`: architectures as lines over their choices, coloured by a metric."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from retiarii.analysis import Coded, TrialTable, importance
from retiarii.plot._look import escaped, figure
from retiarii.plot._plotly_extra import graph_objects as go
from retiarii.trial import TrialState

_MOST_LINES = 1000
_MOST_TICKS = 12
_LONGEST_TICK = 14


def parallel(
    table: TrialTable, metric: str | None = None, *, max_labels: int = 8, dark: bool = False, height: int = 420
) -> go.Figure:
    """Return a figure with an axis for each choice, the most important ones, and a line for each completed trial.

    Lines are coloured by the metric, which is the last axis. Axes can be dragged, and a range of an axis selected. Of
    more than a thousand trials the best and an even sample of the others are drawn. "-" is a choice that is inactive.

    Args:
        table: The trials.
        metric: The metric; None for the first objective.
        max_labels: The maximum number of choices.
        dark: Whether the background is dark.
        height: The height in pixels.
    """
    name = table.record.objectives.primary.metric if metric is None else metric
    values = table.metrics.get(name, np.full(len(table), np.nan))
    rows = _kept(np.flatnonzero(table.is_in(TrialState.COMPLETED) & np.isfinite(values)), values)
    labels = [one.label for one in importance(table, name)[:max_labels]]
    drawn = figure(dark=dark, height=height)
    if not len(rows):
        return drawn.update_layout(xaxis={"visible": False}, yaxis={"visible": False})
    dimensions = [_dimension(label, table.choices[label], rows) for label in labels]
    dimensions.append({"label": escaped(name, longest=20), "values": values[rows]})
    line = {"color": values[rows], "colorscale": "Viridis", "showscale": True}
    return drawn.add_parcoords(dimensions=dimensions, line=line).update_layout(
        margin={"l": 60, "r": 40, "t": 60, "b": 24}
    )


def _kept(rows: npt.NDArray[np.intp], values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    if len(rows) <= _MOST_LINES:
        return rows
    order = rows[np.argsort(values[rows])]
    places = np.unique(np.linspace(0, len(order) - 1, _MOST_LINES).astype(np.intp))
    return order[places]


def _dimension(label: str, column: Coded, rows: npt.NDArray[np.intp]) -> dict[str, Any]:
    """Return an axis: numbers where all values are numbers, and otherwise a tick for each value."""
    codes = column.codes[rows]
    used = [column.values[code] for code in np.unique(codes[codes >= 0])]
    title = escaped(label, longest=20)
    if (
        len(used) > _MOST_TICKS
        and len(used)
        and all(isinstance(value, (int, float)) for value in used)
        and (codes >= 0).all()
    ):
        return {"label": title, "values": [float(column.values[code]) for code in codes]}
    order = sorted(np.unique(codes).tolist(), key=lambda code: _order(column, code))
    place = {code: index for index, code in enumerate(order)}
    ticks = ["-" if code < 0 else escaped(column.values[code], longest=_LONGEST_TICK) for code in order]
    return {
        "label": title,
        "values": [place[code] for code in codes.tolist()],
        "tickvals": list(range(len(order)))[:50],
        "ticktext": ticks[:50],
    }


def _order(column: Coded, code: int) -> tuple[int, Any]:
    if code < 0:
        return 0, 0
    value = column.values[code]
    return (1, value) if isinstance(value, (int, float)) else (2, str(value))
