"""The scenes inside choices: the candidates of a `LayerChoice`, the blocks of a `Repeat`, the nodes of a `Cell`."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from retiarii.drawing import Arrow, Box, Scene, Selector
from retiarii.nn.pytorch import Cell, InputChoice, LayerChoice, Repeat
from retiarii.space import Expression

_IN, _OUT = "in", "out"


class Painter(Protocol):
    """Draws the modules inside choices."""

    def module_box(self, key: str, name: str, path: str, depths: tuple[int, int], when: Selector | None = None) -> Box:
        """Return the box of a module."""

    def label(self, module: nn.Module) -> str | None:
        """Return the final label of a choice."""

    def selector(self, expression: Expression | int, index: int) -> Selector | None:
        """Return for which values of a label a depth is more than an index."""


def candidates_scene(painter: Painter, choice: LayerChoice, path: str, depths: tuple[int, int]) -> Scene:
    """Return the candidates beside each other.

    Args:
        painter: Draws the candidates.
        choice: The choice.
        path: Its path.
        depths: How many levels of nested modules to show in each.
    """
    scene = _framed()
    label = painter.label(choice) or ""
    for value, name in zip(choice.choice().values, choice.names, strict=True):
        when = Selector(label, (value,))
        scene.boxes.insert(-1, painter.module_box(f"c{name}", name, f"{path}.{name}", depths, when))
        scene.arrows += [Arrow(_IN, f"c{name}", when=when), Arrow(f"c{name}", _OUT, when=when)]
    return scene


def repeat_scene(painter: Painter, repeat: Repeat, path: str, depths: tuple[int, int]) -> Scene:
    """Return the blocks below each other, with an arrow to the output from each that may be the last one.

    Args:
        painter: Draws the blocks.
        repeat: The repeated block.
        path: Its path.
        depths: How many levels of nested modules to show in each.
    """
    scene = _framed()
    previous = _IN
    for index in range(repeat.max_depth):
        when = painter.selector(repeat.depth_choice, index)
        if index >= repeat.min_depth:
            scene.arrows.append(Arrow(previous, _OUT, when=_ends_before(painter, repeat, index)))
        box = painter.module_box(f"b{index}", str(index), f"{path}.blocks.{index}", depths, when)
        scene.boxes.insert(-1, box)
        scene.arrows.append(Arrow(previous, box.key, when=when))
        previous = box.key
    last = painter.selector(repeat.depth_choice, repeat.max_depth - 1) if repeat.max_depth else None
    scene.arrows.append(Arrow(previous, _OUT, when=last))
    return scene


def _ends_before(painter: Painter, repeat: Repeat, index: int) -> Selector | None:
    """Return for which values the depth is exactly ``index``."""
    more = painter.selector(repeat.depth_choice, index)
    if index == 0 or more is None:
        least = None
    else:
        least = painter.selector(repeat.depth_choice, index - 1)
    if more is None:
        return None
    variables = repeat.depth_choice.variables() if isinstance(repeat.depth_choice, Expression) else ()
    every = least.values if least is not None else _values(variables[0])
    return Selector(more.label, tuple(value for value in every if value not in more.values))


def _values(variable: Expression) -> tuple[object, ...]:
    choice = variable.choice()  # type: ignore[attr-defined] # a variable
    return tuple(choice.value_at(index) for index in range(int(choice.cardinality)))


def cell_scene(painter: Painter, cell: Cell, path: str, depths: tuple[int, int]) -> Scene:
    """Return the nodes of a cell, each with its operations, and an arrow for every input that an operation may take.

    Args:
        painter: Draws the operations.
        cell: The cell.
        path: Its path.
        depths: How many levels of nested modules to show in each operation.
    """
    scene = _framed()
    first = cell.num_predecessors
    sources = [f"n{index}" for index in range(first)]
    for index, key in enumerate(sources):
        scene.boxes.insert(-1, Box(key, f"input {index}"))
        scene.arrows.append(Arrow(_IN, key))
    for row in range(cell.num_nodes):
        node = f"n{first + row}"
        for column in range(cell.num_ops_per_node):
            key = f"o{row}_{column}"
            scene.boxes.insert(-1, painter.module_box(key, "", f"{path}.ops.{row}.{column}", depths))
            pick = cell.inputs[row][column]  # type: ignore[index] # lists of modules
            assert isinstance(pick, InputChoice)
            label = painter.label(pick) or ""
            scene.arrows += [Arrow(source, key, when=Selector(label, (index,))) for index, source in enumerate(sources)]
            scene.arrows.append(Arrow(key, node))
        scene.boxes.insert(-1, Box(node, f"node {first + row}", "sum" if cell.num_ops_per_node > 1 else ""))
        sources.append(node)
        scene.arrows.append(Arrow(node, _OUT))
    return scene


def _framed() -> Scene:
    return Scene([Box(_IN, "input", category="io"), Box(_OUT, "output", category="io")])
