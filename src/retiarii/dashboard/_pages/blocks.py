"""What pages are made of: cards, figures with a label, badges of states, notices, code.

Each function draws its block where it is called and returns the element. All texts may be text of users.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from retiarii._visible import visible
from retiarii.dashboard._pages.elements import element, text

_NUMBERS = count(1)


class Card:
    """A card; use it in a ``with`` statement to fill its body.

    Attributes:
        box: The whole card.
        tools: The place for buttons and filters at the right of the heading (``with box.tools: ...``).
        body: Its body; ``body.clear()`` empties it for a refresh.
    """

    def __init__(self, title: str, note: str, is_flush: bool) -> None:
        heading_id = f"card-{next(_NUMBERS)}"
        with element("section", "card", aria_labelledby=heading_id) as self.box:
            with element("div", "card-head"):
                with element("div", "cluster"):
                    text("h2", title, id=heading_id)
                    self._note = text("span", note, "card-note")
                self.tools = element("div", "card-tools")
            self.body = element("div", "card-body" + (" flush" if is_flush else ""))

    def show_note(self, note: str) -> None:
        """Show other words beside the heading."""
        self._note.text = visible(note)

    def __enter__(self) -> Card:
        self.body.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.body.__exit__(*error)


def card(title: str, note: str = "", *, is_flush: bool = False) -> Card:
    """Draw a card.

    Args:
        title: Its heading, a level-2 heading.
        note: A few words beside the heading.
        is_flush: Whether the content reaches the borders, as a table does.
    """
    return Card(title, note, is_flush)


@contextmanager
def stats() -> Iterator[ui.element]:
    """Draw a row of numbers with labels; the block calls `stat` for each."""
    with element("dl", "stats") as row:
        yield row


def stat(label: str, value: object, note: str = "") -> TextElement:
    """Draw one number of a row of `stats`.

    Args:
        label: What it is, above it.
        value: The number, large.
        note: A few words below it.

    Returns:
        The element of the number; set its ``text`` to change it.
    """
    with element("div", "stat"):
        text("dt", label)
        shown = text("dd", value)
        if note:
            text("dd", note, "stat-note")
    return shown


def facts(pairs: Mapping[str, object] | Iterable[tuple[str, object]]) -> ui.element:
    """Draw names with values, one pair in a line."""
    with element("dl", "facts") as made:
        for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
            text("dt", name)
            text("dd", value)
    return made


def badge(state: str, label: str | None = None) -> TextElement:
    """Draw a state with its colour and icon.

    Args:
        state: A state of an experiment or a trial, ``"best"``, or ``"tag"``; others are grey.
        label: The words shown; None for the state.
    """
    return text("span", label or state, f"badge {class_of(state)}")


def set_badge(shown: TextElement, state: str, label: str | None = None) -> None:
    """Show another state in a badge."""
    shown.classes(replace=f"badge {class_of(state)}")
    shown.text = visible(label or state)


def class_of(state: str) -> str:
    """Return the class of a state in ``look.css``."""
    return "".join(letter if letter.isalnum() else "-" for letter in state.lower())


def notice(message: str, kind: str = "info") -> ui.element:
    """Draw a sentence in a box.

    Args:
        message: The sentence.
        kind: ``"info"``, ``"good"``, ``"warning"`` or ``"error"``; the latter two are read out when they appear.
    """
    with element("div", f"notice {kind}", role="alert" if kind in ("warning", "error") else "status") as box:
        text("span", message)
    return box


def empty(title: str, explanation: str, command: str = "") -> ui.element:
    """Draw what stands where there is nothing yet.

    Args:
        title: What is missing, in a few words.
        explanation: A sentence that says what to do.
        command: The command or code that does it, with a button that copies it.
    """
    with element("div", "empty") as box:
        text("strong", title)
        text("p", explanation)
        if command:
            code(command)
    return box


def code(content: str, *, name: str = "code", wraps: bool = False) -> ui.element:
    """Draw code or output, with a button that copies it.

    Args:
        content: The code.
        name: What it is, for the button's label and for screen readers.
        wraps: Whether long lines wrap instead of scrolling.
    """
    number = f"code-{next(_NUMBERS)}"
    classes = "code" + (" wrap" if wraps else "") + ("" if "\n" in content else " one-line")
    with element("div", classes) as box:
        text("pre", content, id=number, tabindex="0", role="region", aria_label=name)
        text("button", "Copy", "button quiet copy", type="button", data_copy=number, aria_label=f"Copy {name}")
    return box


def bar(share: float, label: str, *, is_wide: bool = False) -> ui.element:
    """Draw a share between 0 and 1 as a bar.

    Args:
        share: The share.
        label: What it shows, for screen readers.
        is_wide: Whether it is as wide as its place, and not as a cell of a table.
    """
    percent = round(100 * min(max(share, 0.0), 1.0))
    with element(
        "span",
        "bar" + (" wide" if is_wide else ""),
        role="progressbar",
        aria_label=label,
        aria_valuenow=percent,
        aria_valuemin=0,
        aria_valuemax=100,
    ) as box:
        element("span").style(f"width: {percent}%")
    return box
