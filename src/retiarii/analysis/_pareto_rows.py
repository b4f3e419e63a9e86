"""`pareto_rows`: the Pareto front of a table of trials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retiarii.analysis._trial_table import TrialTable
from retiarii.trial import Direction, Objectives, TrialState


def pareto_rows(table: TrialTable, objectives: Objectives | None = None) -> npt.NDArray[np.intp]:
    """Return the rows of the trials that no other trial dominates, as `retiarii.trial.pareto_front` does.

    Only completed trials that keep the constraints on metrics, and have a finite value of each objective, are compared.
    Of trials with equal values the earliest is in the front.

    Args:
        table: The trials.
        objectives: Any metrics with their directions; None for those of the experiment.

    Returns:
        The rows, best first by the first objective.
    """
    wanted = table.record.objectives if objectives is None else objectives
    missing = np.full(len(table), np.nan)
    signs = [-1.0 if item.direction is Direction.MAXIMIZE else 1.0 for item in wanted]
    losses = np.stack(
        [sign * table.metrics.get(name, missing) for sign, name in zip(signs, wanted.names, strict=True)], axis=1
    )
    usable = table.is_in(TrialState.COMPLETED) & (table.violation == 0) & np.isfinite(losses).all(axis=1)
    rows = np.flatnonzero(usable)
    order = np.lexsort((table.number[rows], *losses[rows].T[::-1]))
    rows = rows[order]
    return rows[_is_in_front(losses[rows])]


def _is_in_front(losses: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which rows no other row dominates; they are sorted by the first column, then by the next ones."""
    if not len(losses):
        return np.zeros(0, np.bool_)
    if losses.shape[1] <= 2:
        last = losses[:, -1]
        is_lower: npt.NDArray[np.bool_] = last[1:] < np.minimum.accumulate(last)[:-1]
        return np.concatenate([[True], is_lower])
    import moocore  # importing it takes a second

    return np.asarray(moocore.is_nondominated(losses), np.bool_)
