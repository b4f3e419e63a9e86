"""`svg_of`: drawings as SVG, if wanted with what an architecture uses marked."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from retiarii.drawing.drawings import Drawing, DrawnArrow, DrawnBox, is_selected
from retiarii.drawing.layered_layout import FONT, HEADER, LETTER, SMALL_FONT
from retiarii.drawing.scenes import ARROW_COLOURS, REMOVED, SAME, colours

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FACE = "Inter, 'Segoe UI', Helvetica, Arial, sans-serif"
_MAX_VALUE = 24


def svg_of(drawing: Drawing, architecture: Mapping[str, Any] | None = None, *, is_interactive: bool = False) -> str:
    """Return a drawing as an SVG document.

    Every part has a class, so that a page can give it other colours: ``nn-box``, ``nn-arrow``, ``nn-title``,
    ``nn-text``, ``nn-CATEGORY``, ``nn-on`` (chosen), ``nn-off`` (not used by the architecture).

    Args:
        drawing: The drawing.
        architecture: Marks what it uses: chosen candidates have a thick border and a tick, and what it does not use is
            faint and dashed.
        is_interactive: Whether boxes can be reached with the keyboard; each has its index in ``data-box``.
    """
    width, height = drawing.width, drawing.height
    used = None if architecture is None else drawing.used(architecture)
    arrows: dict[int, list[str]] = {}
    for index, arrow in enumerate(drawing.arrows):
        arrows.setdefault(arrow.parent, []).append(_arrow(arrow, used is not None and not used[1][index]))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="{_FACE}" role="{"group" if is_interactive else "img"}" '
        f'aria-label="{escape(drawing.title)}">',
        f"<title>{escape(drawing.title)}</title>",
        "<defs>",
        *(_marker(status, colour) for status, colour in ARROW_COLOURS.items()),
        "</defs>",
        f'<rect class="nn-page" width="{width:.0f}" height="{height:.0f}" rx="10" fill="#ffffff"/>',
        *arrows.get(-1, []),
    ]
    for index, box in enumerate(drawing.boxes):
        is_off = used is not None and not used[0][index]
        parts += _box(box, index if is_interactive else None, architecture, is_off)
        parts += arrows.get(index, [])
    return "\n".join([*parts, "</svg>"]) + "\n"


def chosen_text(box: DrawnBox, architecture: Mapping[str, Any]) -> str:
    """Return the values that an architecture chooses for the labels of a box; empty where it has none."""
    parts = [f"{label} = {_value(architecture[label])}" for label in box.labels if label in architecture]
    return ", ".join(parts)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


def _marker(status: str, colour: str) -> str:
    return (
        f'<marker id="arrow-{status}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path class="nn-head" d="M0.5,0.8 L7,4 L0.5,7.2 L2.2,4 Z" fill="{colour}"/>'
        "</marker>"
    )


def _arrow(arrow: DrawnArrow, is_off: bool) -> str:
    points = arrow.points
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x0 - x1) < 0.5:
            path += f" L{x1:.1f},{y1:.1f}"
        else:
            bend = (y1 - y0) / 2
            path += f" C{x0:.1f},{y0 + bend:.1f} {x1:.1f},{y1 - bend:.1f} {x1:.1f},{y1:.1f}"
    dashes = ' stroke-dasharray="5 3"' if arrow.status == REMOVED else ""
    mark = ' stroke-dasharray="2 4" opacity="0.45"' if is_off else ""
    return (
        f'<path class="nn-arrow{" nn-off" if is_off else ""}" d="{path}" fill="none" '
        f'stroke="{ARROW_COLOURS[arrow.status]}" stroke-width="1.3"{dashes}{mark} '
        f'marker-end="url(#arrow-{arrow.status})"/>'
    )


def _box(box: DrawnBox, index: int | None, architecture: Mapping[str, Any] | None, is_off: bool) -> Iterator[str]:
    is_on = architecture is not None and box.when is not None and not is_off
    reached = "" if index is None else f' data-box="{index}"' + ("" if is_off else ' tabindex="0" role="img"')
    name = "" if index is None or is_off else f' aria-label="{escape(_tooltip(box.title, box.detail))}"'
    state = " nn-off" if is_off else " nn-on" if is_on else ""
    yield f'<g class="nn-box nn-{box.category}{state}"{reached}{name}{_faint(is_off)}>'
    yield f"<title>{escape(_tooltip(*_facts(box, architecture)))}</title>"
    yield _rectangle(box, is_on, is_off)
    yield from _header(box, architecture) if box.is_container else _lines(box, architecture)
    if is_on:
        x, y = box.x + box.width - 1, box.y + 1
        yield f'<circle class="nn-tick" cx="{x:.1f}" cy="{y:.1f}" r="7.5" fill="#166534"/>'
        yield f'<path d="M{x - 3.5:.1f},{y:.1f} l2.6,2.8 l4.4,-5.4" fill="none" stroke="#ffffff" stroke-width="1.8"/>'
    yield "</g>"


def _faint(is_off: bool) -> str:
    return ' opacity="0.4"' if is_off else ""


def _rectangle(box: DrawnBox, is_on: bool, is_off: bool) -> str:
    fill, stroke = colours(box.category, box.status, is_container=box.is_container)
    dashes = ' stroke-dasharray="5 3"' if box.status == REMOVED or is_off else ""
    radius = box.height / 2 if box.category == "io" else 7
    opacity = ' fill-opacity="0.55"' if box.is_container else ""
    return (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.1f}" '
        f'fill="{fill}"{opacity} stroke="{stroke}" stroke-width="{2.6 if is_on else 1.2}"{dashes}/>'
    )


def _header(box: DrawnBox, architecture: Mapping[str, Any] | None) -> Iterator[str]:
    title, room = box.title, (box.width - 24) / (FONT * LETTER)
    chosen = "" if architecture is None else chosen_text(box, architecture)
    if chosen and len(title) + len(chosen) + 3 <= room:
        is_said = any(repr(label) in title for label in box.labels[:1])
        title = f"{title} = {chosen.partition(' = ')[2]}" if is_said else f"{title}   {chosen}"
    yield _text(box.x + 12, box.y + 16, title, FONT, "#334155", "600", "start")
    stroke = colours(box.category, box.status, is_container=True)[1]
    yield f'<path d="M{box.x:.1f},{box.y + HEADER:.1f} h{box.width:.1f}" stroke="{stroke}" stroke-width="1"/>'


def _lines(box: DrawnBox, architecture: Mapping[str, Any] | None) -> Iterator[str]:
    note = (chosen_text(box, architecture) if architecture is not None else "") or box.note
    lines = [(box.title, FONT, "#0f172a", "600")]
    lines += [(text, SMALL_FONT, "#475569", "400") for text in (box.detail, note) if text]
    middle = box.x + box.width / 2
    start = box.y + box.height / 2 - 13.0 * (len(lines) - 1) / 2 + 4
    for index, (text, size, colour, weight) in enumerate(lines):
        yield _text(middle, start + 13.0 * index, text, size, colour, weight, "middle")


def _facts(box: DrawnBox, architecture: Mapping[str, Any] | None) -> Iterator[str]:
    yield from (box.title, box.detail, box.note, box.status)
    if architecture is not None:
        yield chosen_text(box, architecture)
        if box.when is not None and is_selected(box.when, architecture):
            yield "chosen"
    yield from cost_lines(box)


def cost_lines(box: DrawnBox) -> Iterator[str]:
    """Yield what is known about a box: the shape of its result, its parameters and its FLOPs."""
    cost = box.cost
    if cost.shape is not None:
        yield "output " + (" \u00d7 ".join(map(str, cost.shape)) or "a number")
    if cost.num_params is not None:
        yield f"{cost.num_params:,} parameters"
    if cost.flops:  # cheap operations count zero
        yield f"{cost.flops:,.0f} FLOPs"


def escape(text: str) -> str:
    """Return a text escaped for an element or attribute of XML."""
    return html.escape(_NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _tooltip(*parts: str) -> str:
    return "\n".join(part for part in parts if part and part != SAME)


def _text(x: float, y: float, text: str, size: float, colour: str, weight: str, anchor: str) -> str:
    kind = "nn-title" if weight == "600" else "nn-text"
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
