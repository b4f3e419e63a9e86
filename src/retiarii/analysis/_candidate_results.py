"""`candidate_results`: how often each value of each choice was drawn, and how its trials ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from retiarii.analysis._trial_table import NONE, TrialTable
from retiarii.trial import Direction, TrialState


@dataclass(frozen=True)
class CandidateResult:
    """The trials that chose one value.

    Attributes:
        value: The value; a subset is a tuple.
        num_drawn: The number of trials that chose it.
        num_completed: Those of them that completed with a finite value of the metric.
        num_failed: Those of them that failed.
        mean: The mean of the metric over the completed ones; NaN without any.
        best: The best value of the metric; NaN without any.
    """

    value: Any
    num_drawn: int
    num_completed: int
    num_failed: int
    mean: float
    best: float


def candidate_results(
    table: TrialTable, metric: str | None = None, *, max_values: int = 100
) -> dict[str, list[CandidateResult]]:
    """Return for each label the values that were drawn, best mean first, those without results last.

    Args:
        table: The trials.
        metric: An objective, or any other metric, which is then maximized; None for the first objective.
        max_values: The maximum number of values of a label, the most frequent ones.
    """
    objectives = {item.metric: item.direction for item in table.record.objectives}
    name = table.record.objectives.primary.metric if metric is None else metric
    sign = -1.0 if objectives.get(name, Direction.MAXIMIZE) is Direction.MAXIMIZE else 1.0
    losses = sign * table.metrics.get(name, np.full(len(table), np.nan))
    has_result = table.is_in(TrialState.COMPLETED) & np.isfinite(losses)
    is_failed = table.is_in(TrialState.FAILED)
    found = {}
    for label, column in table.choices.items():
        size = len(column.values)
        is_active = column.codes != NONE
        used = is_active & has_result
        drawn = np.bincount(column.codes[is_active], minlength=size)
        failed = np.bincount(column.codes[is_active & is_failed], minlength=size)
        completed = np.bincount(column.codes[used], minlength=size)
        sums = np.bincount(column.codes[used], losses[used], minlength=size)
        least = np.full(size, np.inf)
        np.minimum.at(least, column.codes[used], losses[used])
        kept = np.argsort(-drawn, kind="stable")[:max_values]
        with np.errstate(invalid="ignore"):
            means = sums / completed
        order = sorted((code for code in kept if drawn[code]), key=lambda code: (np.isnan(means[code]), means[code]))
        found[label] = [
            CandidateResult(
                column.values[code],
                int(drawn[code]),
                int(completed[code]),
                int(failed[code]),
                float(sign * means[code]),
                float(sign * least[code]) if completed[code] else float("nan"),
            )
            for code in order
        ]
    return found
