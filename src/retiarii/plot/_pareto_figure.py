"""`pareto`: trials by two metrics, with the Pareto front."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retiarii.analysis import TrialTable, pareto_rows
from retiarii.plot._decimation import kept_scatter
from retiarii.plot._look import PALETTE, STATE_COLOURS, STATE_SYMBOLS, escaped, figure
from retiarii.plot._plotly_extra import graph_objects as go
from retiarii.trial import Direction, Objective, Objectives, TrialState


def pareto(
    table: TrialTable, objectives: Objectives | None = None, *, dark: bool = False, height: int = 420
) -> go.Figure:
    """Return a figure of completed trials by two metrics, with the line of those that no other trial dominates.

    Trials that break constraints on metrics are hollow. The line shows which values are reached together: on its better
    side there is no trial.

    Args:
        table: The trials.
        objectives: The two metrics, the horizontal one first; further ones are not drawn. None for the second
            objective, or another metric that is to be small, and the first objective.
        dark: Whether the background is dark.
        height: The height in pixels.
    """
    wanted = two_objectives(table) if objectives is None else Objectives(objectives.items[:2])
    across, up = wanted.items[0], wanted.items[-1]
    drawn = figure(x=_title(across), y=_title(up), dark=dark, height=height)
    x, y = (_values(table, item.metric) for item in (across, up))
    is_usable = table.is_in(TrialState.COMPLETED) & np.isfinite(x) & np.isfinite(y)
    _add_trials(drawn, table, is_usable & (table.violation == 0), x, y, "completed")
    _add_trials(drawn, table, is_usable & (table.violation > 0), x, y, "breaks a constraint")
    rows = pareto_rows(table, wanted)
    if len(rows):
        drawn.add_scatter(
            x=x[rows],
            y=y[rows],
            customdata=table.number[rows],
            mode="lines+markers",
            name="Pareto front",
            line={"shape": "hv", "color": PALETTE[1], "width": 2},
            marker={"size": 9, "symbol": "circle", "color": PALETTE[1]},
            hovertemplate=f"trial %{{customdata}} · Pareto front<br>{escaped(across.metric)} %{{x}}<br>"
            f"{escaped(up.metric)} %{{y}}<extra></extra>",
        )
    return drawn


def two_objectives(table: TrialTable) -> Objectives:
    """Return two metrics to compare: the second objective across, or else another metric, and the first one up."""
    items = table.record.objectives.items
    others = [*items[1:], *(Objective(name, Direction.MINIMIZE) for name in table.metrics if name != items[0].metric)]
    return Objectives((others[0], items[0])) if others else Objectives((items[0],))


def _add_trials(
    drawn: go.Figure,
    table: TrialTable,
    is_here: npt.NDArray[np.bool_],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    name: str,
) -> None:
    rows = np.flatnonzero(is_here)
    if not len(rows):
        return
    rows = rows[kept_scatter(x[rows], y[rows])]
    hollow = "" if name == "completed" else "-open"
    drawn.add_scatter(
        x=x[rows],
        y=y[rows],
        customdata=table.number[rows],
        mode="markers",
        name=name,
        marker={
            "color": STATE_COLOURS[TrialState.COMPLETED],
            "symbol": STATE_SYMBOLS[TrialState.COMPLETED] + hollow,
            "size": 6,
            "opacity": 0.75 if len(rows) < 500 else 0.45,
        },
        hovertemplate=f"trial %{{customdata}} · {name}<br>{drawn.layout.xaxis.title.text} %{{x}}<br>"
        f"{drawn.layout.yaxis.title.text} %{{y}}<extra></extra>",
    )


def _values(table: TrialTable, metric: str) -> npt.NDArray[np.float64]:
    return table.metrics.get(metric, np.full(len(table), np.nan))


def _title(item: Objective) -> str:
    better = "smaller" if item.direction is Direction.MINIMIZE else "larger"
    return f"{escaped(item.metric)} ({better} is better)"
