"""`history`: every trial of an experiment, and the best one so far."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retiarii.analysis import STATES, BestSoFar, Over, TrialTable, best_so_far, seconds_in
from retiarii.plot._decimation import kept_scatter, kept_steps
from retiarii.plot._look import STATE_COLOURS, STATE_SYMBOLS, escaped, figure, theme
from retiarii.plot._plotly_extra import graph_objects as go
from retiarii.trial import Direction, TrialState

_UNITS = ((172_800, 86_400, "days"), (7_200, 3_600, "hours"), (300, 60, "minutes"), (0, 1, "seconds"))
_TAIL = 0.05  # the share of the worst results that may lie outside the figure
_FAR = 3.0  # how often the height of the other results these must be away


def history(table: TrialTable, metric: str | None = None, *, over: Over = "trial", dark: bool = False) -> go.Figure:
    """Return a figure of every trial as a point, and the best trial so far as a line.

    Completed and pruned trials are at their last value, and hollow if they break a constraint on metrics. Trials
    without a value, such as failed ones, are marks at the lower edge. If a few of the worst results are very far from
    the others, the figure begins without them; a double click shows all.

    Args:
        table: The trials.
        metric: The metric to show; None for the first objective.
        over: Whether the horizontal axis is the number of the trial or the time of its end.
        dark: Whether the background is dark.
    """
    best = best_so_far(table, metric, over=over)
    x, title = _horizontal(table, over)
    drawn = figure(x=title, y=escaped(best.metric), dark=dark)
    values = table.metrics.get(best.metric, np.full(len(table), np.nan))
    has_value = np.isfinite(values) & np.isfinite(x)
    for state in STATES:
        is_here = table.is_in(state) & has_value
        _add_points(drawn, table, state, is_here & (table.violation == 0), x, values)
        _add_points(drawn, table, state, is_here & (table.violation > 0), x, values, is_hollow=True)
    _add_best(drawn, table, best, x, theme(dark).ink)
    for state in STATES:
        _add_marks(drawn, table, state, table.is_in(state) & ~has_value & np.isfinite(x), x)
    drawn.update_layout(
        yaxis={"range": _near_range(values[has_value], best.direction)},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    return drawn


def _horizontal(table: TrialTable, over: Over) -> tuple[npt.NDArray[np.float64], str]:
    if over == "trial":
        return table.number.astype(np.float64), "trial"
    seconds = seconds_in(table)
    longest = np.nanmax(seconds) if np.isfinite(seconds).any() else 0.0
    size, unit = next((size, unit) for limit, size, unit in _UNITS if longest >= limit)
    return seconds / size, f"{unit} since the start"


def _add_points(
    drawn: go.Figure,
    table: TrialTable,
    state: TrialState,
    is_here: npt.NDArray[np.bool_],
    x: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    *,
    is_hollow: bool = False,
) -> None:
    rows = np.flatnonzero(is_here)
    if not len(rows):
        return
    rows = rows[kept_scatter(x[rows], values[rows])]
    name = f"{state.value}, breaks a constraint" if is_hollow else state.value
    drawn.add_scatter(
        x=x[rows],
        y=values[rows],
        customdata=table.number[rows],
        mode="markers",
        name=name,
        marker={
            "color": STATE_COLOURS[state],
            "symbol": STATE_SYMBOLS[state] + ("-open" if is_hollow else ""),
            "size": 6,
            "opacity": 0.75 if len(rows) < 500 else 0.45,
        },
        hovertemplate=f"trial %{{customdata}} · {name}<br>{drawn.layout.yaxis.title.text} %{{y}}<extra></extra>",
    )


def _add_best(drawn: go.Figure, table: TrialTable, best: BestSoFar, x: npt.NDArray[np.float64], colour: str) -> None:
    if not len(best.row):
        return
    kept = kept_steps(best.value)
    last = np.nanmax(x)
    drawn.add_scatter(
        x=np.append(x[best.row[kept]], last),
        y=np.append(best.value[kept], best.value[-1]),
        customdata=np.append(table.number[best.holder[kept]], table.number[best.holder[-1]]),
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": colour, "width": 2},
        hovertemplate="best so far: %{y}<br>trial %{customdata}<extra></extra>",
    )


def _add_marks(
    drawn: go.Figure, table: TrialTable, state: TrialState, is_here: npt.NDArray[np.bool_], x: npt.NDArray[np.float64]
) -> None:
    """Add the trials that have no value, as marks at the lower edge."""
    rows = np.flatnonzero(is_here)
    if not len(rows):
        return
    rows = rows[kept_scatter(x[rows], np.zeros(len(rows)))]
    reasons = (table.failure.at(int(row)) for row in rows)
    drawn.add_scatter(
        x=x[rows],
        y=np.full(len(rows), 0.025),
        yaxis="y2",
        customdata=table.number[rows],
        text=["<br>" + escaped(reason[1]) if reason else "" for reason in reasons],
        mode="markers",
        name=f"{state.value}, no value",
        marker={"color": STATE_COLOURS[state], "symbol": STATE_SYMBOLS[state], "size": 7, "opacity": 0.8},
        hovertemplate=f"trial %{{customdata}} · {state.value}%{{text}}<extra></extra>",
    )


def _near_range(values: npt.NDArray[np.float64], direction: Direction) -> list[float] | None:
    """Return the range without a few very bad values; None if there are none, so that the range follows the data."""
    if len(values) < 10:
        return None
    losses = -values if direction is Direction.MAXIMIZE else values
    limit = float(np.quantile(losses, 1 - _TAIL))
    lowest, highest = float(losses.min()), float(losses.max())
    if highest - limit <= _FAR * (limit - lowest) or limit == lowest:
        return None
    margin = 0.08 * (limit - lowest)
    ends = [lowest - margin, limit + margin]
    return [-ends[1], -ends[0]] if direction is Direction.MAXIMIZE else ends
