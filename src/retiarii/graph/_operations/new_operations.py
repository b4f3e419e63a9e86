"""Operations from what users write: a class, a function, or a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from retiarii.errors import GraphError
from retiarii.graph._operations.layer_reading import LayerReader
from retiarii.graph._operations.operation import Arguments, Inputs, Kind, Operation
from retiarii.graph._operations.qualified_names import is_function_name, type_name
from retiarii.nn.pytorch._layers import layer_class

TAKES_LIST = {
    f"torch.{name}"
    for name in "cat concat concatenate stack hstack vstack dstack column_stack row_stack block_diag".split()
}


def make_operation(
    operation: Any, parameters: Mapping[str, Any], node: str | None = None
) -> tuple[Operation, dict[str, Any]]:
    """Return the operation that a user means, and the constants that it is called with.

    Args:
        operation: An `Operation`, a module class, a layer that was constructed by `retiarii.nn.pytorch`, a function,
            or the qualified name of a class, a function or a tensor method (``"torch.Tensor.view"``).
        parameters: Constructor parameters of a module, or constants of a call.
        node: Where, for messages.

    Raises:
        GraphError: ``operation`` is none of these.
    """
    if isinstance(operation, Operation):
        return (operation.with_parameters({**operation.parameters, **parameters}) if parameters else operation), {}
    if isinstance(operation, nn.Module):
        return _of_instance(operation, parameters, node), {}
    name = type_name(operation)
    if name.startswith("torch.Tensor."):
        return Operation(Kind.METHOD, name.rpartition(".")[2]), dict(parameters)
    target = None if isinstance(operation, str) else layer_class(operation)
    if isinstance(operation, str) and "." not in name:
        raise GraphError(
            f"{name!r} is not a qualified name. Expected a class or function, or a name such as 'torch.nn.Conv2d'.",
            node=node,
        )
    is_function = callable(target) and not isinstance(target, type)
    if is_function or is_function_name(name):
        return Operation(Kind.FUNCTION, name, target=target), dict(parameters)
    return Operation(Kind.MODULE, name, dict(parameters), target=target), {}


def _of_instance(module: nn.Module, parameters: Mapping[str, Any], node: str | None) -> Operation:
    operation = LayerReader().operation(module, node or type(module).__name__)
    return operation.with_parameters({**operation.parameters, **parameters}) if parameters else operation


def default_arguments(operation: Operation, constants: Mapping[str, Any]) -> Arguments:
    """Return how a new node calls its operation: all inputs first, as a list where the function wants one."""
    spread = operation.type not in TAKES_LIST
    return Arguments((Inputs(spread=spread),), dict(constants))
