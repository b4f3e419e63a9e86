"""Automatic labels: `ModelNamespace` numbers the choices of a model.

Inside a namespace labels are ``model_1``, ``model_2``, ...; a namespace inside it takes the next number as its own
name, so its labels are ``model_3_1``, ``model_3_2``. Outside of any namespace a choice only takes a creation number;
the labels of a model without a namespace count from the first of its choices, see `AutomaticLabel.relative_to`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any

from retiarii.errors import NoContextError
from retiarii.nn._labels.context_stack import ContextStack, set_stack, stack_of
from retiarii.space import AutomaticLabel

DEFAULT_KEY = "model"

_origins = itertools.count(1)


def sublabel(label: str, name: str) -> str:
    """Return the label of one of several choices that belong together, automatic if ``label`` is."""
    text = f"{label}/{name}"
    if not isinstance(label, AutomaticLabel):
        return text
    rest = f"{label.rest}/{name}"
    return AutomaticLabel(text, origin=label.origin, number=label.number, key=label.key, joint=label.joint, rest=rest)


def class_label(name: str) -> AutomaticLabel:
    """Return the next automatic label with the name of a class in it: ``LayerChoice3`` instead of ``model_3``.

    Args:
        name: The name of the class. All classes and ``model`` share one count.
    """
    label = ModelNamespace.next_label()
    number = label.removeprefix(f"{label.key}_")
    return AutomaticLabel(f"{name}{number}", origin=label.origin, number=label.number, key=name, joint="")


@dataclass(frozen=True)
class _Outside:
    """How far the numbering outside of any namespace is, in this thread."""

    origin: int
    count: int


_outside: ContextVar[Mapping[str, _Outside]] = ContextVar("retiarii_numbering", default=MappingProxyType({}))


class ModelNamespace:
    """Numbers automatic labels inside a ``with`` block.

    Namespaces of different keys do not know of each other. Inside a namespace of the same key, the new one takes the
    next number, and numbers are chained: ``model_1_4_2``.

    Args:
        key: What labels begin with.

    Attributes:
        name_path: The numbers of the namespaces from the outermost to this one.
        parameters: What `ModelParameterChoice` was called for inside: the choice, and the value that it returned.
    """

    def __init__(self, key: str = DEFAULT_KEY) -> None:
        self.key = key
        self.name_path: list[int] = []
        self.parameters: list[tuple[Any, Any]] = []
        self._origin = 0
        self._count = 0
        self._outer: tuple[Any, ...] = ()

    def __enter__(self) -> ModelNamespace:
        self._outer = stack_of(self.key)
        self._count = 0
        self.parameters = []
        parent = self._outer[-1] if self._outer else None
        if isinstance(parent, ModelNamespace):
            self.name_path = [*parent.name_path, parent._next()]
            self._origin = parent._origin
        else:
            self.name_path = []
            self._origin = next(_origins)
        ContextStack.push(self.key, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        set_stack(self.key, self._outer)

    def __repr__(self) -> str:
        return f"ModelNamespace({self.name!r})"

    @property
    def name(self) -> str:
        """The key and the numbers, joined by underscores."""
        return "_".join([self.key, *map(str, self.name_path)])

    @property
    def is_outermost(self) -> bool:
        """Whether no namespace of the same key is around this one."""
        return not self._outer

    def _next(self) -> int:
        self._count += 1
        return self._count

    @staticmethod
    def current_context(key: str = DEFAULT_KEY) -> ModelNamespace:
        """Return the innermost namespace of a key.

        Raises:
            NoContextError: There is none.
        """
        namespace = _innermost(key)
        if namespace is None:
            raise NoContextError(
                f"There is no ModelNamespace {key!r} here. Decorate the class of the model with @model_wrapper."
            )
        return namespace

    @staticmethod
    def next_label(key: str = DEFAULT_KEY) -> AutomaticLabel:
        """Return the next automatic label; outside of any namespace a provisional one."""
        namespace = _innermost(key)
        if namespace is not None:
            return AutomaticLabel(f"{namespace.name}_{namespace._next()}", origin=namespace._origin, key=key)
        outside = _outside.get().get(key) or _Outside(next(_origins), 0)
        number = outside.count + 1
        _set_outside(key, _Outside(outside.origin, number))
        return AutomaticLabel(f"{key}_{number}", origin=outside.origin, number=number, key=key)


@dataclass(frozen=True)
class Position:
    """How far the numbering of models is at one moment."""

    origin: int
    count: int
    name_path: tuple[int, ...] | None  # None: outside of any namespace


def position() -> Position:
    """Return how far the numbering is, so that something can be built again later with the same labels."""
    namespace = _innermost(DEFAULT_KEY)
    if namespace is not None:
        return Position(namespace._origin, namespace._count, tuple(namespace.name_path))
    outside = _outside.get().get(DEFAULT_KEY)
    if outside is None:
        outside = _Outside(next(_origins), 0)
        _set_outside(DEFAULT_KEY, outside)
    return Position(outside.origin, outside.count, None)


@contextmanager
def numbering_from(start: Position | None) -> Iterator[None]:
    """Number from a recorded position inside the block, or afresh if it is None; go on as before after it."""
    stack, outside = stack_of(DEFAULT_KEY), _outside.get()
    if start is None:
        start = Position(next(_origins), 0, None)
    if start.name_path is None:
        set_stack(DEFAULT_KEY, ())
        _set_outside(DEFAULT_KEY, _Outside(start.origin, start.count))
    else:
        namespace = ModelNamespace()
        namespace.name_path, namespace._origin, namespace._count = list(start.name_path), start.origin, start.count
        set_stack(DEFAULT_KEY, (namespace,))
    try:
        yield
    finally:
        set_stack(DEFAULT_KEY, stack)
        _outside.set(outside)


@contextmanager
def candidate_numbering() -> Iterator[None]:
    """Number automatic labels inside the block by themselves, so that later labels do not depend on what is in it.

    The block takes one number of the namespace around it. Outside of namespaces, several such blocks with automatic
    labels in them are told apart by nothing, which `extract_space` refuses.
    """
    outer = _innermost(DEFAULT_KEY)
    if outer is None:
        with numbering_from(None):
            yield
        return
    with ModelNamespace() as namespace:
        yield
    outer.parameters.extend(namespace.parameters)


def skip_candidate_numbering() -> None:
    """Take the number that a block of `candidate_numbering` would take, for a candidate that is not made."""
    outer = _innermost(DEFAULT_KEY)
    if outer is not None:
        outer._next()


def _innermost(key: str) -> ModelNamespace | None:
    stack = stack_of(key)
    return stack[-1] if stack and isinstance(stack[-1], ModelNamespace) else None


def _set_outside(key: str, outside: _Outside) -> None:
    _outside.set(MappingProxyType({**_outside.get(), key: outside}))
