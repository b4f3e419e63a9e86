"""`published_files`: the compressed records of a benchmark in a folder, a tar archive or a single file."""

from __future__ import annotations

import bz2
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retiarii.benchmarks._tables._formats.tar_archive import files_of, is_tar, open_tar
from retiarii.errors import BenchmarkError

_RECORD = re.compile(r"(?:^|/)(\d{6})\.pickle\.pbz2$")
_MAX_COMPRESSED_BYTES = 4 * 2**20
_MAX_BYTES = 4 * 2**20  # a record is 330 KB; far more is an attack on the memory


@dataclass(frozen=True)
class PublishedFile:
    """One compressed record.

    Attributes:
        index: The number in its name.
        name: Its name for messages.
        compressed: Returns its content; call it before the next file is asked for.
    """

    index: int
    name: str
    compressed: Callable[[], bytes]

    def content(self) -> bytes:
        """Return the content, decompressed.

        Raises:
            BenchmarkError: The file cannot be read, is truncated, damaged or far too large.
        """
        reader = bz2.BZ2Decompressor()
        try:
            content = reader.decompress(self.compressed(), _MAX_BYTES + 1)
        except (EOFError, OSError, ValueError, tarfile.TarError, zlib.error) as err:
            raise BenchmarkError(f"{self.name} cannot be decompressed ({err}). Download the file again.") from err
        if len(content) > _MAX_BYTES:
            raise _too_large(self.name, _MAX_BYTES)
        if not reader.eof:
            raise BenchmarkError(f"{self.name} is truncated: its compressed data do not end. Download the file again.")
        return content


def published_files(source: Path, name: str) -> tuple[Iterator[PublishedFile], int | None]:
    """Return the records in a folder, a tar archive or a single file, and their number (None if it is unknown).

    Args:
        source: A folder of records, a folder with such a folder, an archive, or one record.
        name: The published name of the folder, such as ``NATS-tss-v1_0-3ffb9-simple``. Another version of it has the
            same first two parts.

    Raises:
        BenchmarkError: There are no records, or the archive cannot be read.
    """
    expected = f"{name}, as its folder or its tar archive, with files such as 000000.pickle.pbz2"
    if source.is_dir():
        files = _in_folder(source, "-".join(name.split("-")[:2]), expected)
        return (_of_file(path) for path in files), len(files)
    if not source.is_file():
        raise BenchmarkError(f"There is no file or folder {str(source)!r}. Expected {expected}.")
    if _RECORD.search(source.name):
        return iter([_of_file(source)]), 1
    try:
        is_archive = is_tar(source)
    except OSError as err:
        raise BenchmarkError(f"{str(source)!r} cannot be read ({err}).") from err
    if not is_archive:
        raise BenchmarkError(f"{str(source)!r} is neither a record nor a tar archive. Expected {expected}.")
    return _in_archive(source, expected), None


def _in_folder(folder: Path, prefix: str, expected: str) -> list[Path]:
    for place in (folder, *sorted(folder.glob(f"{prefix}*"))):
        files = [path for path in place.glob("*.pickle.pbz2") if _RECORD.search(path.name) and path.is_file()]
        if files:
            return sorted(files)
    raise BenchmarkError(f"There are no records in {str(folder)!r}. Expected {expected}.")


def _of_file(path: Path) -> PublishedFile:
    def compressed() -> bytes:
        if path.stat().st_size > _MAX_COMPRESSED_BYTES:
            raise _too_large(path.name, _MAX_COMPRESSED_BYTES)
        return path.read_bytes()

    return PublishedFile(_index(path.name), path.name, compressed)


def _in_archive(path: Path, expected: str) -> Iterator[PublishedFile]:
    num_found = 0
    try:
        with open_tar(path) as archive:
            for member in files_of(archive):
                if _RECORD.search(member.name):
                    num_found += 1
                    yield _of_member(archive, member)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as err:
        raise BenchmarkError(f"The archive {str(path)!r} is damaged ({err}). Download it again.") from err
    if not num_found:
        raise BenchmarkError(f"There are no records in the archive {str(path)!r}. Expected {expected}.")


def _of_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> PublishedFile:
    def compressed() -> bytes:
        if member.size > _MAX_COMPRESSED_BYTES:
            raise _too_large(member.name, _MAX_COMPRESSED_BYTES)
        file = archive.extractfile(member)
        return b"" if file is None else file.read()

    return PublishedFile(_index(member.name), member.name, compressed)


def _index(name: str) -> int:
    found = _RECORD.search(name)
    assert found is not None
    return int(found[1])


def _too_large(name: str, limit: int) -> BenchmarkError:
    return BenchmarkError(f"{name} is larger than {limit // 2**20} MiB, and no record is. It was not read.")
