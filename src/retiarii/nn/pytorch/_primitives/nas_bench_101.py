"""`NasBench101Cell`: the cell of NAS-Bench-101, any small graph of operations; and the cell with a chosen graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import ArchitectureError, DomainError
from retiarii.nn._labels.namespace import ModelNamespace, position, sublabel
from retiarii.nn._values.value_choice import new_label
from retiarii.nn.pytorch._freezing.kept_weights import match_placement
from retiarii.nn.pytorch._recording.module_call import has_choices
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable, Survey
from retiarii.space import Expression
from retiarii.space.cell_graphs import ValidCell, graph_choices, graph_condition


class ChosenNasBench101Cell(nn.Module):
    """A graph of operations on tensors of different widths.

    Args:
        features: The features of each vertex after the input, those of the output last.
        inputs: For each of them the vertices that it takes; 0 is the input.

    Attributes:
        projections: From the input to the features of the vertices that take it, by the number of the vertex.
        ops: The operation of each vertex between input and output.
    """

    def __init__(self, features: Sequence[int], inputs: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.features = list(features)
        self.inputs = [list(sources) for sources in inputs]
        self.projections = nn.ModuleDict()
        self.ops = nn.ModuleList()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the output, ``[B, features, ...]``."""
        vertices = [inputs]
        for vertex, op in enumerate(self.ops, 1):
            terms = [self._taken(vertices, source, vertex) for source in self.inputs[vertex - 1]]
            vertices.append(op(sum(terms[1:], start=terms[0])))
        last = len(self.inputs)
        parts = [vertices[source] for source in self.inputs[-1] if source]
        outputs = [torch.cat(parts, dim=1)] if parts else []
        if 0 in self.inputs[-1]:
            outputs.append(self.projections[str(last)](inputs))
        return sum(outputs[1:], start=outputs[0])

    def _taken(self, vertices: list[Tensor], source: int, vertex: int) -> Tensor:
        if source == 0:
            projected: Tensor = self.projections[str(vertex)](vertices[0])
            return projected
        return vertices[source][:, : self.features[vertex - 1]]

    def extra_repr(self) -> str:
        """Return features and inputs."""
        return f"features={self.features}, inputs={self.inputs}"


def vertex_features(out_features: int, inputs: Sequence[Sequence[int]]) -> list[int]:
    """Return the features of each vertex after the input.

    Args:
        out_features: The features of the output.
        inputs: For each vertex after the input the vertices that it takes.
    """
    last = len(inputs)
    sharing = [source for source in inputs[-1] if source]
    features = [0] * last + [out_features]
    for rank, vertex in enumerate(sharing):
        features[vertex] = out_features // len(sharing) + (rank < out_features % len(sharing))
    for vertex in range(last - 1, 0, -1):
        if vertex not in sharing:
            features[vertex] = max(features[target] for target in range(1, last) if vertex in inputs[target - 1])
    return features[1:]


OpFactory = Callable[[int], nn.Module]
Projection = Callable[[int, int], nn.Module]


class NasBench101Cell(Mutable):
    """A cell that is any small directed acyclic graph, with an operation chosen for each vertex in it.

    Vertex 0 is the input, the last one the output; both count. Each vertex takes some of the earlier ones; an operation
    is applied to their sum, and the output is the concatenation of its vertices. The input is projected to the features
    of each vertex that takes it, and added to the output if that takes it. The features of the output are divided among
    its vertices, any other vertex has the most features of those that take it, and more features than needed are cut
    off.

    The labels are ``{label}/num_nodes``, ``{label}/op1``, ... and ``{label}/input1``, ... The space has a constraint:
    at most ``max_num_edges`` edges, and no vertex that leads nowhere. Strategies meet it while sampling;
    `SearchSpace.size` does not count it. The model that is not fixed projects the input to the output.

    One-shot strategies refuse it: the shapes of the operations depend on the whole graph.

    Args:
        op_candidates: Functions of a number of features that return a module without choices; in a list, or by name in
            a dict.
        in_features: The features (channels) of the input; may be a choice.
        out_features: Those of the output; may be a choice. At least as many as there can be vertices.
        projection: A function of the numbers of input and output features that returns a module.
        max_num_nodes: How many vertices there may be, input and output included.
        max_num_edges: How many edges there may be.
        label: The name of the cell. Cells of one label choose the same.

    Raises:
        DomainError: A number is impossible, or a candidate is no function that returns a module without choices.

    Reference:
        Ying et al. (2019), arXiv:1902.09635, section 2. Deviation: graphs with vertices that lead nowhere are ruled out
        instead of pruned; each is the same network as a smaller graph.

    Examples:
        >>> ops = [lambda n: nn.Conv2d(n, n, 3, padding=1), lambda n: nn.MaxPool2d(3, 1, 1)]
        >>> cell = nn.NasBench101Cell(ops, 16, 32, lambda i, o: nn.Conv2d(i, o, 1), label="cell")
    """

    may_need_constructor = False

    def __init__(
        self,
        op_candidates: Sequence[OpFactory] | Mapping[str, OpFactory],
        in_features: Any,
        out_features: Any,
        projection: Projection,
        max_num_nodes: int = 7,
        max_num_edges: int = 9,
        label: str | None = None,
    ) -> None:
        super().__init__()
        self._label = ModelNamespace.next_label() if label is None else label
        for name, number, least in (("max_num_nodes", max_num_nodes, 2), ("max_num_edges", max_num_edges, 1)):
            if type(number) is not int or number < least:
                raise DomainError(
                    f"NasBench101Cell {self._label!r} has {name}={number!r}, expected an integer of at least {least}."
                )
        self.op_candidates: dict[Any, OpFactory] = (
            dict(op_candidates) if isinstance(op_candidates, Mapping) else dict(enumerate(op_candidates))
        )
        self.in_features = in_features
        self.out_features = out_features
        self.projection = projection
        self.max_num_nodes = max_num_nodes
        self.max_num_edges = max_num_edges
        self._choices = graph_choices(
            lambda name: new_label(sublabel(self._label, name)), self.op_candidates, max_num_nodes, max_num_edges
        )
        self._check_candidates()
        self._start = position()
        self.default = self._cell(_default(in_features), _default(out_features), [], [(0,)])

    def _check_candidates(self) -> None:
        for name, factory in self.op_candidates.items():
            is_factory = callable(factory) and not isinstance(factory, nn.Module)
            op = factory(_default(self.out_features)) if is_factory else None
            if not isinstance(op, nn.Module) or has_choices(op):
                found = f"gives {op!r}" if is_factory else f"is {factory!r}"
                raise DomainError(
                    f"NasBench101Cell {self._label!r} has the candidate {name!r}, which {found}. Expected a function "
                    "of the number of features that returns a module without choices."
                )

    @property
    def label(self) -> str:
        """The name of the cell; provisional if it is automatic and not made inside a ``@model_wrapper`` class."""
        return self._label

    def declare_choices(self, survey: Survey) -> None:
        """Report the number of vertices, their operations and inputs, and which graphs are valid."""
        survey.expression(self.in_features, "in_features")
        survey.expression(self.out_features, "out_features")
        for name, choice in self._choices.items():
            with survey.under(graph_condition(self._choices, name)):
                survey.choice(choice, name)
        survey.constraint(lambda final: ValidCell(final(self._label), self.max_num_edges))

    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return the graph that is chosen, with new weights unless it is that of the base model.

        Raises:
            ArchitectureError: The graph has too many edges, or a vertex that leads nowhere.
        """
        count = freezer.value(self._choices["num_nodes"])
        inputs = [freezer.value(self._choices[f"input{i}"]) for i in range(1, count)]
        ops = [self.op_candidates[freezer.value(self._choices[f"op{i}"])] for i in range(1, count - 1)]
        objection = ValidCell(self._label, self.max_num_edges).objection(inputs)
        if objection:
            raise ArchitectureError(
                f"The graph of NasBench101Cell {self._label!r} with the inputs {inputs} is not valid: {objection}.",
                label=self._label,
                got=inputs,
            )
        sizes = [freezer.evaluate(self.in_features), freezer.evaluate(self.out_features)]
        if count == 2 and sizes == [_default(self.in_features), _default(self.out_features)]:
            frozen = freezer.child(self, "default")
            return Frozen(frozen.module, ("default", *frozen.inner))
        built = freezer.build(lambda: self._cell(sizes[0], sizes[1], ops, inputs), self._start)
        match_placement(self, built.module)
        built.module.train(self.training)
        return built

    def _cell(
        self, in_features: int, out_features: int, ops: Sequence[OpFactory], inputs: Sequence[Sequence[int]]
    ) -> ChosenNasBench101Cell:
        features = vertex_features(out_features, inputs)
        if min(features) < 1:
            raise ArchitectureError(
                f"NasBench101Cell {self._label!r} has out_features={out_features}, which is less than the "
                f"{len(inputs[-1])} vertices that share them. Give it more features or fewer vertices.",
                label=self._label,
            )
        cell = ChosenNasBench101Cell(features, inputs)
        for vertex, sources in enumerate(inputs, 1):
            if 0 in sources:
                cell.projections[str(vertex)] = self.projection(in_features, features[vertex - 1])
        for vertex, op in enumerate(ops, 1):
            cell.ops.append(op(features[vertex - 1]))
        return cell

    def forward(self, inputs: Tensor) -> Tensor:
        """Project the input to the output."""
        output: Tensor = self.default(inputs)
        return output

    def extra_repr(self) -> str:
        """Return the label."""
        return f"label={self._label!r}"


def _default(features: Any) -> Any:
    return features.default() if isinstance(features, Expression) else features
