"""The page with all trials of an experiment: filtered, sorted and paged on the server."""

from __future__ import annotations

from dataclasses import replace

from nicegui import run, ui
from starlette.requests import Request

from retiarii._counted import counted
from retiarii.dashboard._pages.blocks import card
from retiarii.dashboard._pages.compare import MOST_COMPARED
from retiarii.dashboard._pages.data_table import DataTable, TableQuery, TableRows
from retiarii.dashboard._pages.elements import text
from retiarii.dashboard._pages.frame import address, frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._pages.trial_columns import (
    column_choice,
    possible_columns,
    shown_columns,
    table_columns,
    table_row,
)
from retiarii.dashboard._pages.trial_filters import TrialFilters
from retiarii.dashboard._reading.kept_tables import TrialsNow
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._reading.trials_view import TrialsView

_LIMIT = 50


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/experiments/{experiment_id}/trials")
    def trials(experiment_id: str, request: Request) -> None:
        view = TrialsView.from_query(request.query_params.multi_items())
        with frame("Trials", experiment_id, "trials"):
            page = _TrialsPage(reader, experiment_id, view)
            follow(reader, experiment_id, page.refresh)


class _TrialsPage:
    """The table with its filters.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
        view: What the address says.
    """

    def __init__(self, reader: Reader, experiment_id: str, view: TrialsView) -> None:
        self._reader, self._id, self._view = reader, experiment_id, view
        self._is_running = False
        self._columns: list[str] = []
        self._table: DataTable | None = None
        self._shown_of = 0, 0
        with card("Filters"):
            self._filters = Region("stack")
        self._card = card("Trials", is_flush=True)
        with self._card.tools:
            self._column_choice = Region()
            self._compare = Region("cluster")
        with self._card:
            self._place = Region()
        self._choose([])

    async def refresh(self) -> TrialsNow | None:
        """Show the trials as far as they are known now, and return them."""
        found = await run.io_bound(self._read)
        if found is None:  # the server is shutting down
            return None
        trials, self._is_running = found
        table = trials.table
        names = possible_columns(table)
        self._filters.show((names,), lambda: TrialFilters(table, self._view, self._change))
        self._column_choice.show((names,), lambda: column_choice(table, self._view.columns, self._choose_columns))
        self._columns = shown_columns(table, self._view.columns)
        self._place.show((self._columns,), self._make_table)
        if self._table is not None:
            await self._table.refresh()
        return trials

    def _read(self) -> tuple[TrialsNow, bool]:
        return self._reader.trials_now(self._id), self._reader.store.is_running(self._id)

    def _make_table(self) -> None:
        self._table = DataTable(
            "Trials",
            table_columns(self._columns),
            self._load,
            sort=self._view.sort,
            descending=self._view.descending,
            offset=self._view.offset,
            limit=_LIMIT,
            empty="No trial matches the filters." if self._view.is_filtered else "No trial has started yet.",
            on_choose=self._choose,
            on_query=self._note_query,
        )

    def _load(self, query: TableQuery) -> TableRows:
        """Return a page of the table; runs in a thread."""
        view = replace(self._view, sort=query.sort, descending=query.descending)
        table = self._reader.trials_now(self._id, patience_s=0).table
        rows = view.rows(table, is_running=self._is_running)
        page = rows[query.offset : query.offset + query.limit]
        made = [table_row(table, int(row), self._columns, is_running=self._is_running) for row in page]
        self._shown_of = len(rows), len(table)
        return TableRows(made, len(rows))

    def _note_query(self, query: TableQuery) -> None:
        self._view = replace(self._view, sort=query.sort, descending=query.descending, offset=query.offset)
        self._note_address()
        matching, total = self._shown_of
        self._card.show_note(
            counted(total, "trial") if matching == total else f"{matching:,} of {counted(total, 'trial')}"
        )

    async def _change(self, view: TrialsView) -> None:
        """Show other trials, from the first page."""
        self._view = replace(view, sort=self._view.sort, descending=self._view.descending, columns=self._view.columns)
        if self._table is not None:
            await self._table.refresh(from_start=True)

    async def _choose_columns(self, names: list[str]) -> None:
        self._view = replace(self._view, columns=tuple(names))
        await self.refresh()

    def _choose(self, chosen: list[str]) -> None:
        self._chosen = chosen
        self._compare.show((chosen,), self._draw_compare)

    def _draw_compare(self) -> None:
        if len(self._chosen) < 2:
            text("span", "Choose two or more to compare", "muted small")
            return
        numbers = ",".join(sorted(self._chosen[:MOST_COMPARED], key=int))
        text(
            "a",
            f"Compare {len(self._chosen)} trials",
            "button primary",
            href=address(self._id, "compare", trials=numbers),
        )

    def _note_address(self) -> None:
        query = self._view.to_query()
        ui.navigate.history.replace(address(self._id, "trials") + (f"?{query}" if query else ""))
