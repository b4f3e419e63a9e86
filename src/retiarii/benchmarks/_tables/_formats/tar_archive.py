"""`open_tar`, `is_tar`, `files_of`: tar archives, read in bounded memory.

Python reads the extended header of a member as a whole, and keeps each member. A compressed archive of some megabytes
can have a header of many gigabytes, or millions of members.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

_MAX_HEADER_BYTES = 64 * 2**10  # of a name with its times; published ones have some hundred bytes
_MAX_MEMBERS = 200_000  # the largest published archive has 32,769
_EXTENDED = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}


class _SmallHeader(tarfile.TarInfo):
    """A member's header, which is refused if the extended one that follows is large."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _SmallHeader:
        found = super().frombuf(buf, encoding, errors)
        if found.type == tarfile.GNUTYPE_SPARSE or (found.type in _EXTENDED and found.size > _MAX_HEADER_BYTES):
            raise tarfile.ReadError("a header is larger than those of published archives")
        return found


def open_tar(path: Path) -> tarfile.TarFile:
    """Open an archive, which may be compressed.

    Raises:
        EOFError, OSError, tarfile.TarError, zlib.error: It is none, or damaged.
    """
    return tarfile.open(path, tarinfo=_SmallHeader)


def is_tar(path: Path) -> bool:
    """Return whether a file begins as a tar archive does.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        open_tar(path).close()
    except (EOFError, tarfile.TarError, zlib.error):  # such as a file that ends within its compressed data
        return False
    return True


def files_of(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the regular files in an archive.

    Raises:
        EOFError, OSError, tarfile.TarError, zlib.error: It is damaged.
    """
    count = 0
    while (member := archive.next()) is not None:
        count += 1
        if count > _MAX_MEMBERS:
            raise tarfile.ReadError(f"it has more than {_MAX_MEMBERS:,} members")
        if member.isreg():
            yield member
