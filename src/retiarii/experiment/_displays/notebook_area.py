"""`NotebookArea`: an output of a notebook cell that is replaced in place, without ipywidgets."""

from __future__ import annotations

import importlib
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any

from rich.console import RenderableType

from retiarii.terminal import SafeConsole, plain

REFRESH_S = 0.5
_WIDTH = 100
_HTML = (
    "<pre style=\"white-space:pre;overflow-x:auto;line-height:normal;font-family:Menlo,'DejaVu Sans Mono',monospace\">"
    "{code}</pre>"
)

_RESERVED: ContextVar[Any] = ContextVar("retiarii_notebook_area", default=None)


@contextmanager
def reserved_area(*, is_wanted: bool) -> Iterator[None]:
    """Reserve an output of the present cell for the first `NotebookArea` of a thread that is started in this block.

    Notebooks may show the first output of a thread below another cell, or nowhere, once its own cell has ended.

    Args:
        is_wanted: Whether there will be a `NotebookArea`; outside of notebooks, nothing is reserved.
    """
    if not is_wanted or not SafeConsole(stderr=True).is_jupyter:
        yield
        return
    token = _RESERVED.set(_displayed(_bundle(plain("starting"))))
    try:
        yield
    finally:
        _RESERVED.reset(token)


class NotebookArea:
    """One output of the present cell, as HTML and as plain text, redrawn twice a second where it has changed.

    It works in Jupyter, VS Code and Colab: IPython sends each new content under the same display id.

    Args:
        render: The function that returns the content.
    """

    def __init__(self, render: Callable[[], RenderableType]) -> None:
        self._render = render
        self._shown = _bundle(render())
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._handle: Any = _RESERVED.get()
        _RESERVED.set(None)
        if self._handle is None:
            self._handle = _displayed(self._shown)
        else:
            self._send()
        self._thread = threading.Thread(target=self._redraw, name="retiarii-notebook", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Draw the present content, if it has changed."""
        with self._lock:
            new = _bundle(self._render())
            if new != self._shown:
                self._shown = new
                self._send()

    def _send(self) -> None:
        # In an empty context, as an event of the cell that runs now: some notebooks ignore events of ended cells.
        Context().run(self._handle.update, self._shown, raw=True)

    def close(self) -> None:
        """Draw a last time; the content stays, and `refresh` still replaces it."""
        self._is_closed.set()
        self._thread.join()
        self.refresh()

    def _redraw(self) -> None:
        while not self._is_closed.wait(REFRESH_S):
            self.refresh()


def _displayed(content: dict[str, str]) -> Any:
    """Show a content below the present cell; return its handle."""
    return importlib.import_module("IPython.display").display(content, raw=True, display_id=True)


def _bundle(content: RenderableType) -> dict[str, str]:
    """Return a content by MIME type; texts in it are escaped."""
    console = SafeConsole(
        record=True,
        file=io.StringIO(),
        width=_WIDTH,
        force_terminal=True,
        force_jupyter=False,
        color_system="truecolor",
    )
    console.print(content)
    text = console.export_text(clear=False)
    return {"text/plain": text, "text/html": console.export_html(inline_styles=True, code_format=_HTML)}
