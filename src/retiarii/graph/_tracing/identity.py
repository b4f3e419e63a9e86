"""`watched_identity`: refuse ``a is b`` and ``a is None`` on traced values if the answer is not known.

Python evaluates ``is`` without calling the objects. So the bytecode of user code is watched: before an ``is`` with a
result that may be None, or with two values that may be one object, tracing stops.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, TypeAlias

from torch import fx

from retiarii.graph._tracing.traced_value import TracedValue, is_traced
from retiarii.graph._tracing.user_frames import is_user_file

_RESULT = "<result>"
"""Stands for the result of a call, which has no name."""
Operand: TypeAlias = "tuple[Any, ...]"
"""A name, and the attributes (as tuples) and elements that are read from it."""


@dataclass(frozen=True)
class _Constant:
    """A constant on the stack."""

    value: Any


@contextmanager
def watched_identity(refuse: Callable[[str], None], last: Callable[[], TracedValue | None]) -> Iterator[None]:
    """Refuse comparisons of traced values with ``is`` in this thread if the result is not known.

    Meanwhile, debuggers and coverage tools do not see the code that runs.

    Args:
        refuse: Stops tracing.
        last: Returns the traced value that was made last.
    """

    def ask(frame: FrameType, event: str, arg: Any) -> Any:
        operands = _questions(frame.f_code).get(frame.f_lasti) if event == "opcode" else None
        if operands is not None:
            values = [_value(frame, operand, last()) for operand in operands]
            problem = problem_of([value for value in values if is_traced(value)], len(operands))
            if not operands and any(_is_unknown(value) for value in (*frame.f_locals.values(), last())):
                problem = "forward matches a traced value of unknown type with the pattern of a dict."
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


def problem_of(values: list[Any], count: int) -> str | None:
    """Return why it is not known whether two values are one object, or whether one value is None.

    Args:
        values: The traced values.
        count: The number of operands that may be traced.
    """
    if count == 1 and values and _may_be_none(values[0].node):
        return (
            "forward asks whether a result is None, which is known only when the model runs. Annotate the forward of "
            "the class that returns it: -> torch.Tensor."
        )
    if len(values) == 2 and values[0] is not values[1]:
        return identity_problem(values[0].node, values[1].node)
    return None


def identity_problem(first: fx.Node, second: fx.Node) -> str | None:
    """Return why it is not known whether two values are one object; None if it is."""
    if first in _ancestors(second) or second in _ancestors(first):
        return "forward asks whether a tensor and what was made from it are one object, which depends on the tensor."
    return None


def _is_unknown(value: Any) -> bool:
    return is_traced(value) and value.known is None


def _may_be_none(node: fx.Node) -> bool:
    if node.meta.get("known") is not None:
        return False
    if "reduced" in node.meta:  # to one tensor, if all are
        return any(map(_may_be_none, _nodes_in(node.meta["reduced"])))
    if node.op == "placeholder":
        return "outer" in node.meta and _may_be_none(node.meta["outer"])
    if node.op == "call_function" and str(getattr(node.target, "__module__", "")).startswith("torch"):
        return False
    owner = node.args[0] if node.op == "call_method" else None
    return not (isinstance(owner, fx.Node) and owner.meta.get("known") is not None)


def _nodes_in(arguments: Any) -> list[fx.Node]:
    found: list[fx.Node] = []
    fx.map_arg(arguments, lambda node: found.append(node) or node)  # type: ignore[func-returns-value]  # appends
    return found


def _ancestors(node: fx.Node) -> Iterator[fx.Node]:
    """Yield the values that a value may be identical to: the first argument of each operation that made it."""
    current: Any = node
    while isinstance(current, fx.Node):
        yield current
        current = current.meta.get("outer") if current.op == "placeholder" else next(iter(current.args), None)


def _value(frame: FrameType, operand: Operand, last: TracedValue | None) -> Any:
    """Return the value of an operand; an attribute or element of a traced value is the value that was made last."""
    name, *steps = operand
    value = frame.f_locals[name] if name in frame.f_locals else frame.f_globals.get(str(name))
    for step in steps:
        if is_traced(value):
            return last
        value = _step(value, step)
    return last if name == _RESULT else value


def _step(value: Any, step: Any) -> Any:
    """Return an attribute (a name in a tuple) or an element, without running code of the value's class."""
    if isinstance(step, tuple):
        attributes = getattr(value, "__dict__", {})
        return attributes.get(*step) if isinstance(attributes, dict) else None
    if isinstance(value, (list, tuple)) and isinstance(step, int) and -len(value) <= step < len(value):
        return value[step]
    return value.get(step) if isinstance(value, dict) else None


@functools.lru_cache(maxsize=4096)
def _questions(code: CodeType) -> Mapping[int, tuple[Operand, ...]]:
    """Return the bytecode offsets of comparisons with ``is``, with the one or two operands that may be traced."""
    found: dict[int, tuple[Operand, ...]] = {}
    operands: list[Operand | _Constant | None] = []
    for instruction in dis.get_instructions(code):
        last = operands[-1] if operands else None
        if instruction.opname == "IS_OP":
            named = tuple(operand for operand in operands[-2:] if isinstance(operand, tuple))
            is_none = isinstance(last, _Constant) and last.value is None
            if named and (is_none or len(named) == 2):
                found[instruction.offset] = named
        elif instruction.opname.endswith(("IF_NONE", "IF_NOT_NONE")) and isinstance(last, tuple):
            found[instruction.offset] = (last,)
        elif instruction.opname == "MATCH_MAPPING":
            found[instruction.offset] = ()
        _push(operands, instruction)
    return found


def _push(operands: list[Operand | _Constant | None], instruction: dis.Instruction) -> None:
    """Add the operand that an instruction puts on the stack; None if it has no name."""
    last = operands[-1] if operands else None
    if instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_NAME", "LOAD_GLOBAL", "STORE_FAST")):
        names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        operands += [(str(name),) for name in names]
    elif instruction.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
        operands.append(_Constant(instruction.argval))
    elif instruction.opname == "LOAD_ATTR" and isinstance(last, tuple):
        operands[-1] = (*last, (instruction.argval,))
    elif instruction.opname == "BINARY_SUBSCR":
        owner = operands[-2] if len(operands) > 1 else None
        if isinstance(last, _Constant) and isinstance(owner, tuple) and owner != (_RESULT,):
            operands.append((*owner, last.value))
        else:
            operands.append((_RESULT,))
    elif instruction.opname in ("CALL", "CALL_FUNCTION", "CALL_METHOD", "CALL_KW", "CALL_FUNCTION_KW"):
        operands.append((_RESULT,))
    elif instruction.opname not in ("CACHE", "EXTENDED_ARG", "NOP", "COPY", "DUP_TOP"):
        operands.append(None)
