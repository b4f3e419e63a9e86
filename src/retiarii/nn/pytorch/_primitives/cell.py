"""`Cell`: a small graph of operations, as in NASNet, ENAS and DARTS; and `ChosenCell`, its fixed form."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from retiarii.errors import DomainError
from retiarii.nn._labels.chosen_values import ChosenValues, FixingContext
from retiarii.nn._labels.namespace import ModelNamespace, Position, numbering_from, position, sublabel
from retiarii.nn.pytorch._labels.weight_origins import note_supernet_names
from retiarii.nn.pytorch._primitives.input_choice import ChosenInputs, InputChoice, reduce_inputs
from retiarii.nn.pytorch._primitives.layer_choice import LayerChoice
from retiarii.nn.pytorch.mutation_utils import Freezer, Frozen, Mutable, Survey

OpFactory = Callable[[int, int, int], nn.Module]
Op = nn.Module | OpFactory
OpCandidates = Sequence[Op] | Mapping[str, Op]
Preprocessor = Callable[[list[Tensor]], list[Tensor]]
Postprocessor = Callable[[Tensor, list[Tensor]], Any]


class CellBody(nn.Module):
    """Nodes that each sum up operations on earlier nodes.

    Attributes:
        preprocessor: Is applied to the list of inputs; None does nothing.
        ops: For each node the operations.
        inputs: For each operation the module that picks its input from the nodes so far, inputs first.
        postprocessor: Is applied to the output and the list of inputs; None does nothing.
        num_nodes: The number of nodes, without the inputs.
        num_ops_per_node: The number of operations that a node sums up.
        num_predecessors: The number of inputs.
        merge_op: ``"all"`` or ``"loose_end"``.
        concat_dim: The dimension along which nodes are joined to the output.
    """

    preprocessor: Preprocessor | None
    ops: nn.ModuleList
    inputs: nn.ModuleList
    postprocessor: Postprocessor | None

    def __init__(
        self, num_nodes: int, num_ops_per_node: int, num_predecessors: int, merge_op: str, concat_dim: int
    ) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        self.num_ops_per_node = num_ops_per_node
        self.num_predecessors = num_predecessors
        self.merge_op = merge_op
        self.concat_dim = concat_dim

    def run(self, inputs: tuple[Any, ...], joined: list[int]) -> Any:
        """Return the output of the cell, with these nodes in it."""
        given = list(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) else list(inputs)
        if len(given) != self.num_predecessors:
            raise ValueError(f"The cell has num_predecessors={self.num_predecessors}, but got {len(given)} inputs.")
        nodes = given if self.preprocessor is None else self.preprocessor(given)
        nodes = list(nodes)
        for ops, picks in zip(self.ops, self.inputs, strict=True):
            outputs = [op(pick(nodes)) for op, pick in zip(ops.children(), picks.children(), strict=True)]
            nodes.append(reduce_inputs(outputs, "sum"))
        output = torch.cat([nodes[index] for index in joined], self.concat_dim)
        return output if self.postprocessor is None else self.postprocessor(output, given)


class ChosenCell(CellBody):
    """A cell whose operations and inputs are chosen.

    Attributes:
        output_node_indices: The nodes that are joined to the output.
    """

    output_node_indices: list[int]

    @staticmethod
    def edge_name(row: int, column: int, source: int) -> str:
        """Return the name that a supernet gives to the operations of one place that were built for one input."""
        return f"{row}_{column}_{source}"

    def forward(self, *inputs: Any) -> Any:
        """Run the cell on a list of tensors, or on several tensors."""
        return self.run(inputs, self.output_node_indices)


def loose_ends(chosen: list[list[int]], num_predecessors: int) -> list[int]:
    """Return the nodes that no operation takes as its input; there always is one, the last.

    Args:
        chosen: For each node the inputs of its operations.
        num_predecessors: The number of the first node.
    """
    used = {index for inputs in chosen for index in inputs}
    return [index for index in range(num_predecessors, num_predecessors + len(chosen)) if index not in used]


class Cell(CellBody, Mutable):
    """A graph of nodes, each the sum of operations on earlier nodes; operations and their inputs are chosen.

    The inputs of the cell ("predecessors") come first in the numbering: with two predecessors, 0 and 1 are the inputs,
    and 2 is the first node. The label of the first operation of node 2 is ``{label}/op_2_0``, and the choice of its
    input has the label ``{label}/input_2_0``. The output is the concatenation of all nodes, or of those that no other
    node uses.

    The base model runs the first candidate everywhere, on the first input.

    Args:
        op_candidates: The operations to choose from, in a list, or by name in a dict. Each is a module, of which every
            place in the cell gets a copy, or a function of three integers (node, operation in the node, node that is
            its input) that returns a module. With functions, strides may depend on where the input comes from.
        num_nodes: The number of nodes, without the predecessors.
        num_ops_per_node: The number of operations of each node.
        num_predecessors: The number of inputs of the cell.
        merge_op: ``"all"``: the output has all nodes. ``"loose_end"``: it has the nodes that no operation takes as its
            input, so its size depends on the architecture, see `output_node_indices`.
        preprocessor: Called with the list of inputs; returns a list of the same length.
        postprocessor: Called with the output and the list of inputs; returns the result of the cell.
        concat_dim: The dimension along which nodes are joined.
        label: The name of the cell. Cells of one label choose the same.

    Raises:
        DomainError: A number is below 1, ``merge_op`` is unknown, or the candidates are no list or dict of modules or
            functions.

    Reference:
        Zoph et al. (2018), arXiv:1707.07012, section 3; ``loose_end`` is the rule of NASNet, ``all`` that of DARTS (Liu
        et al., 2019), arXiv:1806.09055. Both operations of a node may take the same input, as in the original code.

    Examples:
        >>> self.cell = nn.Cell([nn.Conv2d(8, 8, 3, padding=1), nn.MaxPool2d(3, 1, 1)], 4, 2, 2, label="cell")
        >>> out = self.cell([x, y])  # or self.cell(x, y)
    """

    def __init__(
        self,
        op_candidates: OpCandidates | Callable[[], OpCandidates],
        num_nodes: int,
        num_ops_per_node: int = 1,
        num_predecessors: int = 1,
        merge_op: Literal["all", "loose_end"] = "all",
        preprocessor: Preprocessor | None = None,
        postprocessor: Postprocessor | None = None,
        concat_dim: int = 1,
        *,
        label: str | None = None,
    ) -> None:
        super().__init__(num_nodes, num_ops_per_node, num_predecessors, merge_op, concat_dim)
        self._label = ModelNamespace.next_label() if label is None else label
        self._check()
        self.op_candidates = _listed(op_candidates)
        _claim_templates(self.op_candidates)
        self.preprocessor = preprocessor
        self.ops = nn.ModuleList(nn.ModuleList() for _ in range(num_nodes))
        self.inputs = nn.ModuleList(nn.ModuleList() for _ in range(num_nodes))
        self.postprocessor = postprocessor
        self._built_on: list[list[int]] = []  # for each operation the input that its functions were called with
        self._starts: dict[tuple[int, int, str], Position] = {}  # for each candidate, so that it can be built again
        self.is_output_read = False  # whether a constructor depends on output_node_indices
        self.may_need_constructor = merge_op == "loose_end"
        for row in range(num_nodes):
            self._built_on.append([self._add(row, column) for column in range(num_ops_per_node)])

    def _check(self) -> None:
        for name in ("num_nodes", "num_ops_per_node", "num_predecessors"):
            number = getattr(self, name)
            if type(number) is not int or number < 1:
                raise DomainError(f"Cell {self._label!r} has {name}={number!r}, expected an integer of at least 1.")
        if self.merge_op not in ("all", "loose_end"):
            raise DomainError(f"Cell {self._label!r} has merge_op={self.merge_op!r}, expected 'all' or 'loose_end'.")

    def _add(self, row: int, column: int) -> int:
        """Add the choices of one operation; return the input that is taken if nothing else is chosen."""
        node = row + self.num_predecessors
        pick = InputChoice(node, 1, label=sublabel(self._label, f"input_{node}_{column}"))
        values = ChosenValues.current()
        source = int(values.of(pick.choice())) if values is not None and pick.label in values else 0
        named = {name: self._make(row, column, source, name) for name in self._names()}
        candidates = named if isinstance(self.op_candidates, dict) else list(named.values())
        self._grid(self.ops, row).append(LayerChoice(candidates, label=sublabel(self._label, f"op_{node}_{column}")))
        self._grid(self.inputs, row).append(pick)
        return source

    def _names(self) -> list[str]:
        return (
            list(self.op_candidates)
            if isinstance(self.op_candidates, dict)
            else [str(index) for index in range(len(self.op_candidates))]
        )

    def _candidate(self, name: str) -> Op:
        return self.op_candidates[name] if isinstance(self.op_candidates, dict) else self.op_candidates[int(name)]

    def _make(self, row: int, column: int, source: int, name: str) -> nn.Module:
        candidate = self._candidate(name)
        if isinstance(candidate, nn.Module):
            return copy.deepcopy(candidate)
        self._starts[row, column, name] = position()
        return candidate(row + self.num_predecessors, column, source)

    @staticmethod
    def _grid(rows: nn.Module, row: int) -> nn.ModuleList:
        found = rows._modules[str(row)]
        assert isinstance(found, nn.ModuleList)
        return found

    @property
    def label(self) -> str:
        """The name of the cell; provisional if it is automatic and not made inside a ``@model_wrapper`` class."""
        return self._label

    @property
    def output_node_indices(self) -> list[int]:
        """The nodes in the output; their number gives the size of the layer after the cell.

        With ``merge_op="loose_end"`` they depend on the architecture. A constructor that reads them has to run again
        for each architecture: decorate the model with `model_wrapper`, or build it inside `fixed_arch`.
        """
        self.is_output_read = True
        return self.joined_nodes(self._built_on)

    def joined_nodes(self, chosen: list[list[int]]) -> list[int]:
        """Return the nodes that are joined to the output.

        Args:
            chosen: For each node the inputs of its operations.
        """
        first = self.num_predecessors
        return list(range(first, first + len(chosen))) if self.merge_op == "all" else loose_ends(chosen, first)

    def built_source(self, row: int, column: int) -> int | None:
        """Return the input that the functions of one place were called with; None if all candidates are modules."""
        is_made = any(place[:2] == (row, column) for place in self._starts)
        return self._built_on[row][column] if is_made else None

    def build_candidate(self, row: int, column: int, source: int, name: str) -> nn.Module | None:
        """Build a candidate of one place for another input, with the labels that it has here.

        Returns:
            None if the candidate is a module, which all inputs share.
        """
        start = self._starts.get((row, column, name))
        if start is None:
            return None
        with numbering_from(start):
            return self._make(row, column, source, name)

    def declare_choices(self, survey: Survey) -> None:
        """Report the choices of inputs and operations, and those of the candidates and processors."""
        self._declare(survey, "preprocessor")
        for row in range(self.num_nodes):
            for column in range(self.num_ops_per_node):
                for rows in ("inputs", "ops"):
                    with survey.inside(f"{rows}.{row}"):
                        survey.child(self._grid(getattr(self, rows), row), str(column))
        self._declare(survey, "postprocessor")

    def _declare(self, survey: Survey, name: str) -> None:
        if name in self._modules:
            survey.child(self, name)

    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return the cell with chosen operations and inputs."""
        cell = ChosenCell(self.num_nodes, self.num_ops_per_node, self.num_predecessors, self.merge_op, self.concat_dim)
        cell.training = self.training
        self._freeze_processor(freezer, cell, "preprocessor")
        cell.ops = nn.ModuleList(nn.ModuleList() for _ in range(self.num_nodes)).train(self.training)
        cell.inputs = nn.ModuleList(nn.ModuleList() for _ in range(self.num_nodes)).train(self.training)
        self._freeze_processor(freezer, cell, "postprocessor")
        chosen = [self._freeze_node(freezer, cell, row) for row in range(self.num_nodes)]
        if self._starts:  # functions make operations for each input, and a supernet has them all
            note_supernet_names(cell, dict(_edges(chosen)))
        cell.output_node_indices = self.joined_nodes(chosen)
        if self.is_output_read and cell.output_node_indices != self.joined_nodes(self._built_on):
            freezer.need_constructor("A constructor read output_node_indices of the cell")
        return Frozen(cell)

    def _freeze_processor(self, freezer: Freezer, cell: ChosenCell, name: str) -> None:
        if name in self._modules:
            frozen = freezer.child(self, name)
            cell.register_module(name, frozen.module)
            freezer.attach(cell, name, frozen)
        else:
            setattr(cell, name, getattr(self, name))

    def _freeze_node(self, freezer: Freezer, cell: ChosenCell, row: int) -> list[int]:
        sources = []
        for column in range(self.num_ops_per_node):
            name = str(column)
            pick = freezer.child(self._grid(self.inputs, row), name, f"inputs.{row}.{name}")
            assert isinstance(pick.module, ChosenInputs)
            sources.append(int(pick.module.chosen[0]))
            freezer.attach(self._grid(cell.inputs, row), name, pick)
            freezer.attach(self._grid(cell.ops, row), name, self._freeze_op(freezer, row, column, sources[-1]))
        return sources

    def _freeze_op(self, freezer: Freezer, row: int, column: int, source: int) -> Frozen:
        op = self._grid(self.ops, row)._modules[str(column)]
        if isinstance(op, LayerChoice) and source != self._built_on[row][column]:
            name = op.chosen_name(freezer)
            if (row, column, name) in self._starts:  # made by a function, which is told of the input
                start = self._starts[row, column, name]
                built = freezer.build(lambda: self._make(row, column, source, name), start)
                return Frozen(built.module.train(op[name].training), (name, *built.inner))
        return freezer.child(self._grid(self.ops, row), str(column), f"ops.{row}.{column}")

    def forward(self, *inputs: Any) -> Any:
        """Run the cell with the first candidates, on a list of tensors, or on several tensors."""
        return self.run(inputs, self.joined_nodes(self._built_on))

    def extra_repr(self) -> str:
        """Return the label."""
        return f"label={self._label!r}"


def _edges(chosen: list[list[int]]) -> Iterator[tuple[str, str]]:
    """Yield where the operations are in a cell, and where a supernet has those for the chosen inputs."""
    for row, sources in enumerate(chosen):
        for column, source in enumerate(sources):
            yield f"ops.{row}.{column}.", f"edges.{ChosenCell.edge_name(row, column, source)}."


def _claim_templates(op_candidates: list[Op] | dict[str, Op]) -> None:
    fixing = FixingContext.current()
    for candidate in op_candidates.values() if isinstance(op_candidates, dict) else op_candidates:
        if fixing is not None and isinstance(candidate, nn.Module):
            fixing.claim(candidate)


def _listed(op_candidates: Any) -> list[Op] | dict[str, Op]:
    if isinstance(op_candidates, (Mapping, nn.ModuleDict)):
        return dict(op_candidates.items())
    if isinstance(op_candidates, (list, tuple, nn.ModuleList)):
        return list(op_candidates)
    if callable(op_candidates):
        warnings.warn(
            "A function as op_candidates is deprecated. Give a list or dict.", DeprecationWarning, stacklevel=3
        )
        return _listed(op_candidates())
    raise DomainError(f"Cell got op_candidates={op_candidates!r}, expected a list or a dict of modules or functions.")
