"""Choices that make up any small directed acyclic graph with an operation at each vertex, as in NAS-Bench-101.

`retiarii.nn.pytorch.NasBench101Cell` declares them in a model, and `retiarii.benchmarks` in the space of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retiarii.space._architecture import Architecture
from retiarii.space._categorical import Categorical
from retiarii.space._condition import ALWAYS, Condition, when
from retiarii.space._subset import Subset

__all__ = ["GraphChoices", "ValidCell", "graph_choices", "graph_condition"]

GraphChoices = dict[str, Categorical | Subset]


@dataclass(frozen=True)
class ValidCell:
    """The constraint that a graph has at most so many edges, and every vertex leads to the output.

    Attributes:
        label: The name of the cell.
        max_num_edges: How many edges there may be.
    """

    label: str
    max_num_edges: int

    def __call__(self, architecture: Architecture) -> bool:
        """Return whether there are not too many edges, and every vertex leads to the output; true where inactive."""
        return f"{self.label}/num_nodes" not in architecture or not self.objection(self.inputs(architecture))

    def inputs(self, architecture: Mapping[str, Any]) -> list[tuple[int, ...]]:
        """Return the inputs of each vertex, from the first operation to the output."""
        return [architecture[f"{self.label}/input{i}"] for i in range(1, architecture[f"{self.label}/num_nodes"])]

    def objection(self, inputs: Sequence[Sequence[int]]) -> str:
        """Return why a graph is not valid, or an empty string."""
        edges = sum(map(len, inputs))
        if edges > self.max_num_edges:
            return f"it has {edges} edges, expected at most {self.max_num_edges}"
        unused = set(range(len(inputs))) - {source for sources in inputs for source in sources}
        return f"no vertex takes the output of vertex {min(unused)}" if unused else ""


def graph_choices(
    label_of: Callable[[str], str], operations: Iterable[Any], max_num_nodes: int, max_num_edges: int
) -> GraphChoices:
    """Return the choices of a graph by their names, without conditions (see `graph_condition`).

    The names are ``num_nodes`` (input and output count), ``op1``, ... and ``input1``, ... Vertex 0 is the input, and
    each vertex takes some of the earlier ones.

    Args:
        label_of: Returns the label of a name.
        operations: The names of the operations.
        max_num_nodes: How many vertices there may be, 2 or more.
        max_num_edges: How many edges there may be.
    """
    counts = tuple(range(2, min(max_num_nodes, max_num_edges + 1) + 1))
    choices: GraphChoices = {"num_nodes": Categorical(label_of("num_nodes"), values=counts)}
    for i in range(1, counts[-1]):
        sources = tuple(range(i))
        choices[f"input{i}"] = Subset(label_of(f"input{i}"), values=sources, min_chosen=1, max_chosen=i)
        if i < counts[-1] - 1:
            choices[f"op{i}"] = Categorical(label_of(f"op{i}"), values=tuple(operations), by_index=True)
    return choices


def graph_condition(choices: GraphChoices, name: str) -> Condition:
    """Return when a choice of a graph is active: where there are enough vertices."""
    count = choices["num_nodes"]
    if name == "num_nodes":
        return ALWAYS
    least = int(name.removeprefix("input")) + 1 if name.startswith("input") else int(name.removeprefix("op")) + 2
    return when(count.label, *(value for value in count.values if isinstance(value, int) and value >= least))
