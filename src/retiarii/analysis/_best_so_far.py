"""`best_so_far`: the best trial at each point of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from retiarii.analysis._trial_table import TrialTable
from retiarii.trial import Direction, TrialState

Over = Literal["trial", "time"]
"""What a search is looked at over: the number of trials, or time."""


@dataclass(frozen=True)
class BestSoFar:
    """The best value of a metric as a search went on.

    Attributes:
        metric: The metric.
        direction: Whether larger or smaller values are better.
        row: The rows of the trials that can be compared, in the order in which the search is looked at.
        x: For each of them its trial number, or the seconds from the start of the first trial to its own end.
        value: The value of the best trial so far. Where constraints on metrics are broken less than before it may be
            worse than the previous one.
        holder: The row of the best trial so far.
    """

    metric: str
    direction: Direction
    row: npt.NDArray[np.intp]
    x: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    holder: npt.NDArray[np.intp]


def best_so_far(table: TrialTable, metric: str | None = None, *, over: Over = "trial") -> BestSoFar:
    """Return the best trial so far after each completed trial, ranked as `Objectives.rank` does.

    Failed, pruned and running trials, and those whose metric is missing or not finite, are skipped. A trial that breaks
    constraints on metrics is best only as long as no trial breaks them less.

    Args:
        table: The trials.
        metric: An objective, or any other metric, which is then maximized; None for the first objective.
        over: Follow the search by trial number, or by the time at which trials ended.
    """
    objectives = {item.metric: item.direction for item in table.record.objectives}
    name = table.record.objectives.primary.metric if metric is None else metric
    direction = objectives.get(name, Direction.MAXIMIZE)
    values = table.metrics.get(name, np.full(len(table), np.nan))
    x = table.number.astype(np.float64) if over == "trial" else seconds_in(table)
    usable = np.flatnonzero(table.is_in(TrialState.COMPLETED) & np.isfinite(values) & np.isfinite(x))
    row = usable[np.lexsort((table.finish_order[usable], x[usable]))]
    sign = -1.0 if direction is Direction.MAXIMIZE else 1.0
    best_first = np.lexsort((table.number[row], sign * values[row], table.violation[row]))
    place = np.empty(len(row), np.intp)
    place[best_first] = np.arange(len(row))
    holder = row[best_first[np.minimum.accumulate(place)]]
    return BestSoFar(name, direction, row, x[row], values[holder], holder)


def seconds_in(table: TrialTable) -> npt.NDArray[np.float64]:
    """Return for each trial the seconds from the start of the first trial to its end; NaN while it runs."""
    known = table.started[np.isfinite(table.started)]
    return table.ended - (known.min() if len(known) else np.nan)
