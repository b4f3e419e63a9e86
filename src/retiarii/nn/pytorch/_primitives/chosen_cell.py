"""`ChosenCell`: a `Cell` with chosen operations and inputs; and the forward pass of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.nn.pytorch._primitives.input_choice import reduce_inputs

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
