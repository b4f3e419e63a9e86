"""Drawings as plain data: JSON, what an architecture uses, SVG, and hostile stores."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from retiarii.drawing import (
    ADDED,
    CHANGED,
    MAX_BOXES,
    REMOVED,
    SAME,
    Arrow,
    Box,
    Drawing,
    DrawnArrow,
    DrawnBox,
    NodeCost,
    Scene,
    Selector,
    svg_of,
)
from retiarii.errors import RecordError

CONV, SKIP = Selector("op", ("conv",)), Selector("op", ("skip", 1))


def drawing() -> Drawing:
    inner = Scene(
        [
            Box("in", "input", category="io"),
            Box("a", "conv: Conv2d", when=CONV, category="conv", path="op.conv", num_params=12),
            Box("b", "skip: Identity", when=SKIP, path="op.skip"),
            Box("out", "output", category="io"),
        ],
        [
            Arrow("in", "a", when=CONV),
            Arrow("in", "b", when=SKIP),
            Arrow("a", "out", when=CONV),
            Arrow("b", "out", when=SKIP),
        ],
    )
    scene = Scene(
        [
            Box("0", "x", category="io"),
            Box("1", "LayerChoice 'op'", category="choice", labels=("op",), inner=inner, path="op"),
            Box("2", "output", category="io"),
        ],
        [Arrow("0", "1"), Arrow("1", "2")],
    )
    return Drawing.of(scene, "Net <b>")


def test_a_drawing_survives_json() -> None:
    made = drawing().with_costs({"op.conv": NodeCost((1, 8, 4, 4), 1234.0)}, (1, 3, 4, 4))
    read = Drawing.from_json(json.loads(json.dumps(made.to_json())))
    assert read.to_json() == made.to_json()
    (conv,) = (box for box in read.boxes if box.path == "op.conv")
    assert isinstance(conv, DrawnBox)
    assert conv.cost == NodeCost((1, 8, 4, 4), 1234.0, 12)
    assert read.boxes[conv.parent].labels == ("op",)
    assert all(isinstance(arrow, DrawnArrow) for arrow in read.arrows)
    assert read.labels == ("op",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("conv", {"op.conv"}), ("skip", {"op.skip"}), (["conv", "skip"], {"op.conv", "op.skip"}), (1, {"op.skip"}),
     (True, set()), (None, set())],
)  # fmt: skip
def test_an_architecture_uses_what_it_chooses(value: object, expected: set[str]) -> None:
    made = drawing()
    boxes, arrows = made.used({} if value is None else {"op": value})
    assert {box.path for box, is_used in zip(made.boxes, boxes, strict=True) if is_used and box.when} == expected
    assert sum(arrows) == 2 + 2 * len(expected)


def test_the_svg_marks_choices_not_by_colour_alone_and_escapes_text() -> None:
    svg = svg_of(drawing(), {"op": "conv"}, is_interactive=True)
    root = ET.fromstring(svg)
    boxes = {box[0].text: box for box in root.iter("{http://www.w3.org/2000/svg}g")}
    (chosen,) = (box for title, box in boxes.items() if title and title.startswith("conv"))
    (other,) = (box for title, box in boxes.items() if title and title.startswith("skip"))
    assert "nn-on" in chosen.get("class", "")
    assert chosen.find("{http://www.w3.org/2000/svg}circle") is not None
    assert "12 parameters" in (chosen[0].text or "")
    assert "nn-off" in other.get("class", "")
    assert other[1].get("stroke-dasharray")
    assert other.get("tabindex") is None
    assert "Net &lt;b&gt;" in svg


def damaged(change: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(drawing().to_json()))
    change(data)
    return data


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(extra=1),
        lambda data: data.pop("boxes"),
        lambda data: data.update(width="1"),
        lambda data: data.update(height=1e300),
        lambda data: data.update(boxes={}),
        lambda data: data.update(boxes=data["boxes"][:1] * (MAX_BOXES + 1)),
        lambda data: data["boxes"][0].update(category='io" onload="alert(1)'),
        lambda data: data["boxes"][0].update(status="x"),
        lambda data: data["boxes"][0].update(x=float("nan")),
        lambda data: data["boxes"][0].update(parent=0),
        lambda data: data["boxes"][0].update(parent=-2),
        lambda data: data["boxes"][0].update(title=["x"]),
        lambda data: data["boxes"][0].update(cost={"flops": float("inf")}),
        lambda data: data["boxes"][0].update(when={"label": 1, "values": []}),
        lambda data: data["boxes"][0].update(when={"label": "op", "values": [{}]}),
        lambda data: data["arrows"][0].update(points=[[0, 0]]),
        lambda data: data["arrows"][0].update(points=[[0], [1, 2]]),
        lambda data: data["arrows"][0].update(points=[["0", "0"], ["M", "L"]]),
        lambda data: data["arrows"][0].update(parent=99),
        lambda data: data.update(input_shape=[-1]),
    ],
)
def test_a_damaged_drawing_is_refused(change: Any) -> None:
    with pytest.raises(RecordError, match=r"draw|box|arrow"):
        Drawing.from_json(damaged(change))


def test_deep_nesting_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecordError):
        Drawing.from_json(damaged(lambda data: data["arrows"][0].update(points=deep)))


def test_statuses_are_those_of_differences() -> None:
    assert {box.status for box in drawing().boxes} == {SAME}
    scene = Scene([Box("0", "x"), *(Box(s, s, status=s) for s in (ADDED, REMOVED, CHANGED)), Box("1", "y")])
    read = Drawing.from_json(Drawing.of(scene, "").to_json())
    assert [box.status for box in read.boxes] == [SAME, ADDED, REMOVED, CHANGED, SAME]
