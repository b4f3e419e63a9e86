"""`space_drawing`: a model with its choices, all candidates shown beside each other."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from torch import nn

from retiarii.drawing import MAX_BOXES, Box, Drawing, Scene, Selector
from retiarii.errors import GraphError, RetiariiError, SpaceError
from retiarii.graph._drawing.choice_scenes import candidates_scene, cell_scene, repeat_scene
from retiarii.graph._drawing.scene import category_of, detail_of, scene_of
from retiarii.graph._operations.layer_reading import LayerReader, label_of
from retiarii.graph._operations.operation import Kind, Operation
from retiarii.graph._representation.graph_records import NodeRecord
from retiarii.graph._representation.model import Graph
from retiarii.graph._tracing.conversion import convert_with
from retiarii.nn.pytorch import Cell, InputChoice, LayerChoice, Repeat
from retiarii.nn.pytorch.labels import first_number
from retiarii.nn.pytorch.primitives import Mutable, condition_where
from retiarii.space import AutomaticLabel, Choice, Expression, SearchSpace, Value
from retiarii.space.construction import find_expressions

_DEEPEST = 12
_READABLE = 900  # boxes up to which nested modules without choices are shown, too
_SHOWN_VALUES = 4
_MAX_NOTE = 44


def space_drawing(
    model: nn.Module,
    space: SearchSpace,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    max_boxes: int = MAX_BOXES,
) -> Drawing:
    """Return the drawing of a model with its choices, so that what an architecture chooses can be marked.

    Candidates of a `LayerChoice`, the blocks of a `Repeat` and the nodes of a `Cell` are shown inside their boxes, to
    any depth; modules without choices as deep as the drawing stays readable. A part that cannot be traced is one box.

    Args:
        model: The base model; it is not changed.
        space: Its search space, with the choices of mutators.
        labels: The labels of further choices that modules depend on, by the paths of the modules, as `mutated_nodes`
            returns them.
        max_boxes: The number of boxes of the largest drawing.

    Raises:
        GraphError: The model cannot be traced, or the drawing would be too large.
    """
    painter = SpacePainter(model, space, labels or {})
    for choice_depth in (_DEEPEST, 3, 2, 1, 0):
        scene = painter.scene(0, choice_depth)
        if scene.count() <= max_boxes:
            break
    else:
        raise GraphError(f"The drawing would have {scene.count()} boxes, at most {max_boxes} are drawn.")
    readable = min(_READABLE, max_boxes)
    for depth in range(1, _DEEPEST):
        deeper = painter.scene(depth, choice_depth)
        if deeper.count() > readable or deeper.count() == scene.count():
            break
        scene = deeper
    return Drawing.of(scene, type(model).__name__)


class SpacePainter:
    """Draws the choices of a model inside the scenes of its graphs.

    Args:
        model: The base model.
        space: Its search space.
        labels: The labels of further choices that modules depend on, by path.

    Raises:
        GraphError: The model cannot be traced.
    """

    def __init__(self, model: nn.Module, space: SearchSpace, labels: Mapping[str, Sequence[str]]) -> None:
        self.more_labels = labels
        self._space, self._first = space, first_number(model)
        self._reader = LayerReader()
        self._modules = dict(model.named_modules(remove_duplicate=False))
        self._graph = convert_with(self._reader, model).root_graph
        self._graphs: dict[nn.Module, Graph | None] = {}
        self._choosing: set[str] = set()
        for path, module in self._modules.items():
            if path not in self._choosing and (isinstance(module, Mutable) or self._has_variables(module)):
                self._choosing.update(_ways_to(path))

    def scene(self, depth: int, choice_depth: int) -> Scene:
        """Return the scene of the model.

        Args:
            depth: How many levels of nested modules to show.
            choice_depth: How many levels of nested modules to show where there are choices inside.
        """
        return scene_of(self._graph, None, depth, None, _Dresser(self, "", choice_depth))

    def module_box(self, key: str, name: str, path: str, depths: tuple[int, int], when: Selector | None = None) -> Box:
        """Return the box of a module that is not a node of a graph, such as a candidate.

        Args:
            key: The key of the box.
            name: What comes before the class in the title.
            path: The path of the module.
            depths: As in `scene`, from this module on.
            when: When an architecture uses it.
        """
        module = self._modules[path]
        kind = type(module).__name__
        box = Box(key, f"{name}: {kind}" if name else kind, path=path, when=when, category="graph")
        if isinstance(module, Mutable):
            box.category = "choice"
            self.add_choice(box, module, depths)
        elif self._reader.is_leaf(module):
            self._add_operation(box, module, path)
        else:
            box.inner = self._inside(module, path, depths)
        self.add_facts(box, module)
        return box

    def add_choice(self, box: Box, module: Mutable, depths: tuple[int, int]) -> None:
        """Add to the box of a choice its label, its values and, inside, its candidates."""
        label = self.label(module)
        if label is not None:
            kind = type(module).__name__
            box.title = f"{kind} {label!r}"
            self.add_labels(box, [label])
        depth, choice_depth = depths
        if choice_depth <= 0:
            return
        inside = (depth - 1, choice_depth - 1)
        if isinstance(module, LayerChoice):
            box.inner = candidates_scene(self, module, box.path, inside)
        elif isinstance(module, Repeat):
            box.inner = repeat_scene(self, module, box.path, inside)
        elif isinstance(module, Cell):
            box.inner = cell_scene(self, module, box.path, inside)
        else:  # its choices have labels that begin with its own
            self.add_labels(box, [choice.label for choice in self._space if choice.label.startswith(f"{label}/")])

    def add_labels(self, box: Box, labels: Sequence[str]) -> None:
        """Add choices that a box depends on, with their values in its third line."""
        known = [label for label in labels if label in self._space]
        box.labels = tuple(dict.fromkeys((*box.labels, *known)))
        note = ", ".join(f"{label}: {_domain(self._space[label])}" for label in box.labels)
        box.note = note if len(note) <= _MAX_NOTE else note[: _MAX_NOTE - 1] + "…"

    def add_facts(self, box: Box, module: nn.Module | None) -> None:
        """Add the number of parameters, unless it depends on choices."""
        if module is not None and box.path not in self._choosing and not box.labels:
            box.num_params = sum(parameter.numel() for parameter in module.parameters())

    def label(self, module: nn.Module) -> str | None:
        """Return the final label of a choice."""
        return self.final(label_of(module) and module.label)  # type: ignore[arg-type] # label_of says that it is a text

    def final(self, label: str | None) -> str | None:
        """Return a label as the search space has it."""
        return label.relative_to(self._first) if isinstance(label, AutomaticLabel) else label

    def selector(self, expression: Expression | int, index: int) -> Selector | None:
        """Return for which values of a label a depth is more than an index; None for always or several labels."""
        try:
            condition = condition_where(expression, partial(operator.lt, index))
        except SpaceError:
            return None
        tests = [test for clause in condition for test in clause]
        labels = {test.label for test in tests}
        if len(labels) != 1 or any(len(clause) != 1 for clause in condition):
            return None
        return Selector(self.final(labels.pop()) or "", tuple(value for test in tests for value in test.values))

    def has_choices(self, path: str) -> bool:
        """Return whether there are choices in a module."""
        return path in self._choosing

    def module(self, path: str) -> nn.Module | None:
        """Return the module of a path; None for a function."""
        return self._modules.get(path)

    def _inside(self, module: nn.Module, path: str, depths: tuple[int, int]) -> Scene | None:
        depth, choice_depth = depths
        if choice_depth <= 0 or (depth <= 0 and not self.has_choices(path)):
            return None
        if module not in self._graphs:
            try:
                self._graphs[module] = convert_with(self._reader, module).root_graph
            except (GraphError, RetiariiError):  # it is shown as one box
                self._graphs[module] = None
        graph = self._graphs[module]
        if graph is None:
            return None
        scene = scene_of(graph, None, max(0, depth - 1), None, _Dresser(self, f"{path}.", choice_depth - 1))
        return scene if len(scene.boxes) > 2 else None

    def _add_operation(self, box: Box, module: nn.Module, path: str) -> None:
        try:
            operation = self._reader.operation(module, path)
        except GraphError:  # its constructor arguments are not known
            box.category = "layer"
            return
        box.detail, box.category = detail_of(operation), category_of(operation)
        self.add_labels(box, list(self.labels_of(operation)))

    def labels_of(self, operation: Operation) -> Iterator[str]:
        """Yield the labels of choices in the constructor arguments of a layer."""
        for expression in find_expressions(dict(operation.parameters)):
            for variable in expression.variables():
                yield self.final(variable.label) or ""

    def _has_variables(self, module: nn.Module) -> bool:
        if not self._reader.is_leaf(module):
            return False
        try:
            return any(True for _ in self.labels_of(self._reader.operation(module, "")))
        except GraphError:
            return False


def _ways_to(path: str) -> Iterator[str]:
    """Yield a path and those of all modules around it."""
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""


class _Dresser:
    """Adds choices to the scene of one graph and of the graphs inside.

    Args:
        painter: Draws choices.
        prefix: The path of the graph's module, with a dot.
        choice_depth: How many levels of nested modules to show where there are choices inside.
    """

    def __init__(self, painter: SpacePainter, prefix: str, choice_depth: int) -> None:
        self._painter, self._prefix, self._choice_depth = painter, prefix, choice_depth

    def dress(self, box: Box, record: NodeRecord, owner: Graph, depth: int) -> None:
        """Add choices, labels and parameters to the box of a node."""
        painter, operation = self._painter, record.operation
        if record.member is not None:
            local = record.member if owner.is_root else f"{owner.name}.{record.member}"
            box.path = self._prefix + local
        if operation.kind is Kind.CHOICE:
            choice = painter.module(box.path)
            assert isinstance(choice, Mutable)
            painter.add_choice(box, choice, (depth, self._choice_depth))
        elif operation.cell is not None and box.inner is None and painter.has_choices(box.path):
            self._open(box, owner, operation.cell)
        more = painter.more_labels.get(box.path, ()) if box.path else ()
        painter.add_labels(box, [*painter.labels_of(operation), *([record.label] if record.label else []), *more])
        painter.add_facts(box, painter.module(box.path) if box.path else None)

    def when(self, record: NodeRecord, slots: Sequence[int]) -> Selector | None:
        """Return when an `InputChoice` takes one of its inputs."""
        choice = record.operation.instance
        if record.operation.kind is not Kind.CHOICE or not isinstance(choice, InputChoice):
            return None
        names: Sequence[Value] = choice.names or range(choice.n_candidates or 0)
        label = self._painter.label(choice)
        chosen = tuple(names[slot] for slot in slots if slot < len(names))
        return Selector(label, chosen) if label is not None and chosen else None

    def _open(self, box: Box, owner: Graph, cell: str) -> None:
        if self._choice_depth <= 0:
            return
        inner = scene_of(
            owner.model.graphs[cell], None, 0, None, _Dresser(self._painter, self._prefix, self._choice_depth - 1)
        )
        if len(inner.boxes) > 2:
            box.inner = inner


def _domain(choice: Choice) -> str:
    """Return the values of a choice as a short text."""
    values = getattr(choice, "values", None)
    if values is None:
        return repr(choice).partition("(")[2].rpartition(")")[0].partition(", ")[2]
    shown = [str(value) for value in values[:_SHOWN_VALUES]]
    return ", ".join([*shown, *(["…"] if len(values) > _SHOWN_VALUES else [])])
