"""Fields of forms: plain HTML with a label, which keep what a user types while the page is updated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import count

from nicegui import ui
from nicegui.events import GenericEventArguments

from retiarii._visible import visible_line
from retiarii.dashboard._pages.elements import element, text

Changed = Callable[[str], Awaitable[None] | None]

_NUMBERS = count(1)
_VALUE = "(event) => emit(event.target.value)"


def select_field(label: str, options: Mapping[str, str], chosen: str, on_change: Changed) -> ui.element:
    """Draw a list to choose from.

    Args:
        label: Its label.
        options: For each value the text that is shown.
        chosen: The value that is chosen at first.
        on_change: Called with the value that the user chooses.
    """
    name = f"field-{next(_NUMBERS)}"
    with element("div", "field"):
        text("label", label, for_=name)
        with element("select", "input", id=name) as field:
            for value, shown in options.items():
                text("option", shown, value=value, selected=value == chosen)
    return _reacting(field, "change", on_change)


def input_field(
    label: str, value: str, on_change: Changed, *, kind: str = "text", placeholder: str = "", is_live: bool = False
) -> ui.element:
    """Draw a field to type into.

    Args:
        label: Its label.
        value: Its text at first.
        on_change: Called with its text when the user leaves it or presses Enter.
        kind: ``"text"``, ``"search"`` or ``"number"``.
        placeholder: What it shows while it is empty.
        is_live: Whether ``on_change`` is called while the user types, after a short pause.
    """
    name = f"field-{next(_NUMBERS)}"
    with element("div", "field"):
        text("label", label, for_=name)
        field = element("input", "input", id=name, type=kind, placeholder=placeholder, autocomplete="off")
    field.props["^value"] = visible_line(value)  # the attribute: Vue would write a property again at each update
    if kind == "number":
        field.props["step"] = "any"
    if is_live:
        return _reacting(field, "input", on_change, throttle=0.3)
    return _reacting(field, "change", on_change)


def button(label: str, on_click: Callable[[], object], *, look: str = "", **attributes: object) -> ui.element:
    """Draw a button.

    Args:
        label: Its text.
        on_click: Called when it is pressed.
        look: Classes of ``look.css``, as in ``"primary"``.
        **attributes: Its attributes, as for `element`.
    """
    made = text("button", label, f"button {look}".strip(), type="button", **attributes)
    made.on("click", lambda _: on_click())
    return made


def _reacting(field: ui.element, event: str, on_change: Changed, throttle: float = 0.0) -> ui.element:
    async def react(happened: GenericEventArguments) -> None:
        if isinstance(happened.args, str):
            coming = on_change(happened.args)
            if coming is not None:
                await coming

    return field.on(event, react, js_handler=_VALUE, throttle=throttle, leading_events=False)
