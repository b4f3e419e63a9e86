"""Files of tensors and plain data: written whole, with a checksum, and read without running code.

The files are those of `torch.save`, which any PyTorch reads. The checksum is the comment at the end of the zip archive
that such a file is: torch does not look at it, and notices few changes of single bytes itself.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import struct
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

_END = b"PK\x05\x06"  # the record at the end of a zip archive: 22 bytes, and a comment whose length is its last two
_END_BYTES = 22
_TAG = b"sha256:"
_DIGEST_CHARS = 64
_SEAL_BYTES = len(_TAG) + _DIGEST_CHARS
_CHUNK = 1 << 20
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
"""The exceptions that torch, and code that unpacks the content, raise for unexpected content."""


class TensorFileError(Exception):
    """The file is damaged or is not a tensor file; the message is a clause without a subject."""


def write_tensors(content: Any, path: Path) -> None:
    """Write tensors and plain data to a file that only this user can read; an error leaves the old file unchanged.

    Raises:
        OSError: The file cannot be written.
    """
    temporary = temporary_beside(path)
    try:
        with open(os.open(temporary, _CREATE, 0o600), "wb") as file:
            _save(content, file)
        seal(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_beside(path: Path) -> Path:
    """Return the temporary path under which a file is written before it replaces the old one, and remove what is there.

    An existing file of this name may be a link, and writing through it would change a file elsewhere.

    Raises:
        OSError: The existing file cannot be removed.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    return temporary


class _Noting:
    """A file for `torch.save` that keeps the OSError of a failed write, which torch replaces by a bare RuntimeError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _save(content: Any, file: BinaryIO) -> None:
    noting = _Noting(file)
    try:
        torch.save(content, cast("BinaryIO", noting))
    except RuntimeError:
        if noting.error is None:
            raise
        raise noting.error from None


def seal(path: Path) -> None:
    """Add the checksum to a file that ``torch.save`` wrote; files of other formats stay as they are.

    Raises:
        OSError: The file cannot be written.
    """
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _END_BYTES, 0))
        end = file.read()
        if not end.startswith(_END) or end[-2:] != b"\0\0":
            return
        file.seek(-2, os.SEEK_END)
        file.write(struct.pack("<H", _SEAL_BYTES) + _TAG)
        file.flush()
        digest = _digest(path, size + len(_TAG))
        file.write(digest)
        file.flush()
        os.fsync(file.fileno())


def read_tensors(path: Path, map_location: Any = "cpu", *, mmap: bool = False, needs_seal: bool = True) -> Any:
    """Read a file that `write_tensors` or `seal` wrote; no code in it is run.

    Args:
        path: The file.
        map_location: The device of the tensors, as in `torch.load`.
        mmap: Whether tensors are read from the file when they are used.
        needs_seal: Whether a file without a checksum, such as one of ``torch.save``, is refused.

    Raises:
        FileNotFoundError: The file does not exist.
        OSError: The file cannot be opened.
        TensorFileError: The file is damaged, or was not written by this package.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise TensorFileError("is not a regular file")
    _check_seal(path, status.st_size, is_needed=needs_seal)
    try:
        return torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except (*UNREADABLE, OSError) as error:
        raise TensorFileError(f"is no file of tensors and plain data ({type(error).__name__})") from error


def _check_seal(path: Path, size: int, *, is_needed: bool) -> None:
    with open(path, "rb") as file:
        file.seek(max(size - _SEAL_BYTES, 0))
        found = file.read()
    if not is_needed and _TAG not in found:
        return
    if not found.startswith(_TAG) or len(found) != _SEAL_BYTES:
        raise TensorFileError("is incomplete, or was not written by retiarii (it has no checksum)")
    if _digest(path, size - _DIGEST_CHARS) != found[len(_TAG) :]:
        raise TensorFileError("is damaged (its content does not have its checksum)")


def _digest(path: Path, size: int) -> bytes:
    """Return the hash of the first bytes of a file, as text."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0:
            chunk = file.read(min(size, _CHUNK))
            if not chunk:
                break
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest().encode()
