"""The page with all experiments of the store."""

from __future__ import annotations

from nicegui import ui

from retiarii._readable import age_text
from retiarii.dashboard._pages.blocks import card
from retiarii.dashboard._pages.data_table import Cell, Column, DataTable, Row, TableQuery, TableRows
from retiarii.dashboard._pages.frame import address, frame
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import CorruptStoreError


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/")
    async def experiments() -> None:
        def load(query: TableQuery) -> TableRows:
            records = [r for r in reader.experiments() if not isinstance(r, CorruptStoreError)]
            rows = [
                Row(
                    r.id,
                    [
                        Cell(r.name or r.id, href=address(r.id), note=r.id if r.name else ""),
                        Cell(r.state.value, badge=r.state.value),
                        age_text(r.created),
                    ],
                )
                for r in reversed(records)
            ]
            return TableRows(rows[query.offset : query.offset + query.limit], len(rows))

        with frame("Experiments"):
            with card("All experiments", is_flush=True):
                table = DataTable(
                    "Experiments",
                    [Column("name", "Experiment"), Column("state", "State"), Column("age", "Started", numeric=True)],
                    load,
                    limit=10,
                )
        await table.refresh()
