"""`TrialFilters`: the fields above the table of trials, and the conditions that are in force."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from retiarii.analysis import TrialTable
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.fields import button, input_field, select_field
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._pages.values import value_text
from retiarii.dashboard._reading.trials_view import TrialsView
from retiarii.trial import TrialState

_MOST_VALUES = 200


class TrialFilters:
    """The fields above the table of trials.

    Args:
        table: The trials, for the names and values to choose from.
        view: The conditions at first.
        on_change: Called with the view with other conditions.
    """

    def __init__(self, table: TrialTable, view: TrialsView, on_change: Callable[[TrialsView], Awaitable[None]]) -> None:
        self._table, self._view, self._on_change = table, view, on_change
        self._label = next(iter(table.choices), "")
        self._metric = next((name for name in table.record.objectives.names if name in table.metrics), "")
        with element("div", "filters"):
            input_field(
                "Search", view.text, self._set_text, kind="search", placeholder="value, failure, number…", is_live=True
            )
            states = {"": "any state", **{state.value: state.value for state in TrialState}}
            chosen = view.states[0].value if len(view.states) == 1 else ""
            select_field("State", states, chosen, self._set_state)
            if table.choices:
                select_field("Label", {label: label for label in table.choices}, self._label, self._set_label)
                self._values = Region()
                self._draw_values()
            if table.metrics:
                select_field("Metric", {name: name for name in table.metrics}, self._metric, self._set_metric)
                input_field("at least", "", self._add_at_least, kind="number")
                input_field("at most", "", self._add_at_most, kind="number")
        self._conditions = Region("cluster")
        self._draw_conditions()

    def _draw_values(self) -> None:
        values = sorted(self._table.choices[self._label].values[:_MOST_VALUES], key=_by_size)
        conditions = {value if isinstance(value, str) else json.dumps(value): value_text(value) for value in values}
        options = {"": "any value", **conditions}
        self._values.show((self._label,), lambda: select_field("Value", options, "", self._add_value))

    async def _set(self, **changes: Any) -> None:
        self._view = replace(self._view, offset=0, **changes)
        self._draw_conditions()
        await self._on_change(self._view)

    async def _set_text(self, value: str) -> None:
        await self._set(text=value[:200])

    async def _set_state(self, value: str) -> None:
        await self._set(states=(TrialState(value),) if value in {state.value for state in TrialState} else ())

    def _set_label(self, label: str) -> None:
        if label in self._table.choices:
            self._label = label
            self._draw_values()

    async def _add_value(self, value: str) -> None:
        if value:
            await self._add("choices", f"{self._label}={value}")

    def _set_metric(self, name: str) -> None:
        if name in self._table.metrics:
            self._metric = name

    async def _add_at_least(self, bound: str) -> None:
        await self._add_bound("at_least", bound)

    async def _add_at_most(self, bound: str) -> None:
        await self._add_bound("at_most", bound)

    async def _add_bound(self, kind: str, bound: str) -> None:
        others = [text for text in getattr(self._view, kind) if text.rpartition("=")[0] != self._metric]
        if bound or len(others) < len(getattr(self._view, kind)):
            await self._set(**{kind: (*others, f"{self._metric}={bound}") if bound else tuple(others)})

    async def _add(self, kind: str, condition: str) -> None:
        await self._set(**{kind: tuple(dict.fromkeys((*getattr(self._view, kind), condition)))})

    async def _remove(self, kind: str, condition: str) -> None:
        await self._set(**{kind: tuple(other for other in getattr(self._view, kind) if other != condition)})

    def _draw_conditions(self) -> None:
        view = self._view
        shown = [("choices", text, text.replace("=", " = ", 1)) for text in view.choices]
        shown += [("at_least", text, " ≥ ".join(text.rsplit("=", 1))) for text in view.at_least]
        shown += [("at_most", text, " ≤ ".join(text.rsplit("=", 1))) for text in view.at_most]
        self._conditions.show((shown,), lambda: self._draw_chips(shown))

    def _draw_chips(self, shown: list[tuple[str, str, str]]) -> None:
        for kind, condition, words in shown:
            with element("span", "badge tag"):
                text("span", words)
                remove = partial(self._remove, kind, condition)
                button("✕", remove, look="remove", aria_label=f"Remove the condition {words}")


def _by_size(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, (int, float))
    return not is_number, float(value) if is_number else 0.0, str(value)
