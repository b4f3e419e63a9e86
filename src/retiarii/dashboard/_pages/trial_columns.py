"""The columns of the table of trials, and its cells."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

from nicegui.events import GenericEventArguments

from retiarii._readable import duration_text, number_text
from retiarii.analysis import CHOICE, METRIC, STATES, TrialTable
from retiarii.dashboard._pages.data_table import Column, TableCell, TableRow
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import address
from retiarii.dashboard._pages.values import value_text
from retiarii.trial import DEFAULT, TrialState

_USUAL_METRICS, _USUAL_CHOICES = 4, 6
_FIXED = (
    Column("number", "Trial", numeric=True),
    Column("state", "State"),
)
_OTHERS = {
    "duration_s": Column("duration_s", "Time", numeric=True, hint="From start to end"),
    "fidelity": Column("fidelity", "Given", hint="How much training it got"),
    "parent": Column("parent", "Continues", numeric=True, hint="The trial whose weights it started from"),
    "device": Column("device", "Device"),
    "failure": Column("failure", "Failure"),
}


def possible_columns(table: TrialTable) -> dict[str, str]:
    """Return the columns that can be shown, with their headings."""
    metrics = {METRIC + name: "result" if name == DEFAULT else name for name in _metrics(table)}
    choices = {CHOICE + label: label for label in table.choices}
    return {**metrics, **{key: column.label for key, column in _OTHERS.items()}, **choices}


def shown_columns(table: TrialTable, wanted: Sequence[str] | None) -> list[str]:
    """Return the columns to show: the wanted ones, or the usual ones, which have something to show."""
    possible = possible_columns(table)
    if wanted is not None:
        return [key for key in possible if key in wanted]
    usual = [METRIC + name for name in _metrics(table)[:_USUAL_METRICS]]
    usual += ["duration_s"]
    usual += ["fidelity"] if table.fidelity.values else []
    usual += ["failure"] if table.failure.values else []
    return usual + [CHOICE + label for label in list(table.choices)[:_USUAL_CHOICES]]


def table_columns(keys: Sequence[str]) -> list[Column]:
    """Return the columns as the table needs them."""
    made = list(_FIXED)
    for key in keys:
        if key.startswith(METRIC):
            name = key.removeprefix(METRIC)
            made.append(Column(key, "result" if name == DEFAULT else name, numeric=True))
        elif key.startswith(CHOICE):
            made.append(Column(key, key.removeprefix(CHOICE)))
        else:
            made.append(_OTHERS[key])
    return made


def table_row(table: TrialTable, row: int, keys: Sequence[str], *, is_running: bool) -> TableRow:
    """Return a row of the table.

    Args:
        table: The trials.
        row: The trial's row in it.
        keys: The columns to show.
        is_running: Whether a process runs the experiment; if not, running trials are interrupted.
    """
    number = int(table.number[row])
    state = STATES[table.state[row]]
    seen = TrialState.INTERRUPTED if state is TrialState.RUNNING and not is_running else state
    cells: list[TableCell | str] = [
        TableCell(str(number), href=address(table.record.id, f"trials/{number}")),
        TableCell(seen.value, badge=seen.value, tags=("breaks a constraint",) if table.violation[row] > 0 else ()),
    ]
    return TableRow(str(number), [*cells, *(_cell(table, row, key) for key in keys)])


def column_choice(
    table: TrialTable, wanted: Sequence[str] | None, on_change: Callable[[list[str]], Awaitable[None]]
) -> None:
    """Draw the list of columns with check boxes, behind a button."""
    chosen = set(shown_columns(table, wanted))
    possible = possible_columns(table)

    async def choose(key: str, event: GenericEventArguments) -> None:
        (chosen.add if event.args is True else chosen.discard)(key)
        await on_change([other for other in possible if other in chosen])

    with element("details", "menu"):
        text("summary", "Columns", "button quiet")
        with element("div", "menu-body", role="group", aria_label="Columns"):
            for key, label in possible.items():
                with element("label", "cluster"):
                    box = element("input", type="checkbox", checked=key in chosen)
                    text("span", label)
                box.on("change", lambda event, key=key: choose(key, event), js_handler="(e) => emit(e.target.checked)")


def _metrics(table: TrialTable) -> list[str]:
    """Return the names of metrics, objectives first."""
    first = [name for name in table.record.objectives.names if name in table.metrics]
    return [*first, *(name for name in table.metrics if name not in first)]


def _cell(table: TrialTable, row: int, key: str) -> TableCell | str:
    if key.startswith(METRIC):
        values = table.metrics.get(key.removeprefix(METRIC))
        return "" if values is None or math.isnan(values[row]) else number_text(float(values[row]))
    if key.startswith(CHOICE):
        column = table.choices.get(key.removeprefix(CHOICE))
        value = None if column is None or column.codes[row] < 0 else column.at(row)
        shown = "" if column is None or column.codes[row] < 0 else value_text(value)
        return TableCell(shown, look="clip", hint=shown if len(shown) > 40 else "")
    return _OTHER_CELLS[key](table, row)


def _duration(table: TrialTable, row: int) -> str:
    seconds = float(table.ended[row] - table.started[row])
    return "" if math.isnan(seconds) else duration_text(seconds)


def _fidelity(table: TrialTable, row: int) -> str:
    return ", ".join(f"{name} {value_text(amount)}" for name, amount in table.fidelity.at(row) or ())


def _parent(table: TrialTable, row: int) -> TableCell | str:
    parent = int(table.parent[row])
    return "" if parent < 0 else TableCell(str(parent), href=address(table.record.id, f"trials/{parent}"))


def _failure(table: TrialTable, row: int) -> TableCell | str:
    reason = table.failure.at(row)
    return "" if reason is None else TableCell(reason[1].partition("\n")[0], look="clip", hint=reason[1][:1000])


_OTHER_CELLS: dict[str, Callable[[TrialTable, int], TableCell | str]] = {
    "duration_s": _duration,
    "fidelity": _fidelity,
    "parent": _parent,
    "device": lambda table, row: str(table.device.at(row) or ""),
    "failure": _failure,
}
