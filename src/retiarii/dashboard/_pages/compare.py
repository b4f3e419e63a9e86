"""The page that compares trials side by side, their differences marked."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import run, ui

from retiarii._readable import duration_text, number_text
from retiarii.dashboard._pages.blocks import badge, card, empty
from retiarii.dashboard._pages.curves_card import CurvesCard
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import address, frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._pages.values import value_text
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import NotFoundError
from retiarii.storage import ExperimentRecord, Store
from retiarii.trial import DEFAULT, Trial

MOST_COMPARED = 12
"""How many trials fit side by side."""

_MISSING = "-"


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/experiments/{experiment_id}/compare")
    def compare(experiment_id: str, trials: str = "") -> None:
        with frame("Compare trials", experiment_id, "trials"):
            page = _ComparePage(reader, experiment_id, _numbers(trials))
            follow(reader, experiment_id, page.refresh)


class _ComparePage:
    """The parts of the page.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
        numbers: The trials.
    """

    def __init__(self, reader: Reader, experiment_id: str, numbers: list[int]) -> None:
        self._reader, self._id, self._numbers = reader, experiment_id, numbers
        with card("Side by side", "rows that differ are marked ≠", is_flush=True):
            self._table = Region("table-scroll")
        self._curves = CurvesCard("Curves")

    async def refresh(self) -> None:
        """Show the trials as they are now."""
        found = await run.io_bound(_read, self._reader.store, self._id, self._numbers)
        if found is None:  # the server is shutting down
            return
        record, trials = found
        self._table.show((trials,), lambda: _draw(record, trials))
        self._curves.show(trials)


def _numbers(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part.isdecimal() and len(part) < 10]
    return list(dict.fromkeys(map(int, parts)))[:MOST_COMPARED]


def _read(store: Store, experiment_id: str, numbers: Sequence[int]) -> tuple[ExperimentRecord, list[Trial]]:
    is_alive = store.is_running(experiment_id)
    record = store.get_experiment(experiment_id)
    found = []
    for number in numbers:
        try:
            found.append(store.get_trial(experiment_id, number).seen(is_running=is_alive))
        except NotFoundError:
            continue
    return record, found


def _draw(record: ExperimentRecord, trials: Sequence[Trial]) -> None:
    if not trials:
        empty("No trials to compare", "Choose two or more trials in the table of trials.")
        return
    with element("table", "data compare"):
        text("caption", "Trials side by side")
        with element("thead"), element("tr"):
            text("th", "", scope="col")
            for trial in trials:
                with element("th", scope="col"):
                    text("a", f"Trial {trial.number}", href=address(record.id, f"trials/{trial.number}"))
        with element("tbody"):
            _draw_states(trials)
            for name, values, kind in _rows(record, trials):
                _draw_row(name, values, kind)


def _draw_states(trials: Sequence[Trial]) -> None:
    with element("tr"):
        text("th", "state", scope="row")
        for trial in trials:
            with element("td"):
                badge(trial.state.value)


def _draw_row(name: str, values: Sequence[str], kind: str) -> None:
    is_different = len(set(values)) > 1
    with element("tr", "different" if is_different and kind == "choice" else ""):
        with element("th", scope="row"):
            text("span", name)
            if is_different and kind == "choice":
                text("span", "≠", "differs", title="differs", aria_label="differs", role="img")
        for value in values:
            text("td", value, "number" if kind == "number" else "clip")


def _rows(record: ExperimentRecord, trials: Sequence[Trial]) -> list[tuple[str, list[str], str]]:
    names = [*record.objectives.names, *(name for trial in trials for name in trial.metrics or {})]
    rows = [
        ("result" if name == DEFAULT else name, [_metric(trial, name) for trial in trials], "number")
        for name in dict.fromkeys(names)
    ]
    rows.append(("time", [duration_text(trial.duration_s) for trial in trials], "number"))
    labels = dict.fromkeys(label for trial in trials for label in trial.architecture)
    rows += [(label, [_chosen(trial, label) for trial in trials], "choice") for label in labels]
    if any(trial.fidelity for trial in trials):
        rows.append(("given", [str(trial.fidelity or _MISSING) for trial in trials], "choice"))
    if any(trial.failure for trial in trials):
        rows.append(("failure", [trial.failure.message if trial.failure else _MISSING for trial in trials], "text"))
    return rows


def _metric(trial: Trial, name: str) -> str:
    value = (trial.metrics or {}).get(name)
    return _MISSING if value is None else number_text(value)


def _chosen(trial: Trial, label: str) -> str:
    return value_text(trial.architecture[label]) if label in trial.architecture else _MISSING
