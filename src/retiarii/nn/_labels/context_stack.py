"""`ContextStack`: values that hold inside a ``with`` block, per thread and per asynchronous task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Any

from retiarii.errors import NoContextError

_stacks: ContextVar[Mapping[str, tuple[Any, ...]]] = ContextVar("retiarii_context", default=MappingProxyType({}))


class ContextStack:
    """Makes a value available under a key to everything that is called inside a ``with`` block.

    Blocks with the same key nest: the innermost value counts. Other threads do not see the value.

    Args:
        key: The name of the stack.
        value: What `get_current_context` returns inside the block.
    """

    def __init__(self, key: str, value: Any) -> None:
        self.key = key
        self.value = value
        self._outer: list[tuple[Any, ...]] = []  # a list, so that one object may be entered again inside itself

    def __enter__(self) -> ContextStack:
        self._outer.append(stack_of(self.key))
        self.push(self.key, self.value)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        set_stack(self.key, self._outer.pop())

    @classmethod
    def push(cls, key: str, value: Any) -> None:
        """Put a value on top of a stack."""
        set_stack(key, (*stack_of(key), value))

    @classmethod
    def pop(cls, key: str) -> None:
        """Take the top off a stack.

        Raises:
            NoContextError: The stack is empty.
        """
        cls.top(key)
        set_stack(key, stack_of(key)[:-1])

    @classmethod
    def top(cls, key: str) -> Any:
        """Return the innermost value.

        Raises:
            NoContextError: The stack is empty.
        """
        stack = stack_of(key)
        if not stack:
            raise NoContextError(f"There is no context {key!r} here. Open one with ContextStack({key!r}, value).")
        return stack[-1]


@contextmanager
def hidden(key: str) -> Iterator[None]:
    """Make a stack empty inside the block."""
    outer = stack_of(key)
    set_stack(key, ())
    try:
        yield
    finally:
        set_stack(key, outer)


def get_current_context(key: str) -> Any:
    """Return the innermost value under a key.

    Raises:
        NoContextError: There is none.
    """
    return ContextStack.top(key)


def stack_of(key: str) -> tuple[Any, ...]:
    """Return the values under a key, the innermost last."""
    return _stacks.get().get(key, ())


def set_stack(key: str, values: tuple[Any, ...]) -> None:
    """Replace the values under a key; the caller puts the old ones back."""
    _stacks.set(MappingProxyType({**_stacks.get(), key: values}))
