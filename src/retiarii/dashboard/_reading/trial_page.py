"""`trial_page`: one page of a table of trials, filtered and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retiarii.analysis import TrialFilter, TrialTable, sort_columns, sorted_rows
from retiarii.errors import ConfigError


@dataclass(frozen=True)
class TrialPage:
    """One page of a table of trials.

    Attributes:
        table: The table.
        rows: The positions of the page's trials in the table, in the order of the page.
        num_matching: The number of trials that meet the conditions, on all pages.
        next_after: The number of the last trial of the page, after which the next page begins; None on the last page.
    """

    table: TrialTable
    rows: Sequence[int]
    num_matching: int
    next_after: int | None

    @property
    def numbers(self) -> list[int]:
        """The numbers of the page's trials."""
        return [int(self.table.number[row]) for row in self.rows]


def trial_page(
    table: TrialTable,
    wanted: TrialFilter | None = None,
    *,
    sort: str = "number",
    descending: bool = False,
    after: int | None = None,
    offset: int = 0,
    limit: int = 100,
) -> TrialPage:
    """Return a page of the trials that meet conditions.

    Args:
        table: The trials.
        wanted: The conditions; None for all trials.
        sort: The column by which they are sorted, one of `sort_columns`; equal ones are sorted by number.
        descending: Whether the largest come first; trials without a value come last in any case.
        after: The number of the trial after which the page begins; it need not meet the conditions.
        offset: How many trials are left out from there.
        limit: The maximum number of trials.

    Raises:
        ConfigError: There is no such column, or no trial ``after``.
    """
    try:
        order = sorted_rows(table, sort, descending=descending)
    except KeyError:
        raise ConfigError(f"There is no column {sort!r}, expected one of {sort_columns(table)}.") from None
    matches = np.ones(len(table), np.bool_) if wanted is None else wanted.matches(table)
    first = 0
    if after is not None:
        places = np.flatnonzero(table.number[order] == after)
        if not len(places):
            raise ConfigError(f"after is {after}, and there is no trial {after}. Begin with the first page.")
        first = int(places[0]) + 1
    rest = order[first:]
    found = rest[matches[rest]][offset:]
    shown = [int(row) for row in found[:limit]]
    has_more = len(found) > len(shown) > 0
    return TrialPage(table, shown, int(matches.sum()), int(table.number[shown[-1]]) if has_more else None)
