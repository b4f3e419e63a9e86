"""`ModuleTracer`: ``torch.fx`` tracing that makes a graph of its own for every module it looks into."""

from __future__ import annotations

import inspect
import math
import operator
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from retiarii.errors import GraphError
from retiarii.graph._layers import LayerReader
from retiarii.graph._types import CREATION_FUNCTIONS

LOCK = threading.RLock()  # torch.fx patches torch.nn.Module while it traces, and so does `_visible_training`


class Scope:
    """One module that is being looked into.

    Attributes:
        module: The module.
        path: Its path in the traced model.
        graph: What its ``forward`` did.
        children: The finished scopes of the calls in it, by their ``call_module`` node.
        constants: Tensors that are neither parameters nor buffers, by the name of their ``get_attr`` node.
    """

    def __init__(self, module: nn.Module, path: str, graph: fx.Graph) -> None:
        self.module = module
        self.path = path
        self.graph = graph
        self.children: dict[fx.Node, Scope] = {}
        self.constants: dict[str, torch.Tensor] = {}
        self.module_paths = {child: name for name, child in module.named_modules()}
        self._tensors: dict[int, str] | None = None
        self.attributes: dict[str, fx.Proxy] = {}

    def tensor_path(self, tensor: torch.Tensor) -> str | None:
        """Return the path of a parameter or buffer in this module, or None."""
        if self._tensors is None:
            named = (*self.module.named_parameters(), *self.module.named_buffers())
            self._tensors = {id(value): name for name, value in named}
        return self._tensors.get(id(tensor))


class ModuleTracer(fx.Tracer):
    """Traces a model; leaves are layers, basic units and choices, everything else gets a scope of its own.

    Unlike plain ``torch.fx``, it keeps ``self.training`` and functions that create tensors (``torch.rand(3)``) as
    operations, instead of freezing the value that they had while tracing.

    Args:
        reader: Says which modules are leaves.
    """

    def __init__(self, reader: LayerReader) -> None:
        super().__init__(autowrap_modules=(math,))
        self._reader = reader
        self.scopes: list[Scope] = []
        self.failed: Scope | None = None

    def trace_model(self, model: nn.Module, inputs: tuple[str, ...]) -> Scope:
        """Trace ``model`` called with ``inputs``; its other parameters have their defaults.

        Returns:
            The scope of the model.
        """
        holder = _Holder(model, inputs)
        with LOCK, _visible_training(self), _CreationMode(self):
            outer = super().trace(holder)
        (scope,) = (self._finished[node] for node in outer.nodes if node in self._finished)
        return scope

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Start with the holder as the outermost scope."""
        assert isinstance(self.root, _Holder)
        self._finished: dict[fx.Node, Scope] = {}
        self.scopes = [Scope(self.root, "", self.graph)]
        proxies = [self.create_proxy("placeholder", name, (), {}) for name in self.root.inputs]
        return root_fn, [self.root, *proxies]

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record the call of a leaf, or look into the module."""
        path = self.path_of_module(m)
        is_outermost = len(self.scopes) == 1
        if not is_outermost and self._reader.is_leaf(m):
            return self.create_proxy("call_module", path, args, kwargs)
        return self._look_into(m, path, forward, args, kwargs)

    def path_of_module(self, mod: nn.Module) -> str:
        """Return the path of a module relative to the one that calls it."""
        scope = self.scopes[-1]
        path = scope.module_paths.get(mod)
        if path is None:
            raise GraphError(
                f"{_named(scope)} calls a {type(mod).__name__} that is not registered in it. Assign it to an "
                "attribute, or put it into a ModuleList instead of a list."
            )
        return str(path)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        """Record the use of a parameter or buffer."""
        if isinstance(attr_val, torch.Tensor) and not isinstance(attr_val, fx.Proxy):
            path = self.scopes[-1].tensor_path(attr_val)
            if path is not None:
                return self._attribute(path)
        return attr_val

    def create_arg(self, a: Any) -> Any:
        """Turn an argument into a node or plain value; tensors become attributes."""
        if isinstance(a, fx.Proxy) and a.node.graph is not self.graph:
            raise GraphError(
                f"{_named(self.scopes[-1])} uses a tensor that it was not given as an argument (it was kept in an "
                "attribute or a closure). Pass it to forward()."
            )
        if isinstance(a, torch.Tensor):
            return self._tensor_argument(a)
        if isinstance(a, nn.Module):
            raise GraphError(
                f"{_named(self.scopes[-1])} passes a module ({type(a).__name__}) as an argument of a call."
            )
        try:
            return super().create_arg(a)
        except NotImplementedError:
            return a  # checked when the graph is written or printed; expressions and enumerations get here

    def _tensor_argument(self, tensor: torch.Tensor) -> fx.Node:
        scope = self.scopes[-1]
        path = scope.tensor_path(tensor)
        if path is None:
            if isinstance(tensor, nn.Parameter):
                raise GraphError(
                    f"{_named(scope)} uses a parameter that is not registered in it. Pass it to forward()."
                )
            path = next((name for name, value in scope.constants.items() if value is tensor), None)
        if path is None:
            path = f"constant_{len(scope.constants)}"
            scope.constants[path] = tensor
        return self._attribute(path).node

    def _attribute(self, path: str) -> fx.Proxy:
        scope = self.scopes[-1]
        if path not in scope.attributes:
            scope.attributes[path] = self.create_proxy("get_attr", path, (), {})
        return scope.attributes[path]

    def _look_into(
        self, module: nn.Module, path: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        leaves, spec = pytree.tree_flatten((args, kwargs))
        outer_inputs = [leaf for leaf in leaves if isinstance(leaf, fx.Proxy)]
        names = _input_names(module, args, kwargs)
        outer = self.scopes[-1]
        with self._scope(module, path if len(self.scopes) > 1 else "") as scope:
            replaced = [
                self.create_proxy("placeholder", names[id(leaf)], (), {}) if isinstance(leaf, fx.Proxy) else leaf
                for leaf in leaves
            ]
            inner_args, inner_kwargs = pytree.tree_unflatten(replaced, spec)
            result = forward(*inner_args, **inner_kwargs)
            self.create_node("output", "output", (self.create_arg(result),), {})
        call = self.create_proxy("call_module", path, tuple(outer_inputs), {})
        outer.children[call.node] = scope
        self._finished[call.node] = scope
        return self._outside(call, result)

    def _outside(self, call: fx.Proxy, result: Any, keys: tuple[Any, ...] = ()) -> Any:
        """Return what a call returned, as values of the calling scope."""
        if isinstance(result, fx.Proxy):
            value = call
            for key in keys:
                value = self.create_proxy("call_function", operator.getitem, (value, key), {})
            return value
        if isinstance(result, (tuple, list)):
            items = [self._outside(call, item, (*keys, index)) for index, item in enumerate(result)]
            return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
        if isinstance(result, dict):
            return {key: self._outside(call, item, (*keys, key)) for key, item in result.items()}
        return result

    @contextmanager
    def _scope(self, module: nn.Module, path: str) -> Iterator[Scope]:
        outer = self.scopes[-1]
        prefix = f"{outer.path}." if outer.path else ""
        scope = Scope(module, prefix + path, fx.Graph(tracer_cls=type(self)))
        outer_root = self.root
        self.scopes.append(scope)
        self.graph, self.root = scope.graph, module
        try:
            yield scope
        except BaseException:  # whatever it is, the innermost module in which it happened goes into the message
            self.failed = self.failed or scope
            raise
        finally:
            self.scopes.pop()
            self.graph, self.root = outer.graph, outer_root


class _Holder(nn.Module):
    """Calls the model, so that the model itself is traced like any other module."""

    def __init__(self, model: nn.Module, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.inputs = inputs

    def forward(self, *args: Any) -> Any:
        return self.model(**dict(zip(self.inputs, args, strict=True)))


class _CreationMode(TorchFunctionMode):
    """Records functions that create tensors although no traced value reaches them."""

    def __init__(self, tracer: ModuleTracer) -> None:
        super().__init__()
        self._tracer = tracer

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in CREATION_FUNCTIONS and len(self._tracer.scopes) > 1:
            return self._tracer.create_proxy("call_function", func, args, kwargs)
        return func(*args, **kwargs)


@contextmanager
def _visible_training(tracer: ModuleTracer) -> Iterator[None]:
    """Let ``self.training`` of the module that is being looked into be an operation of its graph."""

    def read(module: nn.Module) -> Any:
        scope = tracer.scopes[-1] if len(tracer.scopes) > 1 else None
        if scope is not None and threading.get_ident() == owner and module in scope.module_paths:
            path = scope.module_paths[module]
            return tracer._attribute(f"{path}.training" if path else "training")
        return vars(module)["training"]

    def write(module: nn.Module, value: bool) -> None:
        vars(module)["training"] = value

    owner = threading.get_ident()
    nn.Module.training = property(read, write)  # type: ignore[assignment] # it has no class attribute of its own
    try:
        yield
    finally:
        del nn.Module.training


def _input_names(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[int, str]:
    """Return a name for every traced value among the arguments of a call, after the parameters of ``forward``."""
    try:
        bound: Mapping[str, Any] = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    except TypeError as err:
        raise GraphError(f"{type(module).__name__}.forward was called with arguments that do not fit: {err}.") from err
    names: dict[int, str] = {}
    for name, value in bound.items():
        traced = [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, fx.Proxy)]
        for index, leaf in enumerate(traced):
            names.setdefault(id(leaf), name if len(traced) == 1 else f"{name}_{index}")
    return names


def _named(scope: Scope) -> str:
    return f"{scope.path!r} (class {type(scope.module).__name__})" if scope.path else f"{type(scope.module).__name__}"
