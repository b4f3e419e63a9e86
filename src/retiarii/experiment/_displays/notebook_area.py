"""`NotebookArea`: an output of a notebook cell that is replaced in place, without ipywidgets."""

from __future__ import annotations

import importlib
import io
import threading
from collections.abc import Callable
from typing import Any

from rich.console import RenderableType

from retiarii.terminal import SafeConsole

REFRESH_S = 0.5
_WIDTH = 100
_HTML = (
    "<pre style=\"white-space:pre;overflow-x:auto;line-height:normal;font-family:Menlo,'DejaVu Sans Mono',monospace\">"
    "{code}</pre>"
)


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
        display = importlib.import_module("IPython.display").display
        self._handle: Any = display(self._shown, raw=True, display_id=True)
        self._thread = threading.Thread(target=self._redraw, name="retiarii-notebook", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Draw the present content, if it has changed."""
        with self._lock:
            new = _bundle(self._render())
            if new != self._shown:
                self._shown = new
                self._handle.update(new, raw=True)

    def close(self) -> None:
        """Draw a last time; the content stays, and `refresh` still replaces it."""
        self._is_closed.set()
        self._thread.join()
        self.refresh()

    def _redraw(self) -> None:
        while not self._is_closed.wait(REFRESH_S):
            self.refresh()


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
