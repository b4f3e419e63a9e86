"""`svg_of`: layouts as SVG."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import pairwise

from retiarii.graph._drawing.layered_layout import FONT, HEADER, SMALL_FONT, Layout, Placed
from retiarii.graph._drawing.scene import ARROW_COLOURS, REMOVED, SAME

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MARGIN = 16.0
_FACE = "Inter, 'Segoe UI', Helvetica, Arial, sans-serif"


def svg_of(layout: Layout, title: str) -> str:
    """Return a drawing as an SVG document.

    Args:
        layout: The places of everything.
        title: The title, for screen readers and as a tooltip.
    """
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="{_FACE}" role="img">',
        f"<title>{escape(title)}</title>",
        "<defs>",
        *(_marker(status, colour) for status, colour in ARROW_COLOURS.items()),
        "</defs>",
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="10" fill="#ffffff"/>',
        *_body(layout, _MARGIN, _MARGIN),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _marker(status: str, colour: str) -> str:
    return (
        f'<marker id="arrow-{status}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0.5,0.8 L7,4 L0.5,7.2 L2.2,4 Z" fill="{colour}"/></marker>'
    )


def _body(layout: Layout, left: float, top: float) -> Iterator[str]:
    for points, status in layout.paths:
        yield _arrow([(x + left, y + top) for x, y in points], status)
    for placed in layout.placed.values():
        if placed.box is not None:
            yield from _box(placed, left, top)


def _arrow(points: list[tuple[float, float]], status: str) -> str:
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x0 - x1) < 0.5:
            path += f" L{x1:.1f},{y1:.1f}"
        else:
            bend = (y1 - y0) / 2
            path += f" C{x0:.1f},{y0 + bend:.1f} {x1:.1f},{y1 - bend:.1f} {x1:.1f},{y1:.1f}"
    dashes = ' stroke-dasharray="5 3"' if status == REMOVED else ""
    return (
        f'<path d="{path}" fill="none" stroke="{ARROW_COLOURS[status]}" stroke-width="1.3"{dashes} '
        f'marker-end="url(#arrow-{status})"/>'
    )


def _box(placed: Placed, left: float, top: float) -> Iterator[str]:
    box = placed.box
    assert box is not None
    x, y = placed.x + left - placed.width / 2, placed.y + top - placed.height / 2
    if placed.width <= 2:
        return
    fill, stroke = box.colours
    dashes = ' stroke-dasharray="5 3"' if box.status == REMOVED else ""
    radius = placed.height / 2 if box.category == "io" else 7
    opacity = ' fill-opacity="0.55"' if placed.inner is not None else ""
    yield "<g>"
    yield f"<title>{escape(_tooltip(box.title, box.detail, box.note, box.status))}</title>"
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{placed.width:.1f}" height="{placed.height:.1f}" rx="{radius:.1f}" '
        f'fill="{fill}"{opacity} stroke="{stroke}" stroke-width="1.2"{dashes}/>'
    )
    if placed.inner is not None:
        yield _text(x + 12, y + 16, box.title, FONT, "#334155", "600", "start")
        yield f'<path d="M{x:.1f},{y + HEADER:.1f} h{placed.width:.1f}" stroke="{stroke}" stroke-width="1"/>'
        shift = (placed.width - placed.inner.width) / 2
        yield from _body(placed.inner, x + shift, y + HEADER)
    else:
        lines = [(box.title, FONT, "#0f172a", "600")]
        lines += [(text, SMALL_FONT, "#475569", "400") for text in (box.detail, box.note) if text]
        middle = x + placed.width / 2
        start = y + placed.height / 2 - 13.0 * (len(lines) - 1) / 2 + 4
        for index, (text, size, colour, weight) in enumerate(lines):
            yield _text(middle, start + 13.0 * index, text, size, colour, weight, "middle")
    yield "</g>"


def escape(text: str) -> str:
    """Return a text escaped for an element or attribute of XML."""
    return html.escape(_NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _tooltip(*parts: str) -> str:
    return "\n".join(part for part in parts if part and part != SAME)


def _text(x: float, y: float, text: str, size: float, colour: str, weight: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
