"""`Display`: the base of progress displays, which work on terminals, in notebooks, and as plain lines."""

from __future__ import annotations

import importlib.util
import time
from abc import abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.live import Live

from retiarii.experiment._control.callbacks import Callback
from retiarii.terminal import SafeConsole, plain, visible_line

if TYPE_CHECKING:
    from typing_extensions import Self

LINE_EVERY_S = 5.0  # where no live display is possible


class Display(Callback):
    """Shows a live display on a terminal or in a notebook, and regular lines on stderr elsewhere.

    Args:
        title: The experiment's name and id.
        console: Where to write.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._console = console or SafeConsole(stderr=True)
        self._title = visible_line(title)
        self._notice = ""
        # In notebooks Rich needs ipywidgets to redraw, and warns if they are missing.
        can_redraw_notebooks = self._console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None
        self._is_live = can_redraw_notebooks or (self._console.is_terminal and not self._console.is_jupyter)
        self._last_line = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def notify(self, text: str) -> None:
        """Show a message under the display, or as a line of its own."""
        self._notice = text
        if not self._is_live:
            self._say(text)

    def close(self) -> None:
        """Stop the live display."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    @abstractmethod
    def _render(self) -> RenderableType:
        """Return the content of the live display."""

    def _start(self, line: str) -> None:
        """Start the live display, or write the line."""
        if self._is_live:
            self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True)
            self._live.start()
        else:
            self._say(f"{self._title}: {line}")

    def _say(self, text: str) -> None:
        """Write a line above the display."""
        self._last_line = time.monotonic()
        self._console.print(plain(text), soft_wrap=True)

    @property
    def _is_time_for_a_line(self) -> bool:
        return not self._is_live and time.monotonic() - self._last_line >= LINE_EVERY_S
