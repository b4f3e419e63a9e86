"""The page with all experiments of the store."""

from __future__ import annotations

from nicegui import ui

from retiarii._counted import counted
from retiarii._readable import age_text, moment_text, number_text
from retiarii.dashboard._pages.blocks import card, empty
from retiarii.dashboard._pages.data_table import Column, DataTable, TableCell, TableQuery, TableRow, TableRows
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import address, frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._reading.experiment_summary import ExperimentSummary, state_word, summarise
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import CorruptStoreError
from retiarii.storage import ExperimentRecord, Store
from retiarii.trial import TrialState

_STATES = ("running", "stopping", "interrupted", "done", "stopped", "failed", "damaged")
_COLUMNS = (
    Column("name", "Experiment"),
    Column("state", "State", sortable=False),
    Column("progress", "Progress", sortable=False),
    Column("best", "Best", numeric=True, sortable=False, hint="The first objective of the best trial."),
    Column("failures", "Failed", numeric=True, sortable=False, hint="Failed trials."),
    Column("created", "Started", numeric=True),
    Column("updated", "Updated", numeric=True),
)


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/")
    def experiments() -> None:
        with frame("Experiments"):
            page = _ExperimentsPage(reader)
            follow(reader, None, page.refresh)


class _ExperimentsPage:
    """The list of experiments with its filters."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._words, self._state, self._num_all = "", "", 0
        self._empty = element("div", "card")
        with self._empty:
            empty(
                "No experiments yet",
                "An experiment appears here as soon as experiment.run(config) starts in a Python script that uses "
                "this store. For a first look:",
                "retiarii demo",
            )
        self._empty.set_visibility(False)
        self._card = card("All experiments", is_flush=True)
        with self._card:
            with self._card.tools:
                self._filters()
            self._table = DataTable(
                "Experiments of the store",
                _COLUMNS,
                self._load,
                sort="created",
                descending=True,
                limit=25,
                empty="No experiment matches the filter.",
            )

    def _filters(self) -> None:
        words = text("input", "", "input", type="search", placeholder="Name, id or tag", aria_label="Filter by name")
        words.on("input", self._filter_words, js_handler=_EMIT_VALUE, throttle=0.2)
        with element("select", "input", aria_label="Filter by state") as states:
            text("option", "All states", value="")
            for state in _STATES:
                text("option", state, value=state)
        states.on("change", self._filter_state, js_handler=_EMIT_VALUE)

    async def _filter_words(self, event: object) -> None:
        self._words = _value(event).strip().lower()[:200]
        await self._table.refresh(from_start=True)

    async def _filter_state(self, event: object) -> None:
        self._state = _value(event)
        await self._table.refresh(from_start=True)

    async def refresh(self) -> None:
        """Show the present experiments."""
        await self._table.refresh()
        self._empty.set_visibility(self._num_all == 0)
        self._card.box.set_visibility(self._num_all > 0)
        self._card.show_note(f"{counted(self._num_all, 'experiment')} in {self._reader.store.where}")

    def _load(self, query: TableQuery) -> TableRows:
        store, found = self._reader.store, self._reader.experiments()
        self._num_all = len(found)
        shown = [one for one in found if self._matches(store, one)]
        shown.sort(key=lambda one: _sort_key(one, query.sort), reverse=query.descending)
        page = shown[query.offset : query.offset + query.limit]
        return TableRows([_row(store, one) for one in page], len(shown))

    def _matches(self, store: Store, one: ExperimentRecord | CorruptStoreError) -> bool:
        if isinstance(one, CorruptStoreError):
            known = [one.experiment_id or ""]
        else:
            known = [one.id, one.name, *one.tags]
        if self._words and not any(self._words in word.lower() for word in known):
            return False
        if not self._state:
            return True
        return self._state == (state_word(store, one) if isinstance(one, ExperimentRecord) else "damaged")


_EMIT_VALUE = "(event) => emit(event.target.value)"


def _value(event: object) -> str:
    found = getattr(event, "args", "")
    return found if isinstance(found, str) else ""


def _sort_key(one: ExperimentRecord | CorruptStoreError, column: str) -> tuple[str | float, str]:
    """Return the place of an experiment; damaged ones are after, or with descending order before, all others."""
    if isinstance(one, CorruptStoreError):
        return ("\U0010ffff" if column == "name" else float("inf"), one.experiment_id or "")
    if column == "name":
        return ((one.name or one.id).lower(), one.id)
    return (one.updated if column == "updated" else one.created, one.id)


def _row(store: Store, one: ExperimentRecord | CorruptStoreError) -> TableRow:
    try:
        return _damaged_row(one) if isinstance(one, CorruptStoreError) else _summary_row(summarise(store, one))
    except CorruptStoreError as err:
        return _damaged_row(err)


def _damaged_row(err: CorruptStoreError) -> TableRow:
    name = err.experiment_id or "unknown"
    blank = [""] * (len(_COLUMNS) - 2)
    return TableRow(
        name, [TableCell(name, note=str(err), hint=str(err)), TableCell("damaged", badge="damaged"), *blank]
    )


def _summary_row(one: ExperimentSummary) -> TableRow:
    record, best = one.record, one.best
    metric = None if best is None else best.metric
    note = " · ".join(part for part in (record.id if record.name else "", record.strategy, record.message) if part)
    failed = one.counts.get(TrialState.FAILED, 0)
    share = one.num_ended / one.max_trials if one.max_trials else None
    progress = f"{one.num_ended:,}" + (f" / {one.max_trials:,}" if one.max_trials else "")
    return TableRow(
        record.id,
        [
            TableCell(record.name or record.id, href=address(record.id), note=note, hint=note, tags=tuple(record.tags)),
            TableCell(one.state, badge=one.state),
            TableCell(progress, share=share, look="nowrap"),
            TableCell(number_text(metric), hint="" if best is None else f"trial {best.number}"),
            TableCell(f"{failed:,}" if failed else "-", look="bad" if failed else "muted"),
            TableCell(age_text(record.created), hint=moment_text(record.created)),
            TableCell(age_text(record.updated), hint=moment_text(record.updated)),
        ],
    )
