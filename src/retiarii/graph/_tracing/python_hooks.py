"""`answering`: replaces built-in functions while a model is traced, so that the tracer answers for traced values.

A traced value is not a tensor, so ``isinstance(x, torch.Tensor)``, ``type(x)``, ``len(x)``, ``hasattr``,
``getattr`` and ``callable`` call the tracer. So do ``self.training``, writes to attributes of modules, functions that
make tensors from sizes, and functions that read modes of PyTorch. Other threads are not affected.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import operator
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.fx import _symbolic_trace

from retiarii.graph._operations.qualified_names import CREATION_FUNCTIONS
from retiarii.graph._tracing.questions import Questions
from retiarii.graph._tracing.traced_value import is_traced
from retiarii.graph._tracing.user_frames import is_user_file

_INTERNAL = ("torch.fx", "torch.utils._pytree", "torch.overrides", "torch._", "retiarii.graph")
_MODE_QUERIES = (
    "is_grad_enabled is_inference_mode_enabled is_autocast_enabled is_autocast_cpu_enabled is_anomaly_enabled "
    "is_autocast_cache_enabled is_inference get_autocast_dtype get_autocast_gpu_dtype get_autocast_cpu_dtype "
    "initial_seed get_default_dtype get_default_device get_rng_state"
).split()
_CLOCKS = "time time_ns perf_counter perf_counter_ns monotonic monotonic_ns process_time process_time_ns".split()
_TRACING_QUERIES = ("is_fx_tracing", "is_fx_symbolic_tracing")
_MISSING = object()
_MAX_NAMESPACES = 500
Replacement: TypeAlias = "tuple[Any, str, Callable[..., Any]]"
"""Where a function is an attribute, its name there, and what stands for it while a model is traced."""


@contextmanager
def answering(
    tracer: Questions, namespaces: list[dict[str, Any]], training_of: Callable[[nn.Module, bool], Any]
) -> Iterator[None]:
    """Let the tracer answer the built-in functions that the model's code calls.

    Args:
        tracer: Gives the answers.
        namespaces: The global names of the model's code; see `user_namespaces`.
        training_of: Returns the traced value of ``training`` of a module, or None. Its second argument is whether user
            code asks.
    """
    hooks = _Hooks(tracer)
    with ExitStack() as stack:
        for name, hook in hooks.of_builtins().items():
            stack.enter_context(_attribute(builtins, name, hook))
        replaced: dict[int, Any] = {id(type): _TypeHook(hooks)}
        for owner, name, hook in (*hooks.of_torch(), *hooks.of_clocks(), *hooks.of_dispatch(), *hooks.of_identity()):
            replaced[id(getattr(owner, name))] = hook
            stack.enter_context(_attribute(owner, name, hook))
        for namespace in namespaces:
            stack.enter_context(_names(namespace, replaced))
        stack.enter_context(_attribute(nn.Module, "training", hooks.training(training_of)))
        stack.enter_context(_attribute(nn.Module, "__setattr__", hooks.setattr()))
        stack.enter_context(_attribute(torch.autograd.Function, "apply", hooks.apply()))
        yield


class _Hooks:
    """Replacements of functions: they call the tracer for traced values, and the original otherwise."""

    def __init__(self, tracer: Questions) -> None:
        self.tracer = tracer
        self._owner = threading.get_ident()

    def is_asked(self, value: Any, name: str) -> bool:
        """Return whether code of the module ``name`` asks about a traced value and belongs to the user."""
        return is_traced(value) and not name.startswith(_INTERNAL)

    def is_active(self) -> bool:
        """Return whether this thread is inside a ``forward`` that is traced."""
        return self.tracer.is_inside and threading.get_ident() == self._owner

    def of_builtins(self) -> Mapping[str, Callable[..., Any]]:
        """Return the replacements of built-in functions."""
        tracer, is_asked = self.tracer, self.is_asked
        isinstance_, hasattr_, getattr_, callable_, len_ = isinstance, hasattr, getattr, callable, len

        def isinstance_hook(value: Any, classes: Any, /) -> bool:
            if is_asked(value, _caller()):
                return tracer.is_instance(value, classes, isinstance_)
            return isinstance_(value, classes)

        def hasattr_hook(value: Any, name: str, /) -> bool:
            if is_asked(value, _caller()):
                return tracer.has_attribute(value, name)
            return hasattr_(value, name)

        def getattr_hook(value: Any, name: str, /, *default: Any) -> Any:
            if default and is_asked(value, _caller()) and not tracer.has_attribute(value, name):
                return default[0]
            return getattr_(value, name, *default)

        def callable_hook(value: Any, /) -> bool:
            return tracer.is_callable(value) if is_asked(value, _caller()) else callable_(value)

        def len_hook(value: Any, /) -> Any:
            if is_asked(value, _caller()):
                return tracer.create_proxy("call_function", len_, (value,), {})
            return len_(value)

        return {
            "isinstance": isinstance_hook, "hasattr": hasattr_hook, "getattr": getattr_hook,
            "callable": callable_hook, "len": len_hook,
        }  # fmt: skip

    def of_clocks(self) -> Iterator[Replacement]:
        """Yield the replacements of functions of ``time``."""
        for name in _CLOCKS:
            yield time, name, self._query(f"time.{name}", getattr(time, name))

    def of_torch(self) -> Iterator[Replacement]:
        """Yield the replacements of functions of ``torch``."""
        for function in CREATION_FUNCTIONS:
            yield torch, function.__name__, self._creating(function)
        for name in _MODE_QUERIES:
            if hasattr(torch, name):
                yield torch, name, self._query(f"torch.{name}", getattr(torch, name))

    def of_dispatch(self) -> Iterator[Replacement]:
        """Yield the replacements of functions that can distinguish traced values from tensors."""
        for name in _TRACING_QUERIES:
            if hasattr(_symbolic_trace, name):
                yield _symbolic_trace, name, self._for_user(getattr(_symbolic_trace, name), lambda *args: False)
        overrides = torch.overrides
        for name in ("has_torch_function_unary", "has_torch_function_variadic"):
            yield overrides, name, self._for_user(getattr(overrides, name), lambda *args: any(map(_overrides, args)))
        has_any = overrides.has_torch_function
        yield overrides, "has_torch_function", self._for_user(has_any, lambda args: any(map(_overrides, args)))
        jit_isinstance: Callable[..., Any] = torch.jit.isinstance

        def isinstance_hook(value: Any, classes: Any) -> Any:
            if is_traced(value):
                self.tracer.refuse("forward asks torch.jit.isinstance() of a traced value. Use isinstance().")
            return jit_isinstance(value, classes)

        yield torch.jit, "isinstance", self._for_user(jit_isinstance, isinstance_hook)

    def of_identity(self) -> Iterator[Replacement]:
        """Yield the replacements of functions that compare identities."""
        is_, is_not, id_ = operator.is_, operator.is_not, id

        def asking(function: Callable[..., Any]) -> Callable[..., Any]:
            def ask(first: Any, second: Any, /) -> Any:
                self.tracer.ask_identity([first, second])
                return function(first, second)

            return ask

        def id_hook(value: Any, /) -> int:
            if is_traced(value):
                self.tracer.use_identity(value)
            return id_(value)

        yield operator, "is_", self._for_user(is_, asking(is_))
        yield operator, "is_not", self._for_user(is_not, asking(is_not))
        yield builtins, "id", self._for_user(id_, id_hook)

    def _for_user(self, function: Callable[..., Any], answer: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that calls ``answer`` if user code calls it while tracing, and ``function`` otherwise."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            is_asked = self.is_active() and is_user_file(sys._getframe(1).f_code.co_filename)
            return answer(*args, **kwargs) if is_asked else function(*args, **kwargs)

        return call

    def _creating(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def record(*args: Any, **kwargs: Any) -> Any:
            return self.tracer.create_proxy("call_function", function, args, kwargs)

        return self._for_user(function, record)

    def _query(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*args: Any, **kwargs: Any) -> None:
            self.tracer.refuse(f"forward asks for {name}(), which may differ in the calls of the model.")

        return self._for_user(function, refuse)

    def training(self, training_of: Callable[[nn.Module, bool], Any]) -> property:
        """Return a property that reads ``training`` as an operation of the graph."""

        def read(module: nn.Module) -> Any:
            if self.is_active():
                value = training_of(module, is_user_file(sys._getframe(1).f_code.co_filename))
                if value is not None:
                    return value
            return vars(module)["training"]

        def write(module: nn.Module, value: bool) -> None:
            vars(module)["training"] = value

        return property(read, write)

    def setattr(self) -> Callable[[nn.Module, str, Any], None]:
        """Return a ``__setattr__`` of modules that the tracer checks."""
        original = nn.Module.__setattr__

        def write(module: nn.Module, name: str, value: Any) -> None:
            if not (self.is_active() and self.tracer.keeps_attribute(module, name, value)):
                original(module, name, value)

        return write

    def apply(self) -> Any:
        """Return an ``apply`` of ``torch.autograd.Function`` that refuses traced values."""
        original = vars(torch.autograd.Function)["apply"]

        def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if self.is_active() and any(is_traced(value) for value in (*args, *kwargs.values())):
                self.tracer.refuse(
                    f"forward calls the torch.autograd.Function {cls.__name__}, whose gradient a graph would lose."
                )
            return original.__get__(None, cls)(*args, **kwargs)

        return classmethod(apply)


class _TypeHook:
    """Replaces ``type`` in the user's modules."""

    def __init__(self, hooks: _Hooks) -> None:
        self._hooks = hooks

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and self._hooks.is_asked(args[0], ""):
            return self._hooks.tracer.type_of(args[0])
        return type(*args, **kwargs)

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, type)

    def __subclasscheck__(self, cls: Any) -> bool:
        return issubclass(cls, type)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (type,)

    def __getattr__(self, name: str) -> Any:
        return getattr(type, name)

    def __getitem__(self, item: Any) -> Any:
        return type[item]

    def __or__(self, other: Any) -> Any:
        return type | other

    def __eq__(self, other: object) -> bool:
        return other is type or other is self

    def __hash__(self) -> int:
        return hash(type)


def _overrides(value: Any) -> bool:
    """Return whether a value has its own ``__torch_function__``; traced values do not count."""
    if is_traced(value) or type(value) is torch.Tensor:
        return False
    method = getattr(type(value), "__torch_function__", None)
    return method not in (None, torch._C._disabled_torch_function_impl)


def _caller() -> str:
    """Return the name of the module that called the function that calls this."""
    return str(sys._getframe(2).f_globals.get("__name__", ""))


@contextmanager
def _attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = vars(owner).get(name, _MISSING)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


@contextmanager
def _names(namespace: dict[str, Any], replaced: Mapping[int, Any]) -> Iterator[None]:
    """Replace objects among the global names of a module, and add the name ``type``."""
    before = {name: value for name, value in namespace.items() if id(value) in replaced}
    is_added = "type" not in namespace
    namespace.update({name: replaced[id(value)] for name, value in before.items()})
    if is_added:
        namespace["type"] = replaced[id(type)]
    try:
        yield
    finally:
        namespace.update(before)
        if is_added:
            namespace.pop("type", None)


def user_namespaces(model: nn.Module) -> list[dict[str, Any]]:
    """Return the global names of user code that the model may run: its classes and the code they refer to."""
    found: dict[int, dict[str, Any]] = {}
    waiting: list[Any] = []
    for module in model.modules():
        waiting += [type(module), *(value for value in vars(module).values() if callable(value))]
    seen: set[int] = set()
    while waiting and len(found) < _MAX_NAMESPACES:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        for namespace in _namespaces_of(item):
            if id(namespace) not in found:
                found[id(namespace)] = namespace
                if "site-packages" not in str(namespace.get("__file__")):
                    waiting += [value for value in namespace.values() if _leads_on(value)]
    return list(found.values())


def _leads_on(value: Any) -> bool:
    if isinstance(value, ModuleType):
        file = getattr(value, "__file__", None)
        return file is not None and is_user_file(file) and "site-packages" not in file
    return isinstance(value, (FunctionType, type, functools.partial))


def _namespaces_of(item: Any) -> Iterator[dict[str, Any]]:
    """Yield the global names that a class, function or module uses."""
    if isinstance(item, ModuleType):
        yield vars(item)
    elif isinstance(item, type):
        for cls in item.__mro__:
            for member in vars(cls).values():
                if not isinstance(member, type):
                    yield from _namespaces_of(getattr(member, "fget", None) or getattr(member, "__func__", member))
    elif isinstance(item, functools.partial):
        yield from _namespaces_of(item.func)
    elif callable(item):
        function = inspect.unwrap(getattr(item, "__func__", item))
        if isinstance(function, FunctionType) and is_user_file(function.__code__.co_filename):
            yield function.__globals__
