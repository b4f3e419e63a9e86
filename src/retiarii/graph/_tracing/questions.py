"""`Questions`: the part of the tracer that answers or refuses questions about traced values."""

from __future__ import annotations

import inspect
import operator
import types
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import fx, nn

from retiarii.errors import GraphError
from retiarii.graph._tracing.identity import identity_problem, problem_of
from retiarii.graph._tracing.known_types import READ, TENSOR, Known, known_of_module, known_result
from retiarii.graph._tracing.scope import Scope
from retiarii.graph._tracing.traced_value import TracedAttribute, TracedSequence, TracedValue, is_traced

_MAYBE_NONE = {"grad", "grad_fn", "names", "_grad", "_grad_fn"}
_PLAIN = (int, float, str, bool, type(None))
_IN_PLACE = {getattr(operator, name) for name in dir(operator) if name.startswith("i") and hasattr(operator, name[1:])}
_MISSING = object()


class Questions(fx.Tracer):
    """A tracer that answers questions about traced values if the answer is known, and refuses them otherwise.

    Attributes:
        scopes: The modules that are being traced, the innermost one last.
        failed: The innermost module in which tracing stopped.
        refusal: The error of the first question that was refused; user code may have caught it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.scopes: list[Scope] = []
        self.failed: Scope | None = None
        self.refusal: GraphError | None = None
        self._last: weakref.ref[TracedValue] | None = None
        self.traced: weakref.WeakSet[Any] = weakref.WeakSet()
        self._keys: list[fx.Node] = []

    @property
    def is_inside(self) -> bool:
        """Whether a ``forward`` of the model is running."""
        return len(self.scopes) > 1

    def refuse(self, message: str) -> NoReturn:
        """Stop tracing, even if the user's code catches the error.

        Raises:
            GraphError: Always.
        """
        error = GraphError(message)
        if self.refusal is None:
            self.refusal, self.failed = error, self.scopes[-1]
        raise error

    def to_bool(self, obj: fx.Proxy) -> bool:
        """Refuse an ``if`` on a traced value."""
        self.refuse("forward branches on a traced value, whose content is known only when the model runs.")

    def iter(self, obj: fx.Proxy) -> Any:
        """Refuse a loop over a traced value."""
        self.refuse(
            "forward loops over (or unpacks) a traced value, whose length is known only when the model runs. "
            "Unpacking into a fixed number of names works: a, b = x.shape."
        )

    def keys(self, obj: fx.Proxy) -> Any:
        """Refuse ``**x``, which loops over ``x.keys()``."""
        self.refuse("forward asks for the keys of a traced value, which are known only when the model runs.")

    def proxy(self, node: fx.Node) -> TracedValue:
        """Return the traced value of a node, with its known type."""
        if node.op in ("call_function", "call_method"):
            node.meta["known"] = known_result(node)
            self._doubt_mappings(node)
        elif node.op == "call_module" and node not in self.scopes[-1].children:
            node.meta["known"] = known_of_module(self.scopes[-1].module.get_submodule(str(node.target)))
        known = node.meta.get("known")
        is_single = known is not None and not issubclass(known.cls, (tuple, list))
        value = TracedValue(node, self) if is_single else TracedSequence(node, self)
        self.traced.add(value)
        self._last = weakref.ref(value)
        return value

    def last_value(self) -> TracedValue | None:
        """Return the traced value that was made last, if it still exists."""
        return None if self._last is None else self._last()

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *options: Any, **more: Any) -> TracedValue:
        """Record an operation."""
        value = super().create_proxy(kind, target, args, kwargs, *options, **more)
        assert isinstance(value, TracedValue)
        return value

    def assume_tensor(self, value: TracedValue) -> None:
        """Assume that an input of the model is a tensor, until it is used as something else."""
        value.node.meta.update(known=TENSOR, assumed=True)

    def _doubt_mappings(self, node: fx.Node) -> None:
        """Drop the assumption that an input is a tensor if it is indexed with a string: ``batch["image"]``."""
        head = node.args[0] if node.target is operator.getitem else None
        if isinstance(head, fx.Node) and head.meta.get("assumed") and isinstance(node.args[1], str):
            self._doubt(head)
            node.meta["known"] = None

    def _doubt(self, node: fx.Node) -> None:
        if node.meta.get("asked"):
            self.refuse("forward asks for the type of an input, and then uses it as something else than a tensor.")
        node.meta.update(known=None, assumed=False)

    def attribute(self, value: TracedValue, name: str) -> Any:
        """Return an attribute of a traced value, as an instance of its class has it.

        Raises:
            AttributeError: Its class has no such attribute.
            GraphError: The attribute may be None.
        """
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        known = value.known
        if known is None:
            member = inspect.getattr_static(torch.Tensor, name, _MISSING)
            is_method = member is _MISSING or callable(member)
            return (
                TracedAttribute(value, name)
                if is_method
                else self.create_proxy("call_function", READ, (value, name), {})
            )
        member = inspect.getattr_static(known.cls, name, _MISSING)
        if member is _MISSING and "value" in value.node.meta and hasattr(value.node.meta["value"], name):
            return getattr(value.node.meta["value"], name)
        if member is _MISSING and value.node.meta.get("assumed"):
            self._doubt(value.node)
            return TracedAttribute(value, name)
        if member is _MISSING:
            raise AttributeError(f"{known.cls.__name__!r} object has no attribute {name!r}")
        if name in _MAYBE_NONE:
            self.refuse(f"forward reads the attribute {name!r} of a tensor, which may be None.")
        if callable(member) or isinstance(member, (staticmethod, classmethod)):
            return TracedAttribute(value, name)
        return self.create_proxy("call_function", READ, (value, name), {})

    def is_instance(self, value: TracedValue, classes: Any, isinstance_: Callable[..., bool]) -> bool:
        """Answer ``isinstance(value, classes)``."""
        known = self.require_known(value, "isinstance()")
        if "value" in value.node.meta:
            return isinstance_(value.node.meta["value"], classes)
        if any(type(cls) is type(torch.FloatTensor) for cls in _flat(classes)):
            self.refuse("forward asks for the dtype of a tensor by isinstance(), which is known only when it runs.")
        return issubclass(known.cls, classes)

    def type_of(self, value: TracedValue) -> type:
        """Answer ``type(value)``."""
        return self.require_known(value, "type()").cls

    def has_attribute(self, value: TracedValue, name: str) -> bool:
        """Answer ``hasattr(value, name)``."""
        known = self.require_known(value, f"hasattr(..., {name!r})")
        found = inspect.getattr_static(known.cls, name, _MISSING) is not _MISSING
        return found or ("value" in value.node.meta and hasattr(value.node.meta["value"], name))

    def is_callable(self, value: TracedValue) -> bool:
        """Answer ``callable(value)``."""
        known = self.require_known(value, "callable()")
        return any("__call__" in vars(cls) for cls in known.cls.__mro__)

    def use_identity(self, value: TracedValue) -> None:
        """Check that a traced value may be a key of a dict, an element of a set, or asked for its ``id()``.

        Raises:
            GraphError: It is not a tensor, so that equal values would be the same key; or it may be the same tensor as
                another key.
        """
        if value.known is None or not issubclass(value.known.cls, torch.Tensor):
            self.refuse(
                "forward looks up a traced value in a dict, set or cache (or asks for its id()), although its content "
                "is known only when the model runs."
            )
        for node in self._keys:
            problem = None if node is value.node else identity_problem(node, value.node)
            if problem is not None:
                self.refuse(problem)
        self._keys.append(value.node)

    def ask_identity(self, values: list[Any]) -> None:
        """Check that it is known whether two values are one object; one of them may be None.

        Raises:
            GraphError: It is known only when the model runs.
        """
        traced = [value for value in values if is_traced(value)]
        if len(traced) == len(values) or any(value is None for value in values):
            problem = problem_of(traced, len(traced))
            if problem is not None:
                self.refuse(problem)

    def require_known(self, value: TracedValue, question: str) -> Known:
        """Return the type of a value.

        Raises:
            GraphError: The type is not known.
        """
        is_method = type(value) is TracedAttribute and value._node is None and value.root.known is not None
        known = None if is_method else value.known
        if known is None:
            self.refuse(f"forward asks {question} of a traced value, whose type is known only when the model runs.")
        if value.node.meta.get("assumed"):
            value.node.meta["asked"] = True
        return known

    def keeps_attribute(self, module: nn.Module, name: str, value: Any) -> bool:
        """Return whether an assignment to an attribute of a traced module changes nothing and can be skipped.

        Raises:
            GraphError: It changes something.
        """
        if all(module not in scope.module_paths for scope in self.scopes[:1]):
            return False
        if name == "training":
            self.refuse("forward calls train() or eval() of a module, which a graph would not do in each call.")
        current = vars(module).get(name, module._buffers.get(name, module._modules.get(name, _MISSING)))
        if current is value or (type(current) is type(value) and type(value) in _PLAIN and current == value):
            return True
        if is_traced(value) and name in {**module._buffers, **module._parameters}:
            tensor = module._buffers.get(name, module._parameters.get(name))
            if _in_place_root(value.node).meta.get("value") is tensor:
                return True  # self.count += 1 changes the buffer itself
        self.refuse(f"forward sets the attribute {name!r} of a {type(module).__name__}, which a graph would not do.")


def _in_place_root(node: fx.Node) -> fx.Node:
    """Return the node whose value a chain of in-place operations changes."""
    while node.op in ("call_function", "call_method") and node.args and isinstance(node.args[0], fx.Node):
        is_in_place = node.target in _IN_PLACE or (node.op == "call_method" and _is_in_place(str(node.target)))
        if not is_in_place:
            break
        node = node.args[0]
    return node


def _is_in_place(method: str) -> bool:
    return method.endswith("_") and not method.endswith("__")


def _flat(classes: Any) -> list[Any]:
    if isinstance(classes, tuple):
        return [inner for item in classes for inner in _flat(item)]
    return [*classes.__args__] if isinstance(classes, types.UnionType) else [classes]
