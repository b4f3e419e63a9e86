"""Private files of this user: read without following links, written atomically."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from retiarii.errors import StorageError, StoreFullError

# Flags that Windows lacks are 0. O_NONBLOCK: opening a pipe must not block.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class NotPrivateError(Exception):
    """The file is not a regular file, or other users could have written it; the message is a clause."""


def read_regular(path: Path, *, is_private: bool) -> bytes:
    """Read a regular file.

    Args:
        path: The file; a symbolic link is not followed.
        is_private: Whether the file must belong to this user, in a folder that others cannot write to.

    Raises:
        FileNotFoundError: The file does not exist.
        NotPrivateError: The file is not a regular file, or is not private.
        OSError: The file cannot be read.
    """
    if path.is_symlink():
        raise NotPrivateError("is a symbolic link")
    if is_private:
        _check_owner(path.parent.lstat(), stat.S_IWGRP | stat.S_IWOTH, "stands in a folder that ")
    descriptor = os.open(path, _READ)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotPrivateError("is not a regular file")
        if is_private:
            _check_owner(status, stat.S_IRWXG | stat.S_IRWXO, "")
        return file.read()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that only this user can read; an error leaves the old file unchanged.

    Raises:
        StoreFullError: There is no space left.
        StorageError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(temporary, _CREATE, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as err:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(err, OSError):
            raise
        kind = StoreFullError if err.errno in _NO_SPACE else StorageError
        raise kind(
            f"The file {str(path)!r} of {len(data):,} bytes cannot be written: {err.strerror or err}. Free some space, "
            "or check the permissions of its folder."
        ) from err


def _check_owner(status: os.stat_result, forbidden: int, where: str) -> None:
    if os.name == "nt":  # permissions there are not in the mode
        return
    if stat.S_ISLNK(status.st_mode):
        raise NotPrivateError(f"{where}is a symbolic link")
    if status.st_uid != os.geteuid():
        raise NotPrivateError(f"{where}belongs to the user {status.st_uid}, not to you ({os.geteuid()})")
    if status.st_mode & forbidden:
        raise NotPrivateError(f"{where}other users may use (its mode is {stat.S_IMODE(status.st_mode):03o})")
