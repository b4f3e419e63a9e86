"""`intermediates`: the intermediate results of several trials, overlaid."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from retiarii.plot._decimation import kept_points
from retiarii.plot._look import DASHES, PALETTE, STATE_COLOURS, STATE_SYMBOLS, escaped, figure
from retiarii.plot._plotly_extra import graph_objects as go
from retiarii.trial import Trial, TrialState

_OTHER_DASHES = tuple(dash for dash in DASHES if dash != "dash")  # that one marks pruned trials


def intermediates(trials: Iterable[Trial], metric: str | None = None, *, dark: bool = False) -> go.Figure:
    """Return a figure of what trials reported on their way, one curve each.

    The curve of a pruned trial is thin and dashed and ends with the mark of pruned trials. Long curves are thinned,
    keeping their extremes.

    Args:
        trials: The trials, with their intermediate results. Up to about twenty can be told apart.
        metric: The metric to show; None for the one by which the trials are ranked.
        dark: Whether the background is dark.
    """
    shown = list(trials)
    name = metric if metric is not None else shown[0].objective if shown else ""
    drawn = figure(x="step", y=escaped(name), dark=dark)
    for place, trial in enumerate(shown):
        values = np.array([metrics.get(name, np.nan) for metrics in trial.intermediates], np.float64)
        if np.isfinite(values).any():
            _add_curve(drawn, trial, place, values)
    return drawn


def _add_curve(drawn: go.Figure, trial: Trial, place: int, values: npt.NDArray[np.float64]) -> None:
    colour, is_pruned = PALETTE[place % len(PALETTE)], trial.state is TrialState.PRUNED
    kept = kept_points(np.where(np.isfinite(values), values, np.nan))
    name = f"trial {trial.number}" if trial.is_completed else f"trial {trial.number} ({trial.state.value})"
    drawn.add_scatter(
        x=kept,
        y=np.where(np.isfinite(values[kept]), values[kept], np.nan),
        mode="lines" if np.isfinite(values).sum() > 1 else "markers",
        name=name,
        legendgroup=name,
        line={
            "color": colour,
            "width": 1.5 if is_pruned else 2,
            "dash": "dash" if is_pruned else _OTHER_DASHES[place // len(PALETTE) % len(_OTHER_DASHES)],
        },
        hovertemplate=f"{name}<br>step %{{x}}: %{{y}}<extra></extra>",
    )
    if trial.is_completed:
        return
    last = np.flatnonzero(np.isfinite(values))[-1]
    drawn.add_scatter(
        x=[last],
        y=[values[last]],
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=False,
        marker={"color": STATE_COLOURS[trial.state], "symbol": STATE_SYMBOLS[trial.state], "size": 10},
        hovertemplate=f"{name} after step %{{x}}: %{{y}}<extra></extra>",
    )
