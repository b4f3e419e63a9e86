"""`FileLock`: an exclusive lock that the operating system releases when its process ends in any way.

On a disk that several machines share, the lock of the operating system may be valid on one of them only. There the lock
file contains the name of its owner's machine, and its modification time is updated while the lock is held; a file of
another machine that was modified recently counts as held. Other users cannot open the file, or they could take the
lock.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from retiarii.storage import _fork

_OPTIONS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NAME_BYTES = 256
# File systems that only one machine uses, so that its own locks suffice.
_LOCAL = frozenset("apfs bcachefs btrfs ext2 ext3 ext4 f2fs hfs jfs ntfs overlay ramfs reiserfs tmpfs xfs zfs".split())
HEARTBEAT_S = 10.0
SILENT_S = 60.0  # a machine that has not updated its file for so long has lost its lock

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


@cache
def this_machine() -> str:
    """Return an id of this machine and its boot; containers on the same kernel, which share its locks, share the id."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def is_shared_disk(path: Path) -> bool:
    """Return whether other machines may use the disk of a file; True if that is unknown."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}" if hasattr(os, "major") else ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return sys.platform not in ("darwin", "win32")
    kinds = {line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == number}
    return not kinds or not kinds <= _LOCAL


class FileLock:
    """A lock on a file, held from a successful `acquire` to `release` or the end of the process.

    Children do not inherit it: an executed program does not get the descriptor, and a forked child closes it. It
    excludes
    other threads of the same process too.

    Args:
        path: The lock file; it stays when the lock is released.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._end = threading.Event()
        _fork.register(self)

    def acquire(self) -> bool:
        """Take the lock; return False if it is held.

        Raises:
            OSError: The file cannot be made, or its file system has no locks.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _OPTIONS, 0o600)
        try:
            locked = _try_lock(descriptor) and not self._is_held_elsewhere(descriptor)
            if locked:
                with suppress(OSError, AttributeError):  # a file of an older version, or of another user
                    os.fchmod(descriptor, 0o600)
                _rewrite(descriptor, this_machine())
        except OSError:
            os.close(descriptor)
            raise
        if not locked:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._end = threading.Event()
        if is_shared_disk(self._path):
            threading.Thread(target=self._beat, args=(self._end,), name="retiarii-lock", daemon=True).start()
        return True

    def is_held(self) -> bool:
        """Return whether the lock is held; to find out, it is taken for a moment.

        Raises:
            PermissionError: The lock belongs to another user.
            OSError: The file system has no locks.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | _OPTIONS)
        except FileNotFoundError:
            return False
        except PermissionError:  # of another user
            raise
        except OSError:
            descriptor = os.open(self._path, os.O_RDONLY | _OPTIONS)  # on a medium that cannot be written
        try:
            return not _try_lock(descriptor) or self._is_held_elsewhere(descriptor)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        if self._descriptor is not None:
            with suppress(OSError):  # a full disk; in the worst case another machine waits a minute
                if _owner(self._descriptor) in (b"", this_machine().encode()):
                    _rewrite(self._descriptor, "")  # else another machine took the lock meanwhile
            self._close()

    def after_fork_in_child(self) -> None:
        """Close the child's copy of the descriptor; the parent keeps the lock."""
        if self._descriptor is not None:
            self._close()

    def _close(self) -> None:
        self._end.set()
        descriptor, self._descriptor = self._descriptor, None
        assert descriptor is not None
        os.close(descriptor)

    def _beat(self, end: threading.Event) -> None:
        while not end.wait(HEARTBEAT_S):
            with suppress(OSError):  # the store itself detects that its files were removed
                os.utime(self._path)

    def _is_held_elsewhere(self, descriptor: int) -> bool:
        if not is_shared_disk(self._path):
            return False
        return _owner(descriptor) not in (b"", this_machine().encode()) and self._age_s(os.fstat(descriptor)) < SILENT_S

    def _age_s(self, status: os.stat_result) -> float:
        """Return how long ago the file was modified, by the clock of its file system."""
        try:
            with tempfile.TemporaryFile(dir=self._path.parent) as probe:
                now = os.fstat(probe.fileno()).st_mtime
        except OSError:
            now = time.time()
        return now - status.st_mtime


def _owner(descriptor: int) -> bytes:
    """Return the name of the machine that took the lock last; empty after a release, and on Windows."""
    return os.pread(descriptor, _NAME_BYTES, 0) if hasattr(os, "pread") else b""


def _rewrite(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text.encode())
