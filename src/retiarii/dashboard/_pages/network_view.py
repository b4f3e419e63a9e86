"""`NetworkView`: a network drawing that can be zoomed and moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui.element import Element

from retiarii._visible import visible_line
from retiarii.drawing import Drawing, svg_of


class NetworkView(Element, component="network_view.js"):
    """A network drawing that can be zoomed and moved with mouse, touch and keyboard.

    Its SVG is read as markup by the browser. It is made by `svg_of`, which escapes every text, of a `Drawing`, whose
    fields were checked when it was read.

    Args:
        drawing: The drawing.
        choices: The architecture whose parts are marked, as in JSON; None marks none.
    """

    def __init__(self, drawing: Drawing, choices: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.props["svg"] = svg_of(drawing, choices, is_interactive=True)
        self.props["label"] = f"Drawing of {visible_line(drawing.title)}"
