"""`Operation`: what a node computes. `Arguments`: how its inputs and constants are passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

import torch
from torch import nn

from retiarii.errors import GraphError
from retiarii.graph._operations.nested_values import leaves, map_nested


class Kind(str, Enum):
    """The kind of an operation."""

    MODULE = "module"  # a layer with constructor parameters, opaque inside
    FUNCTION = "function"  # torch.cat, F.relu, operator.add, ...
    METHOD = "method"  # a method of its first input: view, size, ...
    ATTRIBUTE = "attribute"  # a parameter, a buffer, a constant tensor, or ``self.training``
    GRAPH = "graph"  # a module that has a graph of its own
    CHOICE = "choice"  # LayerChoice, InputChoice, Repeat, Cell, ... not fixed yet
    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True)
class Input:
    """One input edge in `Arguments`.

    Attributes:
        slot: The ``tail_slot`` of the edge.
    """

    slot: int


@dataclass(frozen=True)
class Inputs:
    """All input edges in `Arguments`, by slot: edges can be added and removed freely.

    Attributes:
        spread: True for one argument each (``f(a, b)``), False for one list (``torch.cat([a, b])``).
    """

    spread: bool = False


@dataclass(frozen=True)
class Arguments:
    """How a node is called: positional and keyword arguments, with `Input` and `Inputs` where edges end."""

    args: tuple[Any, ...] = (Inputs(spread=True),)
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def markers(self) -> Iterator[Input | Inputs]:
        """Yield the markers of all edges, in order."""
        return (leaf for leaf in leaves((self.args, self.kwargs)) if isinstance(leaf, (Input, Inputs)))

    @cached_property
    def slots(self) -> list[int] | None:
        """The slots that must have an edge; None if any number of edges is accepted."""
        markers = list(self.markers())
        if any(isinstance(marker, Inputs) for marker in markers):
            return None
        return sorted({marker.slot for marker in markers if isinstance(marker, Input)})

    def fill(self, inputs: Mapping[int, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Replace the markers by values.

        Args:
            inputs: Slot to value.

        Returns:
            The positional and the keyword arguments.
        """
        args: list[Any] = []
        for value in self.args:
            if isinstance(value, Inputs) and value.spread:
                args.extend(inputs[slot] for slot in sorted(inputs))
            else:
                args.append(_filled(value, inputs))
        return args, {name: _filled(value, inputs) for name, value in self.kwargs.items()}

    def map(self, function: Callable[[Any], Any]) -> Arguments:
        """Apply a function to every value that is not a container."""
        args = tuple(map_nested(value, function) for value in self.args)
        return Arguments(args, {name: map_nested(value, function) for name, value in self.kwargs.items()})


def _filled(value: Any, inputs: Mapping[int, Any]) -> Any:
    def fill(leaf: Any) -> Any:
        if isinstance(leaf, Input):
            return inputs[leaf.slot]
        if isinstance(leaf, Inputs):
            return [inputs[slot] for slot in sorted(inputs)]
        return leaf

    return map_nested(value, fill)


class Parameters(MutableMapping[str, Any]):
    """The constructor parameters of a node's operation, by name.

    Writing an entry changes the node that the parameters were read from, and no other model.
    """

    __slots__ = ("_on_write", "_values")

    def __init__(self, values: Mapping[str, Any], on_write: Callable[[dict[str, Any]], None] | None = None) -> None:
        self._values = dict(values)
        self._on_write = on_write

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._values = {**self._values, name: value}
        self._written()

    def __delitem__(self, name: str) -> None:
        self._values = {key: value for key, value in self._values.items() if key != name}
        self._written()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def _written(self) -> None:
        if self._on_write is None:
            raise TypeError("These parameters belong to no node. Use node.update_operation(type, parameters).")
        self._on_write(self._values)


@dataclass(frozen=True)
class Cast:
    """The dtype and ``requires_grad`` that a layer got after it was built.

    Attributes:
        dtype: The name of the dtype of its parameters; None for float32.
        frozen: Whether ``requires_grad`` is False for all its parameters.
    """

    dtype: str | None = None
    frozen: bool = False

    def apply(self, layer: nn.Module) -> nn.Module:
        """Apply the dtype and ``requires_grad`` to a layer, and return it."""
        if self.dtype is not None:
            layer.to(getattr(torch, self.dtype))
        return layer.requires_grad_(False) if self.frozen else layer

    @property
    def source(self) -> str:
        """The method calls on the new layer, as source code."""
        to = f".to(torch.{self.dtype})" if self.dtype is not None else ""
        return to + (".requires_grad_(False)" if self.frozen else "")


@dataclass(frozen=True, eq=False)
class Operation:
    """What a node computes; immutable, shared between forks of a model.

    Attributes:
        kind: The kind.
        type: The qualified name of the class or function; the name of a method; ``"parameter"``, ``"buffer"``,
            ``"constant"`` or ``"training"`` of an attribute.
        parameters: Constructor parameters of a module, by name (only those that were given). Empty for functions and
            methods: the constants that they are called with are in ``node.arguments``.
        cell: The name of the nested graph, if the kind is `Kind.GRAPH`.
        target: The class or function; None if it is imported by name when the model is built.
        instance: The layer of the traced model, whose weights the built layer copies; or the choice.
        whole: Whether the constructor's arguments are not known, so that only ``instance`` can be copied.
        cast: The dtype and ``requires_grad`` that the layer gets after it is built.
    """

    kind: Kind
    type: str
    parameters: MutableMapping[str, Any] = field(default_factory=dict)
    cell: str | None = None
    target: Any = field(default=None, repr=False)
    instance: nn.Module | None = field(default=None, repr=False)
    whole: bool = False
    cast: Cast = Cast()

    def with_parameters(self, parameters: Mapping[str, Any]) -> Operation:
        """Return the same operation with other parameters, and therefore with new weights.

        Raises:
            GraphError: The arguments of the layer's constructor are not known.
        """
        if self.whole:
            raise GraphError(
                f"The constructor's arguments of this {self.short_type} are not known, so it cannot be built with "
                "other ones. Replace it with node.update_operation(type, parameters)."
            )
        return replace(self, parameters=dict(parameters), instance=None)

    @property
    def short_type(self) -> str:
        """The last part of the type: ``Conv2d``."""
        return self.type.rpartition(".")[2]

    @property
    def has_member(self) -> bool:
        """Whether a node with this operation owns (or shares) a submodule."""
        return self.kind in (Kind.MODULE, Kind.GRAPH, Kind.CHOICE)
