"""Operations from layers and from what users write.

`LayerReader` knows which modules are one node, and with which constructor arguments they were built. `make_operation`
takes a class, a function, or a name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from retiarii.errors import GraphError
from retiarii.graph._operations.nested_values import map_nested
from retiarii.graph._operations.operation import Arguments, Cast, Inputs, Kind, Operation
from retiarii.graph._operations.qualified_names import is_function_name, type_name
from retiarii.graph._operations.torch_layers import constructor_signature, is_built_by, read_arguments
from retiarii.nn.pytorch import Placeholder, is_basic_unit
from retiarii.nn.pytorch.constructor_calls import ModuleCall, Role, layer_class, module_call
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.space.construction import find_expressions

HOLDERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
"""Modules that only hold others; they are never called."""

TAKES_LIST = {
    f"torch.{name}"
    for name in "cat concat concatenate stack hstack vstack dstack column_stack row_stack block_diag".split()
}
"""Functions that take their inputs as one list."""


def is_torch_layer(module: nn.Module) -> bool:
    """Return whether a module is a layer of PyTorch itself, not a container."""
    cls = type(module)
    is_holder = cls is nn.Module or isinstance(module, (nn.Sequential, *HOLDERS))
    return cls.__module__.startswith(("torch.nn.", "torch.ao.")) and not is_holder


def label_of(module: nn.Module | None) -> str | None:
    """Return the label of a choice or placeholder."""
    label = getattr(module, "label", None)
    return str(label) if isinstance(label, str) else None


class LayerReader:
    """Reads the operation of a module that is one node: its class, and the arguments of its constructor.

    Args:
        origins: Module of a fixed model to the module of the base model that it was made from. Modules of a fixed model
            have no record of their constructor call; the record of the base model is used.
        evaluate: Applied to recorded constructor arguments; for a fixed model, it evaluates the expressions in them.
        labels: Module of a fixed model to the label of its choice.
        records: Module of a fixed model to its constructor call, for modules that fixing built again.
    """

    def __init__(
        self,
        origins: Mapping[nn.Module, nn.Module] | None = None,
        evaluate: Callable[[Any], Any] = lambda value: value,
        labels: Mapping[nn.Module, str] | None = None,
        records: Mapping[nn.Module, ModuleCall] | None = None,
    ) -> None:
        self._origins = origins or {}
        self._evaluate = evaluate
        self._labels = labels or {}
        self._records = records or {}
        self._operations: dict[nn.Module, Operation] = {}

    def is_leaf(self, module: nn.Module) -> bool:
        """Return whether a call of the module is one node."""
        if is_torch_layer(module) or isinstance(module, Mutable) or is_basic_unit(type(module)):
            return True
        call = self._call(module)
        return call is not None and call.role is Role.LAYER

    def label(self, module: nn.Module) -> str | None:
        """Return the label of a choice, a chosen module or a placeholder; None for other modules."""
        return self._labels.get(module) or label_of(module)

    def operation(self, module: nn.Module, path: str) -> Operation:
        """Return the operation of a leaf: its class, and the arguments of its constructor.

        The arguments are those recorded when the layer was built. For a PyTorch layer without a record, or that was
        changed since, they are read from its attributes and checked; if that fails, the layer is kept whole. The same
        module always gets the same operation.

        Args:
            module: The leaf.
            path: The path of the module, for messages.

        Raises:
            GraphError: The constructor arguments of the layer are not known.
        """
        if module not in self._operations:
            self._operations[module] = self._read(module, path)
        return self._operations[module]

    def _call(self, module: nn.Module) -> ModuleCall | None:
        return module_call(module) or self._records.get(module) or module_call(self._origins.get(module))

    def _read(self, module: nn.Module, path: str) -> Operation:
        if isinstance(module, Mutable):
            return Operation(Kind.CHOICE, type_name(type(module)), target=type(module), instance=module)
        call = self._call(module)
        cls: type = type(module)
        parameters = None
        if call is not None and isinstance(call.cls, type) and call.role is not Role.MODEL:
            parameters = self._recorded(call, module, path)
            cls = call.cls if parameters is not None else cls
        elif not is_torch_layer(module):
            raise _unrecorded(module, path)
        if parameters is None:
            parameters = read_arguments(module)
        nested = map_nested(parameters or {}, lambda value: self._argument(value, path))
        return Operation(
            Kind.MODULE,
            type_name(cls),
            nested,
            target=cls,
            instance=module,
            whole=parameters is None,
            cast=_cast(module, nested),
        )

    def _recorded(self, call: ModuleCall, module: nn.Module, path: str) -> dict[str, Any] | None:
        """Return the recorded arguments; None if a PyTorch layer was changed so that they no longer apply."""
        assert isinstance(call.cls, type)
        args, kwargs = self._evaluate((call.args, call.kwargs))
        parameters = bind_parameters(call.cls, args, kwargs, path)
        if call.cls is Placeholder:
            return Placeholder.info(parameters.get("related_info", {}))
        is_fixed = not find_expressions((args, kwargs))
        if is_torch_layer(module) and is_fixed and not is_built_by(module, call.cls, args, kwargs):
            return None
        return parameters

    def _argument(self, value: Any, path: str) -> Any:
        """Return the operation of a module, the class of a layer factory, and any other value unchanged."""
        if isinstance(value, nn.Module):
            return self.operation(value, path)
        return layer_class(value)


def _cast(module: nn.Module, arguments: Mapping[str, Any]) -> Cast:
    """Return the dtype and the ``requires_grad`` that a layer got after it was built."""
    parameters = [value for value in module.parameters() if not is_lazy(value)]
    dtypes = {parameter.dtype for parameter in parameters}
    is_plain = len(dtypes) != 1 or torch.float32 in dtypes or "dtype" in arguments
    return Cast(
        None if is_plain else str(dtypes.pop()).removeprefix("torch."),
        bool(parameters) and not any(parameter.requires_grad for parameter in parameters),
    )


def bind_parameters(cls: type, args: tuple[Any, ...], kwargs: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the arguments of a constructor call by parameter name.

    ``*args`` and ``**kwargs`` of the constructor are under their own names, as a tuple and a dict.

    Raises:
        GraphError: The arguments do not fit.
    """
    try:
        return dict(constructor_signature(cls).bind(*args, **kwargs).arguments)
    except TypeError as err:
        raise GraphError(
            f"At {path!r}: {cls.__name__} cannot be built with {args} and {dict(kwargs)}: {err}.", node=path
        ) from err


def call_arguments(cls: type, parameters: Mapping[str, Any], path: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return positional and keyword arguments from parameters by name: the inverse of `bind_parameters`.

    A parameter that the constructor does not name goes to its ``**kwargs``, if it has them.

    Raises:
        GraphError: The constructor has no such parameter, or one that it needs is missing.
    """
    signature = constructor_signature(cls)
    variadic = {p.kind: name for name, p in signature.parameters.items()}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    many = variadic.get(inspect.Parameter.VAR_POSITIONAL)
    rest = variadic.get(inspect.Parameter.VAR_KEYWORD)
    for name, value in parameters.items():
        parameter = signature.parameters.get(name)
        if name == rest and isinstance(value, Mapping):
            kwargs.update(value)
        elif name != many:
            if parameter is not None and parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                args.append(value)
            else:
                kwargs[name] = value
    if many is not None and many in parameters:
        before = [p.name for p in signature.parameters.values() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        args += [kwargs.pop(name) for name in before if name in kwargs]
        args += list(parameters[many])
    try:
        signature.bind(*args, **kwargs)
    except TypeError as err:
        raise GraphError(
            f"Node {path!r}: {cls.__name__}{signature} cannot be built with {dict(parameters)}: {err}.", node=path
        ) from err
    return tuple(args), kwargs


def _unrecorded(module: nn.Module, path: str) -> GraphError:
    if is_basic_unit(type(module)):
        way_out = (
            "Models that freeze() or fixed_arch() made carry no such records: give the base model and the "
            "architecture instead, as in lower(model, architecture)."
        )
    else:
        way_out = "Mark the class with @basic_unit."
    return GraphError(
        f"The constructor arguments of {path!r} (class {type(module).__name__}) are not known. {way_out}", node=path
    )


def make_operation(
    operation: Any, parameters: Mapping[str, Any], node: str | None = None
) -> tuple[Operation, dict[str, Any]]:
    """Return an operation from what users write, and the constants that it is called with.

    Args:
        operation: An `Operation`, a module class, a layer that was constructed by `retiarii.nn.pytorch`, a function,
            or the qualified name of a class, a function or a tensor method (``"torch.Tensor.view"``).
        parameters: Constructor parameters of a module, or constants of a call.
        node: The path of the node, for messages.

    Raises:
        GraphError: ``operation`` is none of these.
    """
    if isinstance(operation, nn.Module):
        operation = LayerReader().operation(operation, node or type(operation).__name__)
    if isinstance(operation, Operation):
        return (operation.with_parameters({**operation.parameters, **parameters}) if parameters else operation), {}
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


def default_arguments(operation: Operation, constants: Mapping[str, Any]) -> Arguments:
    """Return the arguments of a new node: all inputs first, as a list if the function takes a list."""
    spread = operation.type not in TAKES_LIST
    return Arguments((Inputs(spread=spread),), dict(constants))
