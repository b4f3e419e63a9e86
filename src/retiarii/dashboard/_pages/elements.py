"""`element` and `text`: plain HTML elements, whose text is never read as HTML."""

from __future__ import annotations

from typing import Any, TypeVar

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from retiarii._visible import visible

_Element = TypeVar("_Element", bound=ui.element)


def element(tag: str, classes: str = "", **attributes: Any) -> ui.element:
    """Return a new HTML element; use it in a ``with`` statement to fill it.

    Args:
        tag: Its tag, as in ``"section"``.
        classes: Its classes in ``look.css``, separated by spaces.
        **attributes: Its attributes: ``aria_label="..."`` is ``aria-label``, ``for_`` is ``for``. Values may be text
            of users: they are set as attributes, never read as HTML.
    """
    return _with(ui.element(tag), classes, attributes)


def text(tag: str, content: object, classes: str = "", **attributes: Any) -> TextElement:
    """Return a new HTML element with text; set its ``text`` to change it.

    Args:
        tag: Its tag, as in ``"p"``.
        content: The text. Nothing in it is read as HTML, and control characters are shown as escapes.
        classes: Its classes in ``look.css``.
        **attributes: Its attributes, as for `element`.
    """
    return _with(TextElement(tag=tag, text=visible(str(content))), classes, attributes)


def _with(made: _Element, classes: str, attributes: dict[str, Any]) -> _Element:
    made.classes(classes)
    for name, value in attributes.items():
        made.props[name.rstrip("_").replace("_", "-")] = value
    return made
