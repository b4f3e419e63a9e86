"""`TracedValue`: the placeholder of a value while ``forward`` is traced.

Operations on it become nodes. Questions about its type are answered from what is known (see `known_types`). Questions
about its content (``bool``, ``float``, a loop over it, its text) are refused, even if user code catches the error.
"""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from torch import fx

from retiarii.graph._tracing.known_types import READ, Known
from retiarii.graph._tracing.user_frames import is_library_file, is_user_file, writes_assert_message

_OWN_FIELDS = frozenset({"tracer", "node", "root", "attr", "_node"})
_MUTABLE = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
_NUMBERS = (int, float, bool)


class Answers(Protocol):
    """The methods of the tracer that a traced value calls; see `Questions`."""

    def create_proxy(self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        """Record an operation."""

    def refuse(self, message: str) -> NoReturn:
        """Stop tracing."""

    def attribute(self, value: TracedValue, name: str) -> Any:
        """Return an attribute of a traced value."""

    def type_of(self, value: TracedValue) -> type:
        """Return the type of a traced value."""

    def use_identity(self, value: TracedValue) -> None:
        """Check that a traced value may be a key of a dict."""


def _class_of(value: TracedValue) -> type:
    """Answer ``x.__class__`` and class patterns of ``match`` in code outside PyTorch."""
    frame = sys._getframe(1)
    if is_library_file(frame.f_code.co_filename):
        return type(value)
    if dis.opname[frame.f_code.co_code[frame.f_lasti]] not in ("LOAD_ATTR", "LOAD_METHOD", "MATCH_CLASS"):
        return type(value)
    return value.tracer.type_of(value)


class TracedValue(fx.Proxy):
    """A value of the traced model."""

    tracer: Answers  # type: ignore[assignment] # narrower than in torch.fx
    __class__ = property(_class_of)  # the model's class for users, the real one for torch.fx
    __array_ufunc__ = None  # NumPy must not compute with it

    @property
    def known(self) -> Known | None:
        """Its known type; None if nothing is known."""
        known: Known | None = self.node.meta.get("known")
        return known

    def __getattr__(self, k: str) -> Any:
        return self.tracer.attribute(self, k)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _OWN_FIELDS:
            self._refuse(f"sets the attribute {name!r} of a traced value")
        object.__setattr__(self, name, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    def __delitem__(self, key: Any) -> None:
        self._refuse("deletes an element of a traced value")

    def __len__(self) -> int:
        self._refuse("asks for the length of a traced value")

    def __hash__(self) -> int:
        filename = sys._getframe(1).f_code.co_filename
        if not is_library_file(filename) and "_weakrefset" not in filename:
            self.tracer.use_identity(self)
        return object.__hash__(self)

    def __str__(self) -> str:
        self._refuse("turns a traced value into text")

    def __repr__(self) -> str:
        if is_user_file(sys._getframe(1).f_code.co_filename):
            self._refuse("turns a traced value into text")
        return f"Proxy({self.node.name})"

    def __format__(self, spec: str) -> str:
        if writes_assert_message(sys._getframe(1)):
            return "?"
        self._refuse("turns a traced value into text")

    def _refuse(self, what: str) -> NoReturn:
        self.tracer.refuse(f"forward {what}, whose content is known only when the model runs.")


def _refusing(what: str) -> Callable[..., Any]:
    def method(self: TracedValue, *args: Any) -> Any:
        self._refuse(what)

    return method


def _in_place(name: str) -> Callable[[TracedValue, Any], Any]:
    """Return the method for ``a += b``: plain arithmetic for numbers, in-place for every other type."""
    changing, plain = getattr(operator, f"i{name}"), getattr(operator, f"{name}_" if name in ("and", "or") else name)

    def method(self: TracedValue, other: Any) -> Any:
        is_number = self.known is not None and self.known.cls in _NUMBERS
        return self.tracer.create_proxy("call_function", plain if is_number else changing, (self, other), {})

    return method


for _name, _what in {
    "__int__": "turns a traced value into an int",
    "__float__": "turns a traced value into a float",
    "__complex__": "turns a traced value into a complex number",
    "__round__": "rounds a traced value",
    "__trunc__": "rounds a traced value",
    "__reversed__": "goes through a traced value in reverse",
    "__array__": "turns a traced value into an array",
    "__copy__": "copies a traced value with copy.copy()",
    "__deepcopy__": "copies a traced value with copy.deepcopy()",
    "__reduce_ex__": "pickles a traced value",
}.items():
    setattr(TracedValue, _name, _refusing(_what))
for _name in _MUTABLE:
    setattr(TracedValue, f"__i{_name}__", _in_place(_name))


class TracedSequence(TracedValue):
    """A value that may be a tuple or list, so that ``case [a, b]`` asks for its length."""


Sequence.register(TracedSequence)


class TracedAttribute(TracedValue):
    """A method of a traced value before it is called, or an attribute of a value of unknown type."""

    def __init__(self, root: TracedValue, attr: str) -> None:
        self.root = root
        self.attr = attr
        self.tracer = root.tracer
        self._node: fx.Node | None = None

    @property
    def node(self) -> fx.Node:  # type: ignore[override] # as in torch.fx: a method that is called needs no node
        """The node that reads the attribute, created on first use."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", READ, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


def is_traced(value: Any) -> bool:
    """Return whether an object is a traced value; its ``__class__`` says something else."""
    return type(value) in (TracedValue, TracedSequence, TracedAttribute)
