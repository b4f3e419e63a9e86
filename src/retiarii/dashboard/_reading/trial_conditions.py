"""Conditions on trials, from the parameters of a request."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Hashable, Iterable

from retiarii._plain_data import shown
from retiarii.analysis import TrialFilter, TrialTable
from retiarii.errors import ConfigError
from retiarii.trial import TrialState


def filter_of(
    table: TrialTable,
    states: Collection[TrialState] | None,
    choices: Iterable[str],
    at_least: Iterable[str],
    at_most: Iterable[str],
    *,
    is_running: bool,
    text: str = "",
) -> TrialFilter:
    """Return the filter that the parameters describe.

    Args:
        table: The trials.
        states: The wanted states, as users see them; None for all.
        choices: ``LABEL=VALUE``, the value as JSON or, for texts, as it is.
        at_least: ``METRIC=NUMBER``.
        at_most: ``METRIC=NUMBER``.
        is_running: Whether a process runs the experiment; if not, running trials are interrupted.
        text: A text that trials contain; see `TrialFilter`.

    Raises:
        ConfigError: A parameter has another form.
    """
    low, high = dict(map(_bound, at_least)), dict(map(_bound, at_most))
    ranges = {name: (low.get(name, -math.inf), high.get(name, math.inf)) for name in {**low, **high}}
    values: dict[str, list[Hashable]] = {}
    for condition in choices:
        label, found = _values(table, condition)
        values.setdefault(label, []).extend(found)
    return TrialFilter(_stored(states, is_running=is_running), values, ranges, text)


def _stored(states: Collection[TrialState] | None, *, is_running: bool) -> list[TrialState] | None:
    """Return the states as the store has them: it has no interrupted trials."""
    if states is None:
        return None
    unfinished = TrialState.RUNNING if is_running else TrialState.INTERRUPTED
    stored = [state for state in states if state.is_finished]
    return [*stored, TrialState.RUNNING] if unfinished in states else stored


def _bound(text: str) -> tuple[str, float]:
    name, _, bound = text.rpartition("=")
    try:
        value = float(bound)
    except ValueError:
        value = math.nan
    if not name or math.isnan(value):
        raise ConfigError(f"A condition on a metric is {shown(text)}, expected METRIC=NUMBER, such as accuracy=0.9.")
    return name, value


def _values(table: TrialTable, text: str) -> tuple[str, list[Hashable]]:
    """Return the label of a condition, and the values in the table that it means."""
    places = [place for place, letter in enumerate(text) if letter == "="]
    if not places or places[0] == 0:
        raise ConfigError(f"A condition on a choice is {shown(text)}, expected LABEL=VALUE, such as kernel=3.")
    place = next((place for place in places if text[:place] in table.choices), places[0])
    label, wanted = text[:place], text[place + 1 :]
    column = table.choices.get(label)
    return label, [value for value in (column.values if column else ()) if wanted in (value, json.dumps(value))]
