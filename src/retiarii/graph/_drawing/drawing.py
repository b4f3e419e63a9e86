"""`draw`: models, architectures and differences as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from retiarii.drawing import Drawing, Scene, svg_of
from retiarii.errors import ConfigError
from retiarii.graph._building.shape_check import check
from retiarii.graph._drawing.graphviz import dot_of, has_graphviz, run_graphviz
from retiarii.graph._drawing.scene import scene_of
from retiarii.graph._representation.model import Graph, Model
from retiarii.graph._tracing.conversion import convert_to_graph
from retiarii.graph._tracing.lowering import lower

_READABLE = 120
_DEEPEST = 12
LAYOUTS = ("auto", "graphviz", "builtin")


def draw(
    model: nn.Module | Model | Graph,
    architecture: Mapping[str, Any] | None = None,
    *,
    before: nn.Module | Model | Graph | None = None,
    example_input: Any = None,
    depth: int | None = None,
    layout: str = "auto",
) -> str:
    """Draw a model, or one graph of it, as SVG.

    In a notebook, a `Model` and a `Graph` draw themselves.

    Args:
        model: A graph model, one of its graphs, or a module. A module with choices shows them as nodes, unless an
            architecture fixes them.
        architecture: Values of the choices in a module.
        before: Show the difference to this model: added nodes are green, removed ones red and dashed, changed ones
            amber. Nodes are matched by their ids, which forks keep, so give the model that ``model`` was mutated from.
        example_input: A tensor, or a tuple of the arguments of the whole model's ``forward``: each node then shows the
            shape of its result.
        depth: The number of levels of nested modules to show; None shows as many as stay readable.
        layout: ``"graphviz"``, ``"builtin"``, or ``"auto"``: Graphviz if its program ``dot`` is installed.

    Returns:
        The text of an SVG file.

    Raises:
        GraphError: A module cannot be traced, or Graphviz failed.
        MissingExtraError: ``layout`` is ``"graphviz"``, and Graphviz is not installed.
        ConfigError: There is no such layout.
        InvalidMutation: ``example_input`` does not fit.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"layout is {layout!r}, expected one of {list(LAYOUTS)}.")
    graph = _graph_of(model, architecture)
    old = None if before is None else _graph_of(before, None)
    shapes = None if example_input is None else check(graph.model, example_input)
    scene = _readable_scene(graph, old, depth, shapes)
    title = graph.module.class_name
    if layout == "graphviz" or (layout == "auto" and has_graphviz()):
        return run_graphviz(dot_of(scene, title))
    return svg_of(Drawing.of(scene, title))


def _graph_of(model: nn.Module | Model | Graph, architecture: Mapping[str, Any] | None) -> Graph:
    if isinstance(model, Graph):
        return model
    if isinstance(model, Model):
        return model.root_graph
    return (convert_to_graph(model) if architecture is None else lower(model, architecture)).root_graph


def _readable_scene(
    graph: Graph, before: Graph | None, depth: int | None, shapes: Mapping[str, tuple[int, ...]] | None
) -> Scene:
    if depth is not None:
        return scene_of(graph, before, depth, shapes)
    best = scene_of(graph, before, 0, shapes)
    count = best.count()
    for deeper in range(1, _DEEPEST):
        scene = scene_of(graph, before, deeper, shapes)
        boxes = scene.count()
        if boxes > _READABLE or boxes == count:
            break
        best, count = scene, boxes
    return best


Graph._draw_in_notebook = draw
