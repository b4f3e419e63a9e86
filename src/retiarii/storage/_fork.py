"""What a forked child does with the connections and locks that it inherits: it lets go of them, unused.

A child that used, or only closed, a connection of its parent would disturb the parent, and a lock that it kept open
would outlive a parent that was killed. So everything that must not be shared registers here, and is told in the child.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkSensitive(Protocol):
    """Holds what must not be shared between processes."""

    def after_fork_in_child(self) -> None:
        """Let go of everything inherited, without disturbing the parent."""
        ...


_HOLDERS: weakref.WeakSet[ForkSensitive] = weakref.WeakSet()
_INHERITED: list[object] = []


def register(holder: ForkSensitive) -> None:
    """Tell ``holder`` in every forked child, for as long as it lives."""
    _HOLDERS.add(holder)


def keep_unused(inherited: object) -> None:
    """Keep an inherited connection for the rest of the process: its destructor would speak to the other end."""
    _INHERITED.append(inherited)


def mute(descriptor: int) -> None:
    """Make an inherited socket harmless: the other end sees the parent's end only, and we write into nothing."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


def _let_go() -> None:
    for holder in list(_HOLDERS):
        holder.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
