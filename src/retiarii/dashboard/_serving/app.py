"""`create_app`: the API and the pages as one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI
from nicegui import ui

from retiarii.dashboard._api.api import create_api
from retiarii.dashboard._pages import architecture, experiments, oneshot, tradeoffs
from retiarii.dashboard._pages.assets import add_assets
from retiarii.dashboard._reading.reader import Reader
from retiarii.storage import Store


def create_app(store: Store) -> FastAPI:
    """Return the application that shows a store.

    NiceGUI keeps its pages per process, so there is one application in a process.

    Args:
        store: The store to show.
    """
    app = FastAPI(title="retiarii")
    reader = Reader(store)
    app.mount("/api", create_api(reader))
    add_assets(store.command("dashboard"))
    experiments.add_pages(reader)
    architecture.add_pages(reader)
    oneshot.add_pages(reader)
    tradeoffs.add_pages(reader)
    ui.run_with(app, title="retiarii", tailwind=False, dark=None, language="en-US")
    return app
