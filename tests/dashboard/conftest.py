import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium_path import find_browser
from served_store import ServedStore

from retiarii.storage import Store, open_store


@pytest.fixture(scope="session")
def _playwright():
    """Playwright and its event loop, which counts as running only while a test with a browser uses it.

    Playwright's loop never stops, and no other test of this process could run a loop of its own beside it.
    """
    from playwright.sync_api import sync_playwright

    playwright = sync_playwright().start()
    loop = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(None)
    yield playwright, loop
    asyncio.events._set_running_loop(loop)
    playwright.stop()


@pytest.fixture(scope="session")
def _chromium(_playwright):
    """One browser for all tests of this process."""
    playwright, loop = _playwright
    asyncio.events._set_running_loop(loop)
    # No sandbox: Chromium refuses to start one as root, as in containers. It opens our own pages only.
    browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
    asyncio.events._set_running_loop(None)
    yield browser
    asyncio.events._set_running_loop(loop)
    browser.close()
    asyncio.events._set_running_loop(None)


@pytest.fixture
def browser(_chromium, _playwright):
    """The browser, which is shared; each test opens contexts of its own, normally by `new_page`."""
    asyncio.events._set_running_loop(_playwright[1])
    yield _chromium
    asyncio.events._set_running_loop(None)


@pytest.fixture
def page_errors() -> Iterator[list[str]]:
    """What pages of this test logged as errors, raised or failed to load; must be empty at its end.

    A test that provokes errors, for example by ending the server, looks at them and clears the list.
    """
    errors: list[str] = []
    yield errors
    assert not errors, "\n".join(["errors in the browser:", *errors])


@pytest.fixture
def new_page(browser, page_errors):
    """Open a page in a context of its own: ``new_page(width=390, dark=True)``."""
    contexts = []

    def new_page(*, width=1280, height=800, dark=False, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            accept_downloads=True,
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        _collect_errors(page, page_errors)
        return page

    yield new_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page):
    """A page, 1280 pixels wide and light."""
    return new_page()


def _collect_errors(page, errors):
    def failed(request):
        if request.failure != "net::ERR_ABORTED":  # by the browser itself, when it leaves a page
            errors.append(f"request failed: {request.failure} {request.url}")

    def foreign(url):
        address = urlsplit(url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname not in {"127.0.0.1", "localhost"}:
            errors.append(f"request to another host: {url}")

    page.on("console", lambda message: errors.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(f"raised: {error}"))
    page.on("requestfailed", failed)
    page.on("request", lambda request: foreign(request.url))
    page.on("websocket", lambda socket: foreign(socket.url))


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Start the dashboard of a store, or of the URL of one, in a process of its own: ``serve(store)``.

    Returns a `ServedStore`. Tests of one file that serve the same store share the process, which ends with them. Its
    log must have no traceback at the end.
    """
    served: dict[str, ServedStore] = {}

    def serve(store: Store | str) -> ServedStore:
        url = store if isinstance(store, str) else store.url
        if url not in served or not served[url].is_alive():
            served[url] = ServedStore(url, tmp_path_factory.mktemp("dashboard"))
        return served[url]

    yield serve
    for server in served.values():
        server.end()
    for server in served.values():
        assert "Traceback" not in server.log(), server.log()


@pytest.fixture(scope="module")
def module_store(tmp_path_factory) -> Iterator[Store]:
    """An empty store for all tests of a file; see `written_experiments` for what to fill it with."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'experiments.db'}") as store:
        yield store


@pytest.fixture
def axe():
    """Assert that axe-core finds no serious or critical fault on a page: ``axe(page)``."""
    from axe_playwright_python.sync_playwright import Axe

    def check(page):
        found = [
            fault for fault in Axe().run(page).response["violations"] if fault["impact"] in {"serious", "critical"}
        ]
        shown = [
            f"{fault['id']} ({fault['impact']}): {fault['help']}\n"
            + "\n".join(f"    {node['html'][:200]}  {node['failureSummary']}" for node in fault["nodes"][:5])
            for fault in found
        ]
        assert not found, "\n".join(shown)

    return check


@pytest.fixture
def run_script():
    """Run a Python script in a process of its own and wait for it: ``run_script(text_or_path, *arguments)``.

    Returns what it printed. Real searches of tests run so, because they start processes and import torch.
    """

    def run_script(script: str | Path, *arguments: str, **environment: str) -> str:
        given = [str(script)] if isinstance(script, Path) else ["-c", script]
        command = [sys.executable, *given, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=100)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run_script
