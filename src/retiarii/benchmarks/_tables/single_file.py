"""`read_single_file`: the content of a benchmark that is published as one file."""

from __future__ import annotations

from pathlib import Path

from retiarii.errors import BenchmarkError

_MAX_BYTES = 64 * 2**20  # the largest of these files has 10 MB; far more is an attack on the memory


def read_single_file(source: Path, name: str) -> tuple[Path, bytes]:
    """Return the path and the content of a published file.

    Args:
        source: The file, which may have another name, or a folder in which it is called ``name``.
        name: The published name.

    Raises:
        BenchmarkError: There is no such file, or it cannot be read or is far too large.
    """
    path = _found(source, name)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BenchmarkError(
                f"{path.name} is larger than {_MAX_BYTES // 2**20} MiB, and {name} is not. It was not read."
            )
        return path, path.read_bytes()
    except OSError as err:
        raise BenchmarkError(f"{str(path)!r} cannot be read ({err}).") from err


def _found(source: Path, name: str) -> Path:
    if source.is_file():
        return source
    if not source.is_dir():
        raise BenchmarkError(f"There is no file or folder {str(source)!r}. Expected {name}, or a folder that has it.")
    for path in (source / name, *sorted(source.glob(f"*/{name}"))):
        if path.is_file():
            return path
    raise BenchmarkError(f"There is no {name} in {str(source)!r}. Expected that file, or a folder that has it.")
