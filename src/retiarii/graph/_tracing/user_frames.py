"""Where an operation comes from: the user's files, and the ``try`` and ``with`` blocks around a line of them."""

from __future__ import annotations

import dis
import functools
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

import torch

_TORCH = str(Path(torch.__file__).parent)
_LIBRARIES = (_TORCH, str(Path(__file__).parents[2]))
_STANDARD = sysconfig.get_paths()["stdlib"]


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


def enclosing_block(frame: FrameType) -> str | None:
    """Return ``"except"`` or ``"with"`` if the frame is inside one; ``finally`` alone does not count."""
    return _block_at(frame.f_code, frame.f_lasti)


@functools.lru_cache(maxsize=65536)
def _block_at(code: CodeType, offset: int) -> str | None:
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
        offset = target  # a handler stands inside whatever its block stands in


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
        if name == "POP_EXCEPT" and following != "RERAISE":  # what the end of a handler has in any case
            return "except"
        if name == "WITH_EXCEPT_START":
            return "with"
        if name == "RERAISE":
            return None
    return None


def compares_identity(code: CodeType) -> bool:
    """Return whether a function asks whether two things are the same object (not: whether one is None)."""
    previous: dis.Instruction | None = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IS_OP" and (previous is None or previous.opname != "LOAD_CONST"):
            return True
        previous = instruction
    return False
