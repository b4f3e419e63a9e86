"""Whether a line of ``forward`` only writes the message of ``torch._assert``, which nothing is computed from."""

from __future__ import annotations

import ast
import functools
import linecache
from types import FrameType

import torch


def writes_assert_message(frame: FrameType) -> bool:
    """Return whether a frame is inside a statement ``torch._assert(condition, f"...")``, at work on the message.

    The message is text that is shown if the condition fails, so that what stands in it changes no result. A condition
    that has an f-string of its own is not looked into: the answer is then no.
    """
    call = _assertion_at(frame.f_code.co_filename, frame.f_lineno)
    return call is not None and _called(call.func, frame) is torch._assert


def _called(function: ast.expr, frame: FrameType) -> object:
    if isinstance(function, ast.Name):
        return frame.f_globals.get(function.id)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return getattr(frame.f_globals.get(function.value.id), function.attr, None)
    return None


def _assertion_at(filename: str, line: int) -> ast.Call | None:
    for statement in _expressions(filename):
        call = statement.value
        if isinstance(call, ast.Call) and statement.lineno <= line <= (statement.end_lineno or line):
            has_plain_condition = call.args and not any(
                isinstance(node, ast.JoinedStr) for node in ast.walk(call.args[0])
            )
            return call if has_plain_condition else None
    return None


@functools.lru_cache(maxsize=256)
def _expressions(filename: str) -> tuple[ast.Expr, ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.Expr))
