"""The page with all experiments of the store."""

from __future__ import annotations

from nicegui import ui

from retiarii.dashboard._pages.frame import address, frame
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import CorruptStoreError


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/")
    def experiments() -> None:
        with frame("Experiments"):
            for record in reader.experiments():
                if not isinstance(record, CorruptStoreError):
                    ui.link(f"{record.name or record.id} {record.state.value}", address(record.id))
