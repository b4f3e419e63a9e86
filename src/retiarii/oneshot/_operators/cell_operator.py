"""`CellOperator`: a cell in a supernet."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch import ChosenCell, LayerChoice
from retiarii.nn.pytorch.primitives import reduce_inputs
from retiarii.oneshot._decisions.decision import Decision
from retiarii.oneshot._decisions.label_lookup import Lookup
from retiarii.oneshot._operators.choice_operator import ChoiceOperator
from retiarii.oneshot._operators.operator import active_tensor, weighted_sum
from retiarii.oneshot._operators.tensor_traits import match_tensors


class CellOperator(ChoiceOperator):
    """Runs a cell with operators for its operations and inputs.

    Candidates that are functions or classes are built once for each possible input, as the edges of DARTS, and a
    mixture is the weighted sum over the edges. Candidates that are modules are shared by all inputs; a mixture then
    mixes the inputs and runs them once. With ``merge_op="loose_end"`` a mixture joins all nodes, each times the
    probability that no later operation takes it: the expectation of the output of a path, with zeros for nodes that are
    taken. (NNI joins all nodes unchanged, on paths too, so that the exported network is not the trained one.)

    Args:
        path: Its path in the model, for messages.
        cell: The primitive, its children converted.
        lookup: The decisions of the supernet.
        convert: Makes operators of the choices inside a module; given the module and its path.

    Raises:
        SupernetError: A constructor used which nodes are loose ends, which depends on the architecture.
    """

    def __init__(self, path: str, cell: Any, lookup: Lookup, convert: Callable[[nn.Module, str], nn.Module]) -> None:
        super().__init__(path, cell, lookup)
        if cell.merge_op == "loose_end" and cell.is_output_read:
            raise SupernetError(
                f"{path!r} is a cell with merge_op='loose_end', and a constructor used its output_node_indices, so "
                "that later layers depend on the architecture. Use merge_op='all', or a multi-trial strategy.",
                path=path,
            )
        self.edges = nn.ModuleDict()
        for row in range(cell.num_nodes):
            for column in range(cell.num_ops_per_node):
                self._add_edges(row, column, convert)
        self.edges.train(cell.training)

    def _add_edges(self, row: int, column: int, convert: Callable[[nn.Module, str], nn.Module]) -> None:
        """Build the operations of one place for all inputs except the one for which the cell has built them."""
        cell, operator = self.mutable, self.mutable.ops[row][column]
        built_on = cell.built_source(row, column)
        if built_on is None:
            return
        for source in range(row + cell.num_predecessors):
            if source != built_on:
                candidates = {name: self._built(row, column, source, name) for name in operator.mutable.names}
                named = candidates if isinstance(operator.mutable.candidates, dict) else list(candidates.values())
                key = ChosenCell.edge_name(row, column, source)
                self.edges[key] = convert(LayerChoice(named, label=operator.mutable.label), f"{self.path}.edges.{key}")

    def _built(self, row: int, column: int, source: int, name: str) -> nn.Module:
        known: nn.Module = self.mutable.ops[row][column]._modules[name]
        built: nn.Module | None = self.mutable.build_candidate(row, column, source, name)
        if built is None:  # a module among functions: shared by all inputs
            return known
        match_tensors(built, known, around=self.mutable)
        return built

    def forward(self, *inputs: Any) -> Any:
        """Run the cell on a list of tensors, or on several tensors."""
        cell = self.mutable
        given = list(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) else list(inputs)
        nodes = list(given if cell.preprocessor is None else cell.preprocessor(given))
        for row in range(cell.num_nodes):
            outputs = [self._op(row, column, nodes) for column in range(cell.num_ops_per_node)]
            nodes.append(reduce_inputs(outputs, "sum"))
        output = torch.cat(self._joined(nodes), cell.concat_dim)
        return output if cell.postprocessor is None else cell.postprocessor(output, given)

    def active_tensor(self, name: str) -> Tensor:
        """Return a tensor of the active path; where there are edges, of the operation on the chosen input."""
        kind, *rest = name.split(".", 3)
        if kind == "ops":
            edge = self._edge(int(rest[0]), int(rest[1]), self._pick(int(rest[0]), int(rest[1])).value)
            return active_tensor(edge, rest[2])
        return super().active_tensor(name)

    def _op(self, row: int, column: int, nodes: list[Tensor]) -> Any:
        cell, pick = self.mutable, self._pick(row, column)
        if pick.weights is None:
            return self._edge(row, column, pick.value)(nodes[pick.value])
        if not any(key.startswith(f"{row}_{column}_") for key in self.edges):
            return cell.ops[row][column](cell.inputs[row][column](nodes))
        shares, positions = pick.weights.unbind(), list(pick.positions)
        outputs = [self._edge(row, column, at)(nodes[at]) for at in positions]
        return weighted_sum([shares[at] for at in positions], outputs, self.path, [pick])

    def _pick(self, row: int, column: int) -> Decision:
        (decision,) = self.mutable.inputs[row][column].decisions
        assert isinstance(decision, Decision)
        return decision

    def _edge(self, row: int, column: int, source: int) -> nn.Module:
        key = ChosenCell.edge_name(row, column, source)
        op: nn.Module = self.edges[key] if key in self.edges else self.mutable.ops[row][column]
        return op

    def _joined(self, nodes: list[Tensor]) -> list[Tensor]:
        """Return the nodes that are joined; in a mixture all nodes, times the probability that they are joined."""
        cell = self.mutable
        picks = [[self._pick(row, column) for column in range(cell.num_ops_per_node)] for row in range(cell.num_nodes)]
        if cell.merge_op == "loose_end" and picks[0][0].weights is not None:
            return [nodes[node] * share if share is not None else nodes[node] for node, share in self._loose(picks)]
        chosen = [[pick.value for pick in row] for row in picks]
        return [nodes[index] for index in cell.joined_nodes(chosen)]

    def _loose(self, picks: list[list[Decision]]) -> Iterator[tuple[int, Tensor | None]]:
        """Yield each node with the probability that no later operation takes it; None stands for 1 (the last node)."""
        first = self.mutable.num_predecessors
        for row in range(len(picks)):
            share: Tensor | None = None
            for pick in itertools.chain.from_iterable(picks[row + 1 :]):
                assert pick.weights is not None  # all decisions of a step are mixed, or none is
                free = 1 - pick.weights[first + row]
                share = free if share is None else share * free
            yield first + row, share
