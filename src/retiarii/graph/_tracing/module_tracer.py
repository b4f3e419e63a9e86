"""`ModuleTracer`: ``torch.fx`` tracing with one graph for every module whose ``forward`` is traced."""

from __future__ import annotations

import gc
import inspect
import math
import operator
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from retiarii.errors import GraphError
from retiarii.graph._operations.layer_reading import LayerReader
from retiarii.graph._tracing.identity import watched_identity
from retiarii.graph._tracing.known_types import BOOL, Known
from retiarii.graph._tracing.python_hooks import answering, user_namespaces
from retiarii.graph._tracing.questions import Questions
from retiarii.graph._tracing.scope import Scope
from retiarii.graph._tracing.state_watch import StateWatch
from retiarii.graph._tracing.tensor_memory import check_memory, owners, storage_of
from retiarii.graph._tracing.torch_calls import TorchCalls
from retiarii.graph._tracing.traced_value import TracedValue, is_traced
from retiarii.graph._tracing.user_frames import Surroundings, compares_identity
from retiarii.nn.pytorch import ChosenInputs

LOCK = threading.RLock()  # torch.fx patches torch.nn.Module while it traces, and so does `answering`


class ModuleTracer(Questions):
    """Traces a model; layers, basic units and choices are one node each, every other module gets a scope.

    Unlike plain ``torch.fx``, it keeps ``self.training`` and functions that create tensors (``torch.rand(3)``) as
    operations, instead of keeping the value that they had while tracing. Questions about traced values are answered or
    refused, so that tracing never follows a branch that the model would not take.

    Args:
        reader: Decides which modules are one node.
    """

    def __init__(self, reader: LayerReader) -> None:
        super().__init__(autowrap_modules=(math,))
        self._reader = reader
        self._surroundings: Surroundings | None = None
        self._memory: Mapping[int, str] = {}
        self._last_result: Any = None

    def trace_model(self, model: nn.Module, inputs: tuple[str, ...]) -> Scope:
        """Trace ``model`` called with ``inputs``; its other parameters have their defaults.

        Returns:
            The scope of the model.

        Raises:
            GraphError: ``forward`` depends on values that are known only when it runs, or has side effects.
        """
        with LOCK:
            namespaces = user_namespaces(model)
            watch = StateWatch(model, namespaces)
            check_memory(model)
            self._memory = owners(model)
            scope = self._traced_once(model, inputs, namespaces, watch)
            self._check_nothing_kept()
            changed = watch.shared_change() or "something that outlives the call (a counter, an iterator, a clock)"
            before = watch.remembered()
            with watch.shared_kept():
                again = self._traced_once(model, inputs, namespaces, watch)
                counted = before.difference(watch.remembered())
            if counted is not None:
                raise GraphError(f"forward changes {counted} in each call, which a graph would not do.")
            if not scope.does_the_same(again):
                raise GraphError(f"forward changes {changed}, and does something else in its next call.")
        self._check_nothing_kept()
        return scope

    def _traced_once(
        self, model: nn.Module, inputs: tuple[str, ...], namespaces: list[dict[str, Any]], watch: StateWatch
    ) -> Scope:
        try:
            with (
                TorchCalls(self, self._registered, self.check_constant),
                answering(self, namespaces, self._training_of),
                watched_identity(self.refuse, self.last_value),
            ):
                holder = _Holder(model, inputs)
                outer = super().trace(holder)
            scope = self._only_scope(outer, holder)
            change = watch.change()
        finally:
            watch.restore()
        for finished in self._finished.values():
            finished.attributes.clear()
        if self.refusal is not None:
            raise self.refusal
        if change is not None:
            raise GraphError(f"{change}.")
        return scope

    def _only_scope(self, outer: fx.Graph, holder: _Holder) -> Scope:
        """Return the scope of the model after checking that calling it only calls its ``forward``."""
        calls = [node for node in outer.nodes if node in self._finished]
        inputs = [node for node in outer.nodes if node.op == "placeholder"]
        others = {node.target for node in outer.nodes if node.op.startswith(("call_f", "call_me", "get_attr"))}
        is_result = holder.result is self._last_result
        object.__setattr__(holder, "result", None)
        self._last_result = None
        if len(calls) != 1 or list(calls[0].args) != inputs or not is_result or others - {operator.getitem}:
            raise GraphError(
                f"Calling a {type(holder.model).__name__} does more than its forward does (it has a __call__ of its "
                "own), which a graph would lose. Move that to forward."
            )
        return self._finished[calls[0]]

    def _check_nothing_kept(self) -> None:
        """Check that user code keeps no traced value in a cache, a global name or a closure."""
        for generation in (0, 1, 2):  # most reference cycles are young
            if self.traced:
                gc.collect(generation)
        if self.traced:
            raise GraphError(
                "forward keeps a tensor in something that outlives the call (a cache such as functools.lru_cache, a "
                "global name, a closure), which a graph would not do. Clear that cache before the model is used."
            )

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Start with the holder as the outermost scope."""
        assert isinstance(self.root, _Holder)
        self._finished: dict[fx.Node, Scope] = {}
        self.scopes = [Scope(self.root, "", self.graph)]
        self._surroundings = Surroundings(root_fn.__code__)
        values = [self.create_proxy("placeholder", name, (), {}) for name in self.root.inputs]
        for value in values:
            self.assume_tensor(value)
        return root_fn, [self.root, *values]

    def create_node(self, kind: str, *args: Any, **kwargs: Any) -> fx.Node:
        """Record an operation after checking that a graph can hold it at this place in the code."""
        if kind.startswith("call_") and self.is_inside and self._surroundings is not None:
            problem = self._surroundings.problem()
            if problem is not None:
                self.refuse(problem)
        return super().create_node(kind, *args, **kwargs)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record the call of a layer, or trace the module."""
        path = self.path_of_module(m)
        if isinstance(m, ChosenInputs) and m.reduction != "none":
            return self._reduced(self._look_into(m, path, forward, args, kwargs)) if m.chosen else None
        if self.is_inside and self._reader.is_leaf(m):
            call: Any = self.create_proxy("call_module", path, args, kwargs)
            return (call[0], None) if _leaves_out_weights(m, args, kwargs) else call
        return self._look_into(m, path, forward, args, kwargs)

    def _reduced(self, result: Any) -> Any:
        """Note of a result of `ChosenInputs` that it is one tensor if all inputs are."""
        if is_traced(result):
            result.node.meta["reduced"] = result.node.args
        return result

    def path_of_module(self, mod: nn.Module) -> str:
        """Return the path of a module relative to the one that calls it."""
        scope = self.scopes[-1]
        path = scope.module_paths.get(mod)
        if path is None:
            raise GraphError(
                f"{scope.title} calls a {type(mod).__name__} that is not registered in it. Assign it to an "
                "attribute, or put it into a ModuleList instead of a list."
            )
        return str(path)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        """Record the use of a parameter or buffer."""
        if isinstance(attr_val, torch.Tensor) and not is_traced(attr_val):
            value = self._registered(attr_val)
            return attr_val if value is None else value
        return attr_val

    def _registered(self, tensor: torch.Tensor) -> TracedValue | None:
        """Return the traced value of a parameter or buffer of the innermost scope; None for other tensors."""
        path = self.scopes[-1].tensor_path(tensor)
        return None if path is None else self._attribute(path, Known(type(tensor)), tensor)

    def _training_of(self, module: nn.Module, is_asked_by_user: bool) -> TracedValue | None:
        """Return ``training`` of a module in the innermost scope as an operation; None if the module is not traced."""
        scope = self.scopes[-1]
        if module in scope.module_paths:
            path = scope.module_paths[module]
            return self._attribute(f"{path}.training" if path else "training", BOOL)
        if is_asked_by_user:
            self.refuse(f"{scope.title} asks for training of a {type(module).__name__} that is not registered in it.")
        return None

    def create_arg(self, a: Any) -> Any:
        """Turn an argument into a node or plain value; tensors become attributes."""
        if is_traced(a):
            if a.node.graph is not self.graph:
                raise GraphError(
                    f"{self.scopes[-1].title} uses a tensor that it was not given as an argument (it was kept in an "
                    "attribute or a closure). Pass it to forward()."
                )
            return a.node
        if isinstance(a, torch.Tensor):
            return self._tensor_argument(a)
        if isinstance(a, nn.Module):
            raise GraphError(f"{self.scopes[-1].title} passes a module ({type(a).__name__}) as an argument of a call.")
        if type(a).__module__ == "numpy" and isinstance(a, _numpy_number()):
            return a.item()  # PyTorch treats it as a number of Python
        if isinstance(a, dict) and type(a) not in (dict, OrderedDict):
            self.refuse(f"forward passes or returns a {type(a).__name__}; a graph holds plain dicts only.")
        try:
            return super().create_arg(a)
        except NotImplementedError:
            if isinstance(a, (set, frozenset)) and any(map(is_traced, a)):
                self.refuse("forward passes or returns a set of traced values, whose order a graph does not hold.")
            return a  # expressions and enumerations, for example; checked when the graph is written

    def _tensor_argument(self, tensor: torch.Tensor) -> fx.Node:
        scope = self.scopes[-1]
        value = self._registered(tensor)
        if value is not None:
            return value.node
        if tensor.requires_grad:
            raise GraphError(
                f"{scope.title} uses a parameter (or something computed from one) that is not registered in it. Pass "
                "it to forward()."
            )
        self.check_constant(tensor)
        path = next((name for name, known in scope.constants.items() if known is tensor), None)
        if path is None:
            path = f"constant_{len(scope.constants)}"
            scope.constants[path] = tensor
        return self._attribute(path, Known(type(tensor)), tensor).node

    def check_constant(self, tensor: torch.Tensor) -> None:
        """Check that loading and training weights does not change a constant tensor.

        Raises:
            GraphError: The tensor shares memory with a parameter or buffer.
        """
        owner = self._memory.get(storage_of(tensor))
        if owner is not None:
            self.refuse(
                f"{self.scopes[-1].title} uses a tensor that shares its memory with {owner!r}, which is not registered "
                "in it, or is another tensor (a view, or what detach() or .data gave). Use that itself in forward()."
            )

    def _attribute(self, path: str, known: Known, tensor: torch.Tensor | None = None) -> TracedValue:
        scope = self.scopes[-1]
        if path not in scope.attributes:
            value = self.create_proxy("get_attr", path, (), {})
            value.node.meta["known"] = known
            if tensor is not None:
                value.node.meta["value"] = tensor
            scope.attributes[path] = value
        found = scope.attributes[path]
        assert isinstance(found, TracedValue)
        return found

    def _look_into(
        self, module: nn.Module, path: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        leaves, spec = pytree.tree_flatten((args, kwargs))
        names = _input_names(module, args, kwargs)
        is_shared = compares_identity(inspect.unwrap(type(module).forward).__code__)
        outer = self.scopes[-1]
        with self._scope(module, path if self.is_inside else "") as scope:
            passed, replaced = self._pass_on(leaves, names, is_shared)
            inner_args, inner_kwargs = pytree.tree_unflatten(replaced, spec)
            result = forward(*inner_args, **inner_kwargs)
            self._check_arguments_kept((inner_args, inner_kwargs), replaced, spec)
            self.create_node("output", "output", (self.create_arg(result),), {})
        call = self.create_proxy("call_module", path, tuple(passed), {})
        outer.children[call.node] = scope
        self._finished[call.node] = scope
        self._last_result = self._outside(call, result, {})
        return self._last_result

    def _pass_on(
        self, leaves: list[Any], names: dict[int, str], is_shared: bool
    ) -> tuple[list[TracedValue], list[Any]]:
        """Make the inputs of a scope.

        Args:
            leaves: The arguments of the call.
            names: The id of a traced argument to its name.
            is_shared: Whether a value that is passed twice is one input, because ``forward`` notices (``q is k``).

        Returns:
            The traced values that are passed, and the arguments with the inputs of the scope in their place.
        """
        passed: list[TracedValue] = []
        replaced: list[Any] = []
        inputs: dict[int, TracedValue] = {}
        for leaf in leaves:
            if not is_traced(leaf):
                replaced.append(leaf)
                continue
            if not (is_shared and id(leaf) in inputs):
                value = self.create_proxy("placeholder", names[id(leaf)], (), {})
                value.node.meta.update(known=leaf.known, assumed=leaf.node.meta.get("assumed", False), outer=leaf.node)
                inputs[id(leaf)] = value
                passed.append(leaf)
            replaced.append(inputs[id(leaf)])
        return passed, replaced

    def _check_arguments_kept(self, arguments: Any, leaves: list[Any], spec: Any) -> None:
        """Check that a module did not change the lists and dicts among its arguments."""
        after, spec_after = pytree.tree_flatten(arguments)
        if spec != spec_after or any(now is not before for now, before in zip(after, leaves, strict=True)):
            self.refuse(
                f"{self.scopes[-1].title} changes a list or dict that it is given, which the graph of its caller would "
                "not see. Return the new one."
            )

    def _outside(self, call: TracedValue, result: Any, seen: dict[int, Any], keys: tuple[Any, ...] = ()) -> Any:
        """Return the result of a call as values of the calling scope; an object that is returned twice is one value."""
        if is_traced(result):
            if id(result) in seen:
                return seen[id(result)]
            value: Any = call
            for key in keys:
                value = self.create_proxy("call_function", operator.getitem, (value, key), {})
            value.node.meta["known"] = result.known
            seen[id(result)] = value
            return value
        if isinstance(result, (tuple, list)):
            items = [self._outside(call, item, seen, (*keys, index)) for index, item in enumerate(result)]
            return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
        if isinstance(result, dict):
            return type(result)((key, self._outside(call, item, seen, (*keys, key))) for key, item in result.items())
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
        except BaseException:  # any error: the message names the innermost module
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
        self.result: Any = None

    def forward(self, *args: Any) -> Any:
        named = dict(zip(self.inputs, args, strict=True))
        parameters = inspect.signature(self.model.forward).parameters.values()
        by_position = [named.pop(p.name) for p in parameters if p.name in named and p.kind is p.POSITIONAL_ONLY]
        result = self.model(*by_position, **named)
        object.__setattr__(self, "result", result)
        return result


def _numpy_number() -> Any:
    numpy = sys.modules.get("numpy")
    return (numpy.number, numpy.bool_) if numpy is not None else ()


def _leaves_out_weights(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call of attention returns None instead of its weights."""
    if not isinstance(module, nn.MultiheadAttention):
        return False
    bound = inspect.signature(module.forward).bind(*args, **kwargs)
    return bound.arguments.get("need_weights", True) is False


def _input_names(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[int, str]:
    """Return a name for every traced value among the arguments of a call: the parameter of ``forward``."""
    try:
        bound: Mapping[str, Any] = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    except TypeError as err:
        raise GraphError(f"{type(module).__name__}.forward was called with arguments that do not fit: {err}.") from err
    names: dict[int, str] = {}
    for name, value in bound.items():
        traced = [leaf for leaf in pytree.tree_leaves(value) if is_traced(leaf)]
        for index, leaf in enumerate(traced):
            names.setdefault(id(leaf), name if len(traced) == 1 else f"{name}_{index}")
    return names
