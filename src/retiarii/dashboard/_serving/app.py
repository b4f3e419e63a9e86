"""`create_app`: the API and the pages as one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from retiarii.dashboard._api.api import create_api
from retiarii.dashboard._pages import (
    architecture,
    compare,
    experiment,
    experiments,
    oneshot,
    space,
    system,
    tradeoffs,
    trial,
    trials,
)
from retiarii.dashboard._pages.assets import add_assets
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._serving.access import Access
from retiarii.dashboard._serving.login import Login
from retiarii.dashboard._serving.origin_check import OriginCheck
from retiarii.dashboard._serving.request_limits import RequestLimits
from retiarii.dashboard._serving.safe_headers import SafeHeaders
from retiarii.storage import Store

_PAGES = (experiments, experiment, trials, trial, compare, space, architecture, tradeoffs, oneshot, system)


def create_app(
    store: Store, access: Access | None = None, reader: Reader | None = None, words: str = "dashboard"
) -> ASGIApp:
    """Return the application that shows a store, with what protects it.

    NiceGUI keeps its pages per process, so there is one application in a process.

    Args:
        store: The store to show.
        access: Who may use it; None for a server that only this machine can reach.
        reader: What reads the store; None for a new one.
        words: The command that starts this dashboard again at its address, without ``retiarii`` and the store.
    """
    app = FastAPI(title="retiarii", docs_url=None, redoc_url=None, openapi_url=None)
    reader = reader or Reader(store)
    app.mount("/api", create_api(reader))
    add_assets(store.command(words))
    for page in _PAGES:
        page.add_pages(reader)
    nicegui_app.config.quasar_config["loadingBar"] = {"skipHijack": True}  # a bar without a name, for each request
    ui.run_with(
        app,
        title="retiarii",
        tailwind=False,
        dark=None,
        language="en-US",
        gzip_middleware_factory=None,  # it would compress pages before `SafeHeaders` sees them
        show_welcome_message=False,
    )
    return _protected(app, access or Access())


def _protected(app: ASGIApp, access: Access) -> ASGIApp:
    """Wrap the application; requests pass these from the bottom to the top."""
    app = Login(app, access)
    app = OriginCheck(app, access)
    app = SafeHeaders(app)
    app = GZipMiddleware(app, minimum_size=1000, compresslevel=5)
    return RequestLimits(app)
