"""The stack of user code while ``forward`` is traced: its files, ``try`` and ``with`` blocks, and modes of PyTorch."""

from __future__ import annotations

import ast
import dis
import functools
import linecache
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch

_TORCH = str(Path(torch.__file__).parent)
_LIBRARIES = (_TORCH, str(Path(__file__).parents[2]))
_STANDARD = sysconfig.get_paths()["stdlib"]
_MODES: dict[str, Any] = {
    "the gradient mode": torch.is_grad_enabled,
    "the inference mode": torch.is_inference_mode_enabled,
    "autocast": lambda: (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
    "autocast on GPUs": lambda: (torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")),
    "the default dtype": torch.get_default_dtype,
}


@functools.cache
def is_library_file(filename: str) -> bool:
    """Return whether a source file belongs to PyTorch or to this package."""
    return filename.startswith(_LIBRARIES)


@functools.cache
def is_user_file(filename: str) -> bool:
    """Return whether a source file belongs to the user: not to PyTorch, this package or Python itself."""
    is_standard = filename.startswith((_STANDARD, "<frozen ")) and "site-packages" not in filename
    return not is_standard and not is_library_file(filename)


def user_frames(until: CodeType) -> Iterator[FrameType]:
    """Yield the frames of user code on the stack, inner ones first, up to the frame that runs ``until``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not until:
        if is_user_file(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back


@functools.lru_cache(maxsize=65536)
def _block_at(code: CodeType, offset: int) -> str | None:
    """Return ``"except"`` or ``"with"`` if an instruction is inside such a block; else None."""
    handlers = _handlers(code)
    seen: set[int] = set()
    while True:
        target = next((target for start, end, target in handlers if start <= offset < end), None)
        if target is None or target in seen:
            return None
        seen.add(target)
        kind = _kind_of_handler(code, target)
        if kind is not None:
            return kind
        offset = target  # a handler is inside the blocks that its own block is inside


@functools.lru_cache(maxsize=4096)
def _handlers(code: CodeType) -> tuple[tuple[int, int, int], ...]:
    """Return the ranges of instructions with the handlers of their exceptions, inner ones first."""
    if sys.version_info >= (3, 11):
        entries = dis._parse_exception_table(code)  # type: ignore[attr-defined] # the table has no public reader
        return tuple((entry.start, entry.end, entry.target) for entry in entries)
    setups = [i for i in dis.get_instructions(code) if i.opname in ("SETUP_FINALLY", "SETUP_WITH")]
    return tuple((i.offset, i.argval, i.argval) for i in reversed(setups))


@functools.lru_cache(maxsize=4096)
def _kind_of_handler(code: CodeType, target: int) -> str | None:
    handler = [instruction.opname for instruction in dis.get_instructions(code) if instruction.offset >= target]
    for name, following in zip(handler, [*handler[1:], ""], strict=True):
        if name in ("CHECK_EXC_MATCH", "JUMP_IF_NOT_EXC_MATCH", "CHECK_EG_MATCH"):
            return "except"
        if name == "POP_EXCEPT" and following != "RERAISE":  # every handler ends with POP_EXCEPT, RERAISE
            return "except"
        if name == "WITH_EXCEPT_START":
            return "with"
        if name == "RERAISE":
            return None
    return None


def compares_identity(code: CodeType) -> bool:
    """Return whether a function compares two objects with ``is``; comparisons with None do not count."""
    previous: dis.Instruction | None = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IS_OP" and (previous is None or previous.opname != "LOAD_CONST"):
            return True
        previous = instruction
    return False


def writes_assert_message(frame: FrameType) -> bool:
    """Return whether a frame formats the message of a statement ``torch._assert(condition, f"...")``.

    The message is shown if the condition fails, so its text changes no result. The answer is no if the condition itself
    contains an f-string.
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


class Surroundings:
    """Checks that an operation is not inside a block or mode that a graph would lose.

    Args:
        root: The function that calls the traced model; frames outside of it do not count.
    """

    def __init__(self, root: CodeType) -> None:
        self._root = root
        self._modes = {name: read() for name, read in _MODES.items()}

    def problem(self) -> str | None:
        """Return why the current operation cannot be in a graph; None if it can."""
        for name, read in _MODES.items():
            if read() != self._modes[name]:
                return f"forward changes {name} (torch.no_grad(), torch.autocast(), ...), which a graph does not hold."
        for frame in user_frames(self._root):
            block = _block_at(frame.f_code, frame.f_lasti)
            if block == "except":
                return (
                    "forward computes in a try block with an except: whether something fails is known only when the "
                    "model runs."
                )
            if block == "with":
                return "forward computes in a with block, which a graph does not hold."
        return None
