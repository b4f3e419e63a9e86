"""`build_layer`: the layer of an operation, and the arguments of its constructor."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer

from retiarii.errors import GraphError
from retiarii.graph._operations.layer_reading import call_arguments
from retiarii.graph._operations.nested_values import map_nested
from retiarii.graph._operations.operation import Kind, Operation
from retiarii.graph._operations.qualified_names import check_method, resolve_class, resolve_function
from retiarii.graph._operations.safe_names import is_name
from retiarii.graph._operations.torch_layers import constructor_signature
from retiarii.nn.pytorch.constructor_calls import forget_call, module_call
from retiarii.space import Expression

_BY_POSITION = 2


def layer_type(operation: Operation, where: str) -> type[nn.Module]:
    """Return the class of a layer, imported if need be.

    Raises:
        GraphError: There is no such class, or it is not a module.
    """
    if isinstance(operation.target, type):
        return operation.target
    return resolve_class(operation.type, node=where)


def function_of(operation: Operation, where: str) -> Callable[..., Any]:
    """Return what a function or method node calls.

    Raises:
        GraphError: There is no such function, or a graph may not call it; see `qualified_names`.
    """
    if operation.kind is Kind.METHOD:
        check_method(operation.type, where)
        return lambda value, /, *args, **kwargs: getattr(value, operation.type)(*args, **kwargs)
    if operation.type == "builtins.getattr":
        return lambda value, name: getattr(value, public_name(name, where))
    function: Callable[..., Any] = operation.target or resolve_function(operation.type, node=where)
    return function


def public_name(name: Any, where: str) -> str:
    """Return the name of an attribute that a graph may read.

    Args:
        name: The second argument of ``getattr``.
        where: The path of the node.

    Raises:
        GraphError: The name is not a string, not an identifier, or private.
    """
    if not isinstance(name, str) or not is_name(name) or name.startswith("_"):
        raise GraphError(
            f"Node {where!r} reads the attribute {name!r}. A graph may read attributes with plain names only, such as "
            "'shape'.",
            node=where,
        )
    return name


def build_layer(operation: Operation, where: str, *, keep_weights: bool = True) -> nn.Module:
    """Return a new layer: a copy of the traced layer with its weights, or one from the constructor.

    Args:
        operation: What to build.
        where: The path of the node, for messages.
        keep_weights: False always calls the constructor.

    Raises:
        GraphError: The class does not exist, or its constructor raises.
    """
    if operation.instance is not None and keep_weights:
        try:
            return plain_copy(operation.instance)
        except RuntimeError as err:
            raise GraphError(f"Node {where!r} ({operation.type}) cannot be copied: {err}", node=where) from err
    check_arguments_known(operation, where)
    cls = layer_type(operation, where)
    args, kwargs = call_arguments(cls, operation.parameters, where)
    args, kwargs = map_nested((args, kwargs), lambda value: _argument(value, where))
    try:
        layer = cls(*args, **kwargs)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AssertionError) as err:
        shown = ", ".join(f"{name}={value!r}" for name, value in operation.parameters.items())
        raise GraphError(
            f"Node {where!r}: {operation.type}({shown}) cannot be built: {type(err).__name__}: {err}", node=where
        ) from err
    forget_call(layer)
    return operation.cast.apply(layer)


def check_arguments_known(operation: Operation, where: str) -> None:
    """Check that the constructor's arguments are known, so that a layer can be built or written as code or JSON.

    Raises:
        GraphError: The arguments are not known.
    """
    if operation.whole:
        raise GraphError(
            f"The constructor arguments of {where!r} ({operation.type}) cannot be read from its attributes: it was "
            "changed after it was built (hooks count too), or does not keep its arguments. It can be copied with its "
            "weights, but it cannot be built again or written as code or JSON. Build it through retiarii.nn.pytorch "
            "and do not change it, or put it into a class that is marked with @basic_unit.",
            node=where,
        )


def _argument(value: Any, where: str) -> Any:
    if isinstance(value, Operation):
        return build_layer(value, where)
    if isinstance(value, Expression):
        return value.default()
    return value


def plain_copy(module: nn.Module) -> nn.Module:
    """Return a deep copy of a module without the records of how it was built."""
    memo: dict[int, Any] = {}
    for inner in module.modules():
        call = module_call(inner)
        if call is not None:
            memo[id(call)] = None  # the copy needs no record
        for value in inner._buffers.values():
            if isinstance(value, UninitializedBuffer):  # torch cannot copy these
                memo[id(value)] = _empty_buffer(device=value.device, dtype=value.dtype)
    twin = copy.deepcopy(module, memo)
    for inner in twin.modules():
        forget_call(inner)
    return twin


_empty_buffer: Callable[..., torch.Tensor] = UninitializedBuffer  # the type stubs are wrong


def source_arguments(operation: Operation, where: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments as people write them: the first two required ones by position, the others by name.

    Raises:
        GraphError: The constructor has no such parameter, or one that it needs is missing.
    """
    check_arguments_known(operation, where)
    cls = layer_type(operation, where)
    args, kwargs = call_arguments(cls, operation.parameters, where)
    if args or operation.kind is not Kind.MODULE:
        return list(args), kwargs
    by_position: list[Any] = []
    for name, parameter in constructor_signature(cls).parameters.items():
        required = parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if not required or name not in kwargs or len(by_position) == _BY_POSITION:
            break
        by_position.append(kwargs.pop(name))
    return by_position, kwargs
