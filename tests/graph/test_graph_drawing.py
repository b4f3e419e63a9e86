"""Drawings are SVG files in which everything has a place."""

from __future__ import annotations

import re
import shutil
from xml.etree import ElementTree

import pytest
from graph_models import ZOO, ResNet, ViT, images

import retiarii.nn.pytorch as nn
from retiarii.drawing import lay_out
from retiarii.errors import ConfigError, MissingExtraError
from retiarii.graph import GraphEngine, convert_to_graph, draw, lower
from retiarii.graph._drawing.scene import scene_of

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", list(ZOO))
def test_every_model_can_be_drawn(name):
    svg = draw(ZOO[name][0](), layout="builtin")
    root = ElementTree.fromstring(svg)
    width, height = map(float, root.get("viewBox").split()[2:])
    for rect in root.iter(f"{SVG}rect"):
        left, top = float(rect.get("x", 0)), float(rect.get("y", 0))
        assert left >= 0
        assert top >= 0
        assert left + float(rect.get("width")) <= width + 0.1
        assert top + float(rect.get("height")) <= height + 0.1


@pytest.mark.parametrize("name", list(ZOO))
def test_boxes_never_overlap(name):
    def check(layout):
        boxes = [placed for placed in layout.placed.values() if placed.box is not None]
        for index, one in enumerate(boxes):
            for other in boxes[index + 1 :]:
                apart = abs(one.x - other.x) >= (one.width + other.width) / 2 - 0.1
                assert apart or abs(one.y - other.y) >= (one.height + other.height) / 2 - 0.1
            if one.inner is not None:
                check(one.inner)

    check(lay_out(scene_of(convert_to_graph(ZOO[name][0]()).root_graph, None, depth=9)))


def test_nodes_show_type_parameters_and_shapes():
    shown = texts(draw(ResNet(), example_input=images(), layout="builtin"))
    assert "fc: Linear" in shown
    assert "16 \u2192 10" in shown
    assert "2 \u00d7 10" in shown


def test_depth_limits_what_is_shown_inside():
    assert "conv2: Conv2d" not in texts(draw(ResNet(), depth=0, layout="builtin"))
    assert "conv2: Conv2d" in texts(draw(ResNet(), depth=2, layout="builtin"))


def test_differences_have_colours():
    base = convert_to_graph(ResNet())
    model = base.fork()
    model.get_node_by_name("maxpool").remove(bridge=True)
    model.get_node_by_name("fc").operation.parameters["out_features"] = 5
    edge = model.root_graph.get_node_by_name("relu").outgoing_edges[0]
    model.root_graph.insert_node_on_edge(edge, "extra", nn.Dropout, {"p": 0.3})
    svg = draw(model, before=base, layout="builtin", depth=0)
    fills = dict(re.findall(r"<g [^>]*>\n<title>([\w: 2]+)\n.*?fill=\"(#\w+)\"", svg, flags=re.S))
    assert fills["extra: Dropout"] == "#dcfce7"
    assert fills["maxpool: MaxPool2d"] == "#fee2e2"
    assert fills["fc: Linear"] == "#fef3c7"
    assert fills["avgpool: AdaptiveAvgPool2d"] == "#ede9fe"
    assert "stroke-dasharray" in svg


def test_a_space_shows_its_choices_and_an_architecture_what_became_of_them():
    net = nn.Sequential(nn.LayerChoice({"linear": nn.Linear(2, 3), "none": nn.Identity()}, label="op"))
    assert "LayerChoice 'op'" in texts(draw(net, layout="builtin"))
    assert "Identity" in texts(draw(net, {"op": "none"}, layout="builtin"))


def test_a_module_that_only_passes_values_on_is_drawn_like_a_layer():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.out = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)
            self.skip = nn.InputChoice(n_candidates=2, n_chosen=1, label="skip")

        def forward(self, x):
            a = self.a(x)
            return self.out(self.skip([a, self.b(a)]))

    scene = scene_of(lower(Net()).root_graph, None, depth=2)
    (box,) = (box for box in scene.boxes if "ChosenInputs" in box.title)
    assert box.inner is None
    placed = lay_out(scene).placed[box.key]
    (layer,) = (item for item in lay_out(scene).placed.values() if item.box and item.box.title == "out: Linear")
    assert placed.height <= layer.height


class Skip(nn.Module):
    def __init__(self, reduction="sum", n_chosen=1):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.skip = nn.InputChoice(n_candidates=3, n_chosen=n_chosen, reduction=reduction, label="skip")

    def forward(self, x):
        first = self.first(x)
        return self.skip([x, first, self.second(first)])


def test_a_difference_shows_that_another_input_was_chosen():
    engine = GraphEngine(Skip())
    base, model = (engine.graph({"skip": chosen}) for chosen in (1, 2))
    svg = draw(model, before=base, layout="builtin")
    assert "passes on input 3 of 3" in texts(svg)
    fills = dict(re.findall(r"<g [^>]*>\n<title>([\w: ]+)\n.*?fill=\"(#\w+)\"", svg, flags=re.S))
    assert fills["skip: ChosenInputs"] == "#fef3c7"
    assert fills["first: Linear"] == "#e0e7ff"


def curve(path):
    """Return points along the path of an arrow, which has lines and cubic curves only."""
    numbers = [[float(n) for n in re.findall(r"-?[\d.]+", part)] for part in re.findall(r"[MLC][^MLC]*", path)]
    points, here = [], numbers[0]
    for part in numbers[1:]:
        x1, y1, x2, y2, x, y = part if len(part) == 6 else (*here, *part, *part)
        for t in (step / 50 for step in range(51)):
            weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
            points.append(
                tuple(
                    sum(w * v for w, v in zip(weights, axis, strict=True))
                    for axis in ((here[0], x1, x2, x), (here[1], y1, y2, y))
                )
            )
        here = [x, y]
    return points


@pytest.mark.parametrize("model", [Skip("concat", 2), ResNet(), ViT()], ids=lambda model: type(model).__name__)
def test_no_arrow_crosses_a_title(model):
    architecture = {"skip": [0, 2]} if isinstance(model, Skip) else None
    root = ElementTree.fromstring(draw(model, architecture, layout="builtin", depth=9))
    titles = [
        (float(each.get("x")), float(each.get("y")), len("".join(each.itertext())) * 7.0)
        for each in root.iter(f"{SVG}text")
        if each.get("text-anchor") == "start"
    ]
    arrows = [curve(path.get("d")) for path in root.iter(f"{SVG}path") if path.get("marker-end")]
    assert titles
    assert arrows
    for x, y, width in titles:
        assert not [
            point for arrow in arrows for point in arrow if x < point[0] < x + width and y - 9 < point[1] < y + 2
        ]


def test_layout_must_be_known():
    with pytest.raises(ConfigError, match="layout is 'fancy'"):
        draw(ResNet(), layout="fancy")


def test_graphviz_that_is_not_there_is_an_error_only_when_asked_for(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert draw(ResNet()).startswith("<svg")
    with pytest.raises(MissingExtraError, match="Graphviz is not installed"):
        draw(ResNet(), layout="graphviz")


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot of Graphviz")
def test_graphviz_draws_too():
    base = convert_to_graph(ResNet())
    fork = base.fork()
    fork.get_node_by_name("maxpool").remove(bridge=True)
    root = ElementTree.fromstring(draw(fork, before=base, layout="graphviz"))
    assert "fc: Linear" in "".join(root.itertext())


def in_notebook(shown, monkeypatch):
    """Return what a notebook gets to show, where there is no Graphviz."""
    monkeypatch.setattr(shutil, "which", lambda program: None)
    svg = shown._repr_svg_()
    assert ElementTree.fromstring(svg).tag == f"{SVG}svg"
    return texts(svg)


def test_notebooks_show_the_nodes_of_models_and_of_graphs(monkeypatch):
    model = convert_to_graph(ViT())
    whole = in_notebook(model, monkeypatch)
    assert {"patch_embed: Conv2d", "head: Linear", "qkv: Linear", "x", "output"} <= set(whole)
    part = in_notebook(model.graphs["blocks.0"], monkeypatch)
    assert {"norm1: LayerNorm", "fc2: Linear", "x", "output"} <= set(part)
    assert "patch_embed: Conv2d" not in part


def test_whatever_names_and_parameters_contain_is_shown_as_text(monkeypatch):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("<script>&\x01", nn.Linear(2, 2))
            self.op = nn.LayerChoice([nn.ReLU(), nn.Tanh()], label='"a" <b>')

        def forward(self, x):
            return self.op(next(self.children())(x))

    shown = in_notebook(convert_to_graph(Odd()), monkeypatch)
    assert "<script>&\N{REPLACEMENT CHARACTER}: Linear" in shown
    assert "op: LayerChoice '\"a\" <b>'" in shown


def test_one_graph_of_a_model_is_drawn_with_its_shapes_and_differences():
    base = convert_to_graph(ResNet())
    fork = base.fork()
    fork.get_node_by_name("layer1.0.bn2").remove(bridge=True)
    svg = draw(fork.graphs["layer1.0"], before=base.graphs["layer1.0"], example_input=images(), layout="builtin")
    assert {"conv1: Conv2d", "2 \u00d7 8 \u00d7 4 \u00d7 4"} <= set(texts(svg))
    assert "stroke-dasharray" in svg
    assert "fc: Linear" not in texts(svg)
