"""Inherited connections and locks in forked children, which must drop them without using them.

A child that used, or even closed, a connection of its parent would disturb the parent, and a lock that it kept open
would outlive a parent that was killed. Objects that hold such resources register here, and are called in the child.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkSensitive(Protocol):
    """An object that holds resources that must not be shared between processes."""

    def after_fork_in_child(self) -> None:
        """Drop all inherited resources without disturbing the parent."""
        ...


_HOLDERS: weakref.WeakSet[ForkSensitive] = weakref.WeakSet()
_INHERITED: list[object] = []


def register(holder: ForkSensitive) -> None:
    """Call ``holder.after_fork_in_child`` in every forked child, as long as ``holder`` exists."""
    _HOLDERS.add(holder)


def keep_unused(inherited: object) -> None:
    """Keep an inherited connection until the end of the process, because its destructor would send to the other end."""
    _INHERITED.append(inherited)


def mute(descriptor: int) -> None:
    """Replace an inherited socket by the null device, so that writing to it does not reach the other end."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


def _let_go() -> None:
    for holder in list(_HOLDERS):
        holder.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
