"""Figures of one-shot searches: probabilities of candidates, entropy and losses over epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retiarii.analysis import LabelCourse, SupernetCourse, supernet_course
from retiarii.plot._decimation import kept_points
from retiarii.plot._look import DASHES, PALETTE, escaped, figure
from retiarii.plot._plotly_extra import graph_objects as go
from retiarii.storage import EpochRecord

_MAX_COLUMNS = 400
_ROW, _GAP = 16, 30  # pixels
_FEW = 12  # epochs that have a tick each
_SCALE = "Cividis"  # made for people with colour blindness: Nunez et al., 2018, doi:10.1371/journal.pone.0199239


def probabilities(
    epochs: Sequence[EpochRecord] | SupernetCourse,
    labels: Sequence[str] | None = None,
    *,
    max_labels: int = 12,
    dark: bool = False,
) -> go.Figure:
    """Show the probability of every candidate over the epochs of a one-shot search as a heat map.

    Args:
        epochs: The epochs of the supernet, for example of ``Store.list_epochs``.
        labels: The labels to show, in this order; None for the most undecided ones.
        max_labels: How many labels to show where ``labels`` is None.
        dark: Whether the figure is shown on a dark background.
    """
    course = _course(epochs)
    chosen = _chosen(course, labels, max_labels)
    if not chosen:
        return _nothing("No probabilities are stored yet.", dark)
    made = figure(x="epoch", height=_heat_height(chosen), dark=dark)
    kept = _kept(len(course.number))
    for place, label in enumerate(chosen, start=1):
        made.add_trace(_heat_map(label, course.number[kept], kept, place))
    made.update_layout(_heat_axes(chosen), margin={"l": 8, "r": 8, "t": 8})
    return _whole_epochs(made, course)


def probability_curves(
    epochs: Sequence[EpochRecord] | SupernetCourse, label: str | None = None, *, dark: bool = False
) -> go.Figure:
    """Show the probabilities of one label's candidates over the epochs as curves.

    Args:
        epochs: The epochs of the supernet.
        label: The label; None for the most undecided one.
        dark: Whether the figure is shown on a dark background.
    """
    course = _course(epochs)
    chosen = _chosen(course, None if label is None else [label], 1)
    if not chosen:
        return _nothing("No probabilities are stored yet.", dark)
    made = figure(x="epoch", y="probability", dark=dark)
    for index, name in enumerate(chosen[0].candidates):
        made.add_trace(_curve(course.number, chosen[0].probabilities[:, index], name, index))
    made.update_yaxes(range=[-0.02, 1.02])
    made.update_layout(
        title={"text": escaped(chosen[0].label)},
        margin={"t": 44},
        showlegend=True,
        legend={"y": -0.28, "yanchor": "top"},
    )
    return made


def entropy(
    epochs: Sequence[EpochRecord] | SupernetCourse, labels: Sequence[str] = (), *, dark: bool = False
) -> go.Figure:
    """Show the mean entropy over labels beside its maximum, and that of some labels.

    Args:
        epochs: The epochs of the supernet.
        labels: The labels to show, too.
        dark: Whether the figure is shown on a dark background.
    """
    course = _course(epochs)
    if not len(course.number):
        return _nothing("No epoch is stored yet.", dark)
    made = figure(x="epoch", y="entropy (nats)", dark=dark)
    made.add_trace(_curve(course.number, course.mean_entropy, "mean of all labels", 0))
    made.add_trace(_limit(course.number, course.mean_max_entropy, "its maximum", 0))
    for index, label in enumerate(_chosen(course, labels, 0), start=1):
        made.add_trace(_curve(course.number, label.entropy, label.label, index))
        made.add_trace(_limit(course.number, label.max_entropy, f"maximum of {label.label}", index))
    made.update_yaxes(rangemode="tozero")
    made.update_layout(showlegend=True)
    return _whole_epochs(made, course)


def losses(epochs: Sequence[EpochRecord] | SupernetCourse, *, dark: bool = False) -> go.Figure:
    """Show the losses and other metrics of the supernet over the epochs; losses have the left axis, others the right.

    Args:
        epochs: The epochs of the supernet.
        dark: Whether the figure is shown on a dark background.
    """
    course = _course(epochs)
    if not course.metrics:
        return _nothing("No metric of the supernet is stored yet.", dark)
    names = [name for name in course.metrics if name != "default"] or list(course.metrics)
    losses_first = sorted(names, key=lambda name: "loss" not in name)
    made = figure(x="epoch", y="loss" if "loss" in losses_first[0] else "metric", dark=dark)
    has_both = "loss" in losses_first[0] and "loss" not in losses_first[-1]
    for index, name in enumerate(losses_first):
        curve = _curve(course.number, course.metrics[name], name, index)
        if has_both and "loss" not in name:
            curve.update(yaxis="y2")
        made.add_trace(curve)
    if has_both:
        right = {"overlaying": "y", "side": "right", "title": {"text": "metric"}, "automargin": True}
        made.update_layout(yaxis2={**right, "showgrid": False, "zeroline": False})
    made.update_layout(showlegend=True)
    return _whole_epochs(made, course)


def _whole_epochs(made: go.Figure, course: SupernetCourse) -> go.Figure:
    """Put ticks at whole numbers."""
    if len(course.number) <= _FEW:
        made.update_xaxes(dtick=1, tick0=0)
    return made.update_xaxes(tickformat="d")


def _course(epochs: Sequence[EpochRecord] | SupernetCourse) -> SupernetCourse:
    return epochs if isinstance(epochs, SupernetCourse) else supernet_course(epochs)


def _chosen(course: SupernetCourse, labels: Sequence[str] | None, most: int) -> list[LabelCourse]:
    if labels is None:
        return [label for label in course.labels if label.candidates][:most]
    found = [course.label(name) for name in labels]
    return [label for label in found if label is not None and label.candidates]


def _kept(count: int) -> npt.NDArray[np.intp]:
    """Return the positions of evenly spaced epochs, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, _MAX_COLUMNS)).astype(np.intp))


def _heat_height(labels: Sequence[LabelCourse]) -> int:
    return sum(_ROW * len(label.candidates) + _GAP for label in labels) + 120


def _heat_map(label: LabelCourse, number: npt.NDArray[np.int32], kept: npt.NDArray[np.intp], place: int) -> go.Heatmap:
    names = [escaped(name) for name in label.candidates]
    return go.Heatmap(
        x=number,
        y=list(range(len(names))),
        z=label.probabilities[kept].T,
        customdata=[[name] * len(kept) for name in names],
        hovertemplate="%{customdata}<br>epoch %{x}: %{z:.3f}<extra></extra>",
        coloraxis="coloraxis",
        yaxis="y" if place == 1 else f"y{place}",
        name=escaped(label.label),
    )


def _heat_axes(labels: Sequence[LabelCourse]) -> dict[str, object]:
    """Return one vertical axis for each label, below each other, with the label above as a heading."""
    rows = float(sum(_ROW * len(label.candidates) + _GAP for label in labels))
    layout: dict[str, object] = {
        "coloraxis": {
            "colorscale": _SCALE,
            "cmin": 0,
            "cmax": _largest(labels),
            "colorbar": {"orientation": "h", "thickness": 10, "len": 0.5, "x": 0, "xanchor": "left", "y": -60 / rows,
                         "yanchor": "top", "title": {"text": "probability", "side": "bottom"}},
        },
    }  # fmt: skip
    annotations, top = [], 1.0
    for place, label in enumerate(labels, start=1):
        height = _ROW * len(label.candidates) / rows
        bottom = top - _GAP / rows - height
        names = [escaped(name) for name in label.candidates]
        layout["yaxis" if place == 1 else f"yaxis{place}"] = {
            "domain": [max(0.0, bottom), bottom + height],
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "autorange": "reversed",
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"size": 11},
        }
        annotations.append(
            {"text": f"<b>{escaped(label.label)}</b>", "x": 0, "y": bottom + height, "xref": "paper",
             "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
        )  # fmt: skip
        top = bottom
    layout["annotations"] = annotations
    layout["xaxis"] = {
        "anchor": "free",
        "position": 0,
        "showgrid": False,
        "zeroline": False,
        "title": {"text": "epoch"},
    }
    return layout


def _largest(labels: Sequence[LabelCourse]) -> float:
    """Return the end of the colour scale: the largest probability, rounded up to a tenth."""
    largest = max((float(np.nanmax(label.probabilities, initial=0.0)) for label in labels), default=0.0)
    return min(1.0, math.ceil(10 * largest) / 10) or 1.0


def _curve(number: npt.NDArray[np.int32], values: npt.NDArray[np.float64], name: str, index: int) -> go.Scatter:
    finite = np.where(np.isfinite(values), values, np.nan)
    kept = kept_points(finite)
    return go.Scatter(
        x=number[kept],
        y=finite[kept],
        name=escaped(name),
        mode="lines+markers" if len(kept) <= 2 else "lines",
        line={"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index // len(PALETTE) % len(DASHES)]},
    )


def _limit(number: npt.NDArray[np.int32], value: float, name: str, index: int) -> go.Scatter:
    height = value if math.isfinite(value) else math.nan
    return go.Scatter(
        x=[number[0], number[-1]],
        y=[height, height],
        name=escaped(name),
        mode="lines",
        line={"color": PALETTE[index % len(PALETTE)], "dash": "dot", "width": 1.5},
        opacity=0.8,
    )


def _nothing(text: str, dark: bool) -> go.Figure:
    made = figure(height=120, dark=dark)
    made.update_xaxes(visible=False)
    made.update_yaxes(visible=False)
    made.add_annotation(text=escaped(text), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    return made
