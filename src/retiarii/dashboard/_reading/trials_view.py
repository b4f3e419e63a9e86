"""`TrialsView`: which trials a table shows, and how: what the address of the page says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from retiarii.analysis import TrialTable, sort_columns, sorted_rows
from retiarii.dashboard._reading.trial_conditions import filter_of
from retiarii.trial import TrialState

_MOST_CONDITIONS = 64


@dataclass(frozen=True)
class TrialsView:
    """Which trials a table shows, and how. The names are those of the API's parameters.

    Attributes:
        states: Trials in one of these states, as users see them; empty for all.
        choices: ``LABEL=VALUE``; several values of one label mean any of them.
        at_least: ``METRIC=NUMBER``.
        at_most: ``METRIC=NUMBER``.
        text: A text that trials contain.
        sort: The column that they are sorted by, one of `sort_columns`.
        descending: Whether the largest come first.
        offset: The number of trials on the pages before.
        columns: The columns of metrics and choices to show; None for the usual ones.
    """

    states: tuple[TrialState, ...] = ()
    choices: tuple[str, ...] = ()
    at_least: tuple[str, ...] = ()
    at_most: tuple[str, ...] = ()
    text: str = ""
    sort: str = "number"
    descending: bool = True
    offset: int = 0
    columns: tuple[str, ...] | None = None

    @classmethod
    def from_query(cls, pairs: Iterable[tuple[str, str]]) -> TrialsView:
        """Read the parameters of an address; those that make no sense are left out."""
        found: dict[str, list[str]] = {}
        for name, value in pairs:
            found.setdefault(name, []).append(value)
        states = {state.value: state for state in TrialState}
        offset = found.get("offset", ["0"])[-1]
        return cls(
            states=tuple(dict.fromkeys(states[name] for name in found.get("state", []) if name in states)),
            choices=tuple(text for text in found.get("choice", []) if "=" in text[1:])[:_MOST_CONDITIONS],
            at_least=tuple(filter(_is_bound, found.get("at_least", [])))[:_MOST_CONDITIONS],
            at_most=tuple(filter(_is_bound, found.get("at_most", [])))[:_MOST_CONDITIONS],
            text=found.get("text", [""])[-1][:200],
            sort=found.get("sort", ["number"])[-1],
            descending=found.get("descending", ["true"])[-1].lower() == "true",
            offset=int(offset) if offset.isdecimal() and len(offset) < 10 else 0,
            columns=tuple(name for name in found["column"] if name) if "column" in found else None,
        )

    def to_query(self) -> str:
        """Return the parameters that differ from the usual ones, for an address."""
        pairs = [("state", state.value) for state in self.states]
        pairs += [("choice", text) for text in self.choices]
        pairs += [("at_least", text) for text in self.at_least]
        pairs += [("at_most", text) for text in self.at_most]
        pairs += [("text", self.text)] if self.text else []
        if (self.sort, self.descending) != ("number", True):
            pairs += [("sort", self.sort), ("descending", str(self.descending).lower())]
        pairs += [("offset", str(self.offset))] if self.offset else []
        if self.columns is not None:
            pairs += [("column", name) for name in self.columns or ("",)]
        return urlencode(pairs)

    def rows(self, table: TrialTable, *, is_running: bool) -> npt.NDArray[np.intp]:
        """Return the rows of all trials that match, in order.

        Args:
            table: The trials.
            is_running: Whether a process runs the experiment; if not, running trials are interrupted.
        """
        states = self.states or None
        wanted = filter_of(
            table, states, self.choices, self.at_least, self.at_most, is_running=is_running, text=self.text
        )
        sort = self.sort if self.sort in sort_columns(table) else "number"
        order = sorted_rows(table, sort, descending=self.descending)
        return order[wanted.matches(table)[order]]

    @property
    def is_filtered(self) -> bool:
        """Whether some trials may be hidden."""
        return bool(self.states or self.choices or self.at_least or self.at_most or self.text)


def _is_bound(text: str) -> bool:
    name, _, bound = text.rpartition("=")
    try:
        return bool(name) and float(bound) == float(bound)
    except ValueError:
        return False
