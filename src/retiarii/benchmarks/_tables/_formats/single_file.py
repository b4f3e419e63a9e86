"""`read_file`, `read_single_file`: small published files as bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

from retiarii.benchmarks._tables._formats.named_files import NamedFiles
from retiarii.benchmarks._tables._formats.tar_archive import is_tar
from retiarii.errors import BenchmarkError

_MAX_BYTES = 64 * 2**20  # the largest of these files has 10 MB; far more is an attack on the memory


def read_single_file(source: Path, name: str, *, max_bytes: int = _MAX_BYTES) -> tuple[str, bytes]:
    """Return the name and the content of a benchmark that is published as one file.

    Args:
        source: The file, which may have another name, or a folder or an archive in which it is called ``name``.
        name: The published name.
        max_bytes: The largest file that is read.

    Raises:
        BenchmarkError: There is no such file, or it cannot be read or is far too large.
    """
    try:
        is_file = source.is_file() and not zipfile.is_zipfile(source) and not is_tar(source)
    except OSError as err:
        raise BenchmarkError(f"{str(source)!r} cannot be read ({err}).") from err
    found = source.name if is_file else name
    files = NamedFiles(source, [found], f"{name}, or a folder or an archive that has it")
    return found, read_file(files, found, max_bytes=max_bytes)


def read_file(files: NamedFiles, name: str, *, max_bytes: int = _MAX_BYTES) -> bytes:
    """Return the content of one of several published files.

    Raises:
        BenchmarkError: It is not there, cannot be read or is far too large.
    """
    with files.open(name) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise BenchmarkError(f"{name} is larger than {max_bytes // 2**20} MiB, and no such file is. It was not read.")
    return data
