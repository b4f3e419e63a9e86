"""`importance`: how much of the differences between trials each choice explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retiarii.analysis._trial_table import NONE, Coded, TrialTable
from retiarii.trial import TrialState

_MOST_GROUPS = 10  # of values of a numeric choice


@dataclass(frozen=True)
class LabelImportance:
    """How much of the variance of a metric one choice explains.

    Attributes:
        label: The label of the choice.
        share: The share of the variance that its value explains, 0 to 1.
        num_values: How many values were drawn; being inactive counts as one.
    """

    label: str
    share: float
    num_values: int


def importance(table: TrialTable, metric: str | None = None) -> list[LabelImportance]:
    """Return how much of the variance of a metric each choice explains alone, most important first.

    It is the main effect of a one-way analysis of variance, corrected for the number of values, so that a choice that
    has no effect gets about 0 (epsilon squared; Kelley, 1935, "An unbiased correlation ratio measure"). Numeric choices
    with many values are compared in ten groups of equal size. Choices that a strategy drew together, as evolution
    does late in a search, explain the same variance, so the shares need not add up to 1.

    Related work: main effects of functional ANOVA (Hutter et al., 2014, "An efficient approach for assessing
    hyperparameter importance"), which averages over the other choices with a forest as a model; here no model is used.

    Args:
        table: The trials; completed ones with a finite value are used.
        metric: The metric; None for the first objective.
    """
    values = table.metric if metric is None else table.metrics.get(metric, np.full(len(table), np.nan))
    rows = np.flatnonzero(table.is_in(TrialState.COMPLETED) & np.isfinite(values))
    found = [_of_label(label, column, rows, values[rows]) for label, column in table.choices.items()]
    return sorted(found, key=lambda one: (-one.share, one.label))


def _of_label(
    label: str, column: Coded, rows: npt.NDArray[np.intp], values: npt.NDArray[np.float64]
) -> LabelImportance:
    codes = column.codes[rows]
    drawn = np.unique(codes)
    groups = np.searchsorted(drawn, codes)
    if len(drawn) > _MOST_GROUPS and all(_is_number(column.values[code]) for code in drawn if code != NONE):
        groups = _groups(column, codes)
    return LabelImportance(label, _share(groups, values), len(drawn))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _groups(column: Coded, codes: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Return groups of about equal size of the values of a numeric choice; inactive ones are a group of their own."""
    numbers = np.array([*(float(value) for value in column.values), np.nan])[codes]  # the last belongs to NONE
    is_active = ~np.isnan(numbers)
    edges = np.unique(np.quantile(numbers[is_active], np.linspace(0, 1, _MOST_GROUPS + 1)[1:-1]))
    return np.where(is_active, np.searchsorted(edges, numbers, side="left"), len(edges) + 1)


def _share(groups: npt.NDArray[np.intp], values: npt.NDArray[np.float64]) -> float:
    """Return epsilon squared: the variance between groups, less what chance alone gives, over the whole variance."""
    counts = np.bincount(groups)
    num_groups = np.count_nonzero(counts)
    if num_groups < 2 or len(values) <= num_groups:
        return 0.0
    scale = np.abs(values).max() or 1.0  # so that squares do not overflow
    centred = values / scale - (values / scale).mean()
    whole = float(centred @ centred)
    sums = np.bincount(groups, centred)
    between = float((sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    if whole <= 0:
        return 0.0
    chance = (num_groups - 1) * (whole - between) / (len(values) - num_groups)
    return min(max((between - chance) / whole, 0.0), 1.0)
