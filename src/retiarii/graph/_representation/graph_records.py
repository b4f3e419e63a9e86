"""The immutable records of a graph, which forks of a model share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from retiarii.graph._operations.operation import Arguments, Input, Kind, Operation

INPUT_ID = 0
OUTPUT_ID = 1

Source = tuple[int, int | None]
"""Where an edge starts: the id of its head, and the head's slot (None for all that it returns)."""

CONTAINERS: dict[str, type[nn.Module]] = {
    kind.__name__: kind for kind in (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
}
"""Classes that the record of a module may name as its base, besides ``Module``."""


@dataclass(frozen=True)
class NodeRecord:
    """One node.

    Attributes:
        id: Unique in the graph, kept by forks.
        name: Unique in the graph, an identifier.
        operation: The operation.
        member: The path of its submodule relative to the graph's module; nodes with the same member share weights.
        label: The label of a placeholder or choice.
        arguments: The arguments of the call.
        inputs: Slot to the source of its edge.
    """

    id: int
    name: str
    operation: Operation
    member: str | None = None
    label: str | None = None
    arguments: Arguments = field(default_factory=Arguments)
    inputs: Mapping[int, Source] = field(default_factory=dict)

    def with_input(self, slot: int, source: Source) -> NodeRecord:
        """Return the record with one more edge."""
        return replace(self, inputs={**self.inputs, slot: source})

    def without_input(self, slot: int) -> NodeRecord:
        """Return the record with one edge less."""
        return replace(self, inputs={key: source for key, source in self.inputs.items() if key != slot})


@dataclass(frozen=True)
class TensorRecord:
    """A parameter, buffer or constant of a module, not of its submodules.

    Attributes:
        path: The path relative to the graph's module.
        kind: ``"parameter"``, ``"buffer"`` or ``"constant"``.
        shape: The shape.
        dtype: The dtype, such as ``"float32"``.
        requires_grad: Whether it needs a gradient.
        persistent: Whether a buffer is part of the state dict.
        fill: The value of all its elements if they are equal; else None.
        value: The tensor of the traced model; never written to.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    requires_grad: bool = False
    persistent: bool = True
    fill: float | int | bool | None = None
    value: torch.Tensor | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class ModuleRecord:
    """The module that a graph was made from, without the calls.

    Attributes:
        type: The canonical name of the class.
        base: ``"Module"``, or the container class that it derives from: ``"Sequential"``, ``"ModuleList"``, ...
        tensors: The module's own parameters, buffers and constants.
        order: Paths of submodules and tensors in the order of their registration.
        containers: Path to the class name of modules that only hold others: ``ModuleList``, ``ModuleDict``, ...
        idle: Path to the operation of submodules with weights that are never called.
        aliases: Second path of a submodule to its first path.
        ties: Second path of a submodule, parameter or buffer to its first path, across graphs.
    """

    type: str = "torch.nn.Module"
    base: str = "Module"
    tensors: tuple[TensorRecord, ...] = ()
    order: tuple[str, ...] = ()
    containers: Mapping[str, str] = field(default_factory=dict)
    idle: Mapping[str, Operation] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)

    @property
    def class_name(self) -> str:
        """The last part of the type."""
        return self.type.rpartition(".")[2]


@dataclass(eq=False, repr=False, slots=True)
class GraphData:
    """The records of one graph: written by one `Graph`, or frozen and shared by several.

    Attributes:
        records: Id to node; where edges allow several orders of execution, this order counts.
        module: The module that the graph was made from.
        input_names: The parameters of ``forward``.
        next_id: The id of the next node.
        frozen: Whether forks share the data, so that they must not change.
        cache: Results that were derived from the records; cleared with every change.
    """

    records: dict[int, NodeRecord]
    module: ModuleRecord
    input_names: tuple[str, ...]
    next_id: int
    frozen: bool = False
    cache: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def empty(cls, module: ModuleRecord, input_names: tuple[str, ...]) -> GraphData:
        """Return a graph of nothing but its input and output nodes."""
        records = {
            INPUT_ID: NodeRecord(INPUT_ID, "_inputs", Operation(Kind.INPUT, "_inputs"), arguments=Arguments(())),
            OUTPUT_ID: NodeRecord(OUTPUT_ID, "_outputs", Operation(Kind.OUTPUT, "_outputs"), arguments=SINGLE),
        }
        return cls(records, module, input_names, 2)

    def thaw(self) -> GraphData:
        """Return a copy that may be written; the records themselves stay shared."""
        return GraphData(dict(self.records), self.module, self.input_names, self.next_id)


def full_path(graph: str, member: str) -> str:
    """Return the path in the model of a node or submodule of a graph.

    Args:
        graph: The name of the graph.
        member: The path of a submodule, or the name of a node, in the graph.
    """
    return member if graph.startswith("_") else f"{graph}.{member}"


SINGLE = Arguments((Input(0),))
"""The arguments of a node that takes exactly one value, such as the output."""
