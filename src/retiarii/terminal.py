"""How text reaches a terminal: the one door between texts that others wrote and what Rich prints.

Names, labels, paths, messages and outputs come from stores, trials and files. They are never markup, and none of their
characters reaches the terminal as a command: `plain`, `joined` and `coloured` make `rich.text.Text` of them with
`visible` escapes, and `SafeConsole` does the same with everything that it prints, whoever made it. No other file of
this package makes a console or a `Text` (a test looks).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from retiarii._visible import visible, visible_but_colours, visible_json, visible_line

__all__ = [
    "SafeConsole",
    "Text",
    "coloured",
    "joined",
    "plain",
    "shortened",
    "visible",
    "visible_line",
    "write",
    "write_json",
]

_MAX_LENGTH = 240


class SafeConsole(Console):
    """A console that takes no text for markup, and shows control characters instead of sending them.

    Characters that the output's encoding lacks are shown as escapes too.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, with everything that is no command of Rich itself made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(self._safe(segment.text), segment.style)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text of a string, without markup."""
        return super().render_str(visible(text), **{**options, "markup": False, "emoji": False})

    def _safe(self, text: str) -> str:
        if text.isascii() and text.isprintable():
            return text
        encoding = self.encoding
        shown = visible(text)
        return shown.encode(encoding, "backslashreplace").decode(encoding)


def plain(text: str, style: str | Style = "", **options: Any) -> Text:
    """Return a text that others wrote, shown as it is.

    Args:
        text: It may hold anything.
        style: The style of all of it.
        **options: Further arguments of `rich.text.Text`.
    """
    return Text(visible(text), style, **options)


def joined(*parts: str | tuple[str, str]) -> Text:
    """Return a text of several parts, each a string or a string with its style."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


def coloured(output: str) -> Text:
    """Return what a program printed, in its colours, with every other sequence visible."""
    return Text("\n").join(Text.from_ansi(line) for line in visible_but_colours(output).split("\n"))


def shortened(text: str, max_length: int = _MAX_LENGTH) -> str:
    """Return the beginning of a text that is too long to be shown, with an ellipsis."""
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def write(text: str) -> None:
    """Write a text that others wrote to the standard output: as it is into files and pipes, visible on a terminal."""
    if sys.stdout.isatty():
        text = visible(text)
    _write(text)


def write_json(text: str) -> None:
    """Write JSON to the standard output, with what a terminal could obey written as escapes of JSON."""
    _write(visible_json(text, sys.stdout.encoding or "ascii"))


def _write(text: str) -> None:
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()
