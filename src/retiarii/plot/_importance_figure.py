"""`importance_bars`: how much each choice explains, as bars."""

from __future__ import annotations

from retiarii.analysis import TrialTable, importance
from retiarii.plot._look import PALETTE, escaped, figure
from retiarii.plot._plotly_extra import graph_objects as go

_ROW = 26  # pixels


def importance_bars(
    table: TrialTable, metric: str | None = None, *, max_labels: int = 20, dark: bool = False
) -> go.Figure:
    """Return a bar for each choice: the share of the differences between trials that its value explains alone.

    Args:
        table: The trials.
        metric: The metric; None for the first objective.
        max_labels: The maximum number of choices, the most important ones.
        dark: Whether the background is dark.
    """
    found = importance(table, metric)[:max_labels]
    drawn = figure(x="share of the variance", dark=dark, height=90 + _ROW * max(len(found), 1))
    drawn.add_bar(
        x=[one.share for one in found],
        y=list(range(len(found))),
        customdata=[one.num_values for one in found],
        orientation="h",
        marker={"color": PALETTE[0]},
        hovertemplate="%{x:.3f} · %{customdata} values<extra></extra>",
        showlegend=False,
    )
    drawn.update_yaxes(
        autorange="reversed",
        tickvals=list(range(len(found))),
        ticktext=[escaped(one.label, longest=30) for one in found],
        showgrid=False,
    )
    drawn.update_xaxes(range=[0, 1])
    return drawn
