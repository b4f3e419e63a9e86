"""`Display`: the base of progress displays, which work on terminals, in notebooks, and as plain lines."""

from __future__ import annotations

import time
from abc import abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.live import Live

from retiarii.experiment._control.callbacks import Callback
from retiarii.experiment._displays.notebook_area import NotebookArea
from retiarii.terminal import SafeConsole, Text, plain, visible_line

if TYPE_CHECKING:
    from typing_extensions import Self

LINE_EVERY_S = 5.0  # where no live display is possible


class Display(Callback):
    """Shows a live display on a terminal or in a notebook, and regular lines on stderr elsewhere.

    On a terminal, the display makes room for a line at its end; in a notebook, its last state stays.

    Args:
        title: The experiment's name and id.
        console: Where to write.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._console = console or SafeConsole(stderr=True)
        self._title = visible_line(title)
        self._notice = ""
        self._is_live = self._console.is_jupyter or self._console.is_terminal
        self._interrupt = "Interrupting the kernel" if self._console.is_jupyter else "Ctrl-C"
        self._last_line = time.monotonic()
        self._live: Live | None = None
        self._area: NotebookArea | None = None
        self._is_closed = False
        self._last_words: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def notify(self, text: str) -> None:
        """Show a message under the display, or as a line of its own."""
        self._notice = text
        if not self._is_live:
            self._say(text)
        elif self._area is not None:
            self._area.refresh()

    def close(self) -> None:
        """Stop the live display."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._area is not None and not self._is_closed:
            self._is_closed = True
            self._area.close()

    @abstractmethod
    def _render(self) -> RenderableType:
        """Return the content of the live display."""

    def _start(self, line: str) -> None:
        """Start the live display, or write the line."""
        if self._console.is_jupyter:
            self._area = NotebookArea(self._render)
        elif self._is_live:
            self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True)
            self._live.start()
        else:
            self._say(f"{self._title}: {line}")

    def _say(self, text: str) -> None:
        """Write a line above the display; in a notebook, below it once it is closed."""
        self._last_line = time.monotonic()
        if self._area is not None:
            if self._is_closed:
                self._last_words.append(text)
                self._area.refresh()
            return
        self._console.print(plain(text), soft_wrap=True)

    def _foot(self, hint: str) -> Text:
        """Return the last lines of the display.

        Args:
            hint: What to show as long as there is no message.
        """
        if self._is_closed:
            return plain("\n".join(self._last_words))
        return plain(self._notice or hint, "dim")

    @property
    def _is_time_for_a_line(self) -> bool:
        return not self._is_live and time.monotonic() - self._last_line >= LINE_EVERY_S
