"""`watched_identity`: ``a is b`` and ``a is None`` on traced values, which Python decides without asking them.

The bytecode says where a function asks. Just before it does, the values are looked at: a result that may be None, and
two values that may be one object, are refused.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from torch import fx

from retiarii.graph._traced_value import TracedValue, is_traced
from retiarii.graph._user_code import is_user_file

_RESULT = "<result>"
"""Stands for the result of a call, which has no name."""


@contextmanager
def watched_identity(refuse: Callable[[str], None], last: Callable[[], TracedValue | None]) -> Iterator[None]:
    """Refuse questions about the identity of traced values in this thread.

    A debugger or a measurement of coverage does not see the code that runs meanwhile.

    Args:
        refuse: Stops tracing.
        last: Returns the traced value that was made last.
    """

    def ask(frame: FrameType, event: str, arg: Any) -> Any:
        names = _questions(frame.f_code).get(frame.f_lasti) if event == "opcode" else None
        if names is not None:
            values = [last() if name == _RESULT else _value(frame, name) for name in names]
            problem = _problem([value for value in values if is_traced(value)], len(names))
            if problem is not None:
                refuse(problem)
        return ask

    def enter(frame: FrameType, event: str, arg: Any) -> Any:
        if not is_user_file(frame.f_code.co_filename) or not _questions(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        return ask

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


def _problem(values: list[Any], count: int) -> str | None:
    if count == 1 and values and _may_be_none(values[0].node):
        return (
            "forward asks whether a result is None, which is known only when the model runs. Annotate the forward of "
            "the class that returns it: -> torch.Tensor."
        )
    if len(values) == 2 and values[0] is not values[1]:
        first, second = values[0].node, values[1].node
        if first in _ancestors(second) or second in _ancestors(first):
            return (
                "forward asks whether a tensor and what was made from it are one object, which depends on the tensor."
            )
    return None


def _may_be_none(node: fx.Node) -> bool:
    if node.meta.get("known") is not None:
        return False
    if node.op == "placeholder":
        return "outer" in node.meta and _may_be_none(node.meta["outer"])
    if node.op == "call_function" and str(getattr(node.target, "__module__", "")).startswith("torch"):
        return False
    owner = node.args[0] if node.op == "call_method" else None
    return not (isinstance(owner, fx.Node) and owner.meta.get("known") is not None)


def _ancestors(node: fx.Node) -> Iterator[fx.Node]:
    """Yield the values that a value may be: what it was made from, as first argument of each step."""
    current: Any = node
    while isinstance(current, fx.Node):
        yield current
        current = current.meta.get("outer") if current.op == "placeholder" else next(iter(current.args), None)


def _value(frame: FrameType, name: str) -> Any:
    return frame.f_locals[name] if name in frame.f_locals else frame.f_globals.get(name)


@functools.lru_cache(maxsize=4096)
def _questions(code: CodeType) -> Mapping[int, tuple[str, ...]]:
    """Return where a function asks for identity, with the names of the one or two values that may be traced."""
    found: dict[int, tuple[str, ...]] = {}
    operands: list[str | None] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IS_OP":
            names = tuple(name for name in operands[-2:] if name is not None)
            is_none = len(operands) > 1 and operands[-1] is None
            if names and (is_none or len(names) == 2):
                found[instruction.offset] = names
        elif instruction.opname.endswith(("IF_NONE", "IF_NOT_NONE")):
            if operands and operands[-1] is not None:
                found[instruction.offset] = (operands[-1],)
        operands += _operands(instruction)
    return found


def _operands(instruction: dis.Instruction) -> list[str | None]:
    """Return the names of what an instruction puts on the stack; None for constants and what has no name."""
    if instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_NAME", "LOAD_GLOBAL", "STORE_FAST")):
        names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        return [str(name) for name in names]
    if instruction.opname in ("CALL", "CALL_FUNCTION", "CALL_METHOD", "CALL_KW", "CALL_FUNCTION_KW", "BINARY_SUBSCR"):
        return [_RESULT]
    return [] if instruction.opname in ("CACHE", "EXTENDED_ARG", "NOP", "COPY", "DUP_TOP") else [None]
