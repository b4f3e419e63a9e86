"""`FileLock`: an exclusive lock that the operating system releases when its process dies, however it dies.

On a disk that several machines may share, the lock of the operating system may hold on one of them only. There the lock
file names its owner's machine, and while the lock is held its time of change is moved on; a file of another machine
that was changed a moment ago counts as held. The file is closed to other users, who could take the lock otherwise.
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
# File systems of one machine: its own locks are all there are.
_LOCAL = frozenset("apfs bcachefs btrfs ext2 ext3 ext4 f2fs hfs jfs ntfs overlay ramfs reiserfs tmpfs xfs zfs".split())
HEARTBEAT_S = 10.0
SILENT_S = 60.0  # a machine that was silent for so long does not hold a lock any more

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
    """Return a name of this machine since its start; containers that share its kernel, and so its locks, share it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def is_shared_disk(path: Path) -> bool:
    """Return whether other machines may use the disk of a file: yes where it is not known to be of this one alone."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}" if hasattr(os, "major") else ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return sys.platform not in ("darwin", "win32")
    kinds = {line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == number}
    return not kinds or not kinds <= _LOCAL


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
        self._end = threading.Event()
        _fork.register(self)

    def acquire(self) -> bool:
        """Take the lock; return False when it is held.

        Raises:
            OSError: The file cannot be made, or its file system has no locks.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _OPTIONS, 0o600)
        try:
            locked = _try_lock(descriptor) and not self._is_held_elsewhere(descriptor)
            if locked:
                with suppress(OSError, AttributeError):  # a file of an older version, or of a user who is not us
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
        """Return whether somebody has the lock; to find out, it is taken for a moment.

        Raises:
            PermissionError: It is the lock of another user.
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
        """Give the lock back; does nothing without one."""
        if self._descriptor is not None:
            with suppress(OSError):  # a full disk; in the worst case another machine waits a minute
                if _owner(self._descriptor) in (b"", this_machine().encode()):
                    _rewrite(self._descriptor, "")  # else this machine was silent, and another one took the lock
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
            with suppress(OSError):  # the store notices by itself that its files are gone
                os.utime(self._path)

    def _is_held_elsewhere(self, descriptor: int) -> bool:
        if not is_shared_disk(self._path):
            return False
        return _owner(descriptor) not in (b"", this_machine().encode()) and self._age_s(os.fstat(descriptor)) < SILENT_S

    def _age_s(self, status: os.stat_result) -> float:
        """Return how long ago the file was changed, by the clock that set its time of change."""
        try:
            with tempfile.TemporaryFile(dir=self._path.parent) as probe:
                now = os.fstat(probe.fileno()).st_mtime
        except OSError:
            now = time.time()
        return now - status.st_mtime


def _owner(descriptor: int) -> bytes:
    """Return the name of the machine that took the lock last; empty once it was given back, and on Windows."""
    return os.pread(descriptor, _NAME_BYTES, 0) if hasattr(os, "pread") else b""


def _rewrite(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text.encode())
