"""`FileLock`: an exclusive lock that the operating system releases when its process dies, however it dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from retiarii.storage import _fork

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """A lock on a file, held from a successful `acquire` to `release` or the death of the process.

    Children do not inherit it: an executed program lacks the descriptor, and a forked child closes it. It excludes
    other threads of the same process too.

    Args:
        path: The lock file; it stays when the lock is released.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        _fork.register(self)

    def acquire(self) -> bool:
        """Take the lock; return False when it is held.

        Raises:
            OSError: The file cannot be made, or its file system has no locks.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _NO_LINKS, 0o600)
        try:
            locked = _try_lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        if locked:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return locked

    def is_held(self) -> bool:
        """Return whether somebody has the lock; to find out, it is taken for a moment.

        Raises:
            OSError: The file cannot be opened, or its file system has no locks.
        """
        if not os.path.lexists(self._path):
            return False
        if self.acquire():
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the lock back; does nothing without one."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def after_fork_in_child(self) -> None:
        """Close the child's copy of the descriptor; the parent keeps the lock."""
        self.release()
