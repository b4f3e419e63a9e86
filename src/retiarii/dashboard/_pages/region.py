"""`Region`: a part of a page that is drawn anew only when what it shows has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retiarii.dashboard._pages.elements import element


class Region:
    """A part of a page that is drawn anew only when what it shows has changed, so that focus and selections last.

    Args:
        classes: Its classes in ``look.css``.
        tag: Its HTML tag.
    """

    def __init__(self, classes: str = "", tag: str = "div") -> None:
        self._place = element(tag, classes)
        self._shown: Any = None

    def show(self, content: object, draw: Callable[[], object]) -> None:
        """Draw the part if its content is another than before.

        Args:
            content: Everything that the drawing depends on.
            draw: Draws it.
        """
        if content == self._shown:
            return
        self._shown = content
        self._place.clear()
        with self._place:
            draw()
