"""Safe terminal output: the only module that passes text of users, stores and trials to Rich.

Names, labels, paths, messages and outputs come from stores, trials and files. They are never read as markup, and
control characters in them are escaped: `plain`, `joined` and `coloured` make `rich.text.Text` of them with `visible`,
and `SafeConsole` escapes everything that it prints. No other file of this package makes a console or a `Text`; a test
checks that.
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
    """A console that prints text literally: no markup, and control characters escaped.

    Characters that the output's encoding lacks are shown as escapes too.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render with control characters escaped, except in Rich's own control segments."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(self._safe(segment.text), segment.style)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as a text, without reading markup."""
        return super().render_str(visible(text), **{**options, "markup": False, "emoji": False})

    def _safe(self, text: str) -> str:
        if text.isascii() and text.isprintable():
            return text
        encoding = self.encoding
        shown = visible(text)
        return shown.encode(encoding, "backslashreplace").decode(encoding)


def plain(text: str, style: str | Style = "", **options: Any) -> Text:
    """Return a text from users, stores or trials for display, with control characters escaped.

    Args:
        text: Any text.
        style: The style of the whole text.
        **options: Further arguments of `rich.text.Text`.
    """
    return Text(visible(text), style, **options)


def joined(*parts: str | tuple[str, str]) -> Text:
    """Return a text of several parts, each a string or a string with its style."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


def coloured(output: str) -> Text:
    """Return the output of a program in its colours, with every other control sequence escaped."""
    return Text("\n").join(Text.from_ansi(line) for line in visible_but_colours(output).split("\n"))


def shortened(text: str, max_length: int = _MAX_LENGTH) -> str:
    """Return a text cut to a maximum length, with an ellipsis where it was cut."""
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def write(text: str) -> None:
    """Write a text to standard output: unchanged to files and pipes, with control characters escaped on a terminal."""
    if sys.stdout.isatty():
        text = visible(text)
    _write(text)


def write_json(text: str) -> None:
    """Write JSON to standard output, with control characters as JSON escapes."""
    _write(visible_json(text, sys.stdout.encoding or "ascii"))


def _write(text: str) -> None:
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()
