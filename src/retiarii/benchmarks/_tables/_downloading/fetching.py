"""`fetch_files`: bring the published files of a table to this machine."""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retiarii.benchmarks._tables._downloading.part_file import PartFile, sha256_of
from retiarii.benchmarks._tables._downloading.transfer import MAX_BYTES, Transfer
from retiarii.benchmarks._tables.benchmark_table import BenchmarkTable
from retiarii.benchmarks._tables.cache_folder import tables_folder
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.download_address import check_address, is_address
from retiarii.errors import BenchmarkError, ConfigError

MIRROR_VARIABLE = "RETIARII_BENCHMARKS_MIRROR"
"""The environment variable with another place for the files of all tables: a folder, or the address of one."""

Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes so far and the bytes in all (None if nobody knows)."""


@dataclass(frozen=True)
class FetchedFile:
    """A published file on this machine.

    Attributes:
        path: The file.
        size_bytes: Its size.
        sha256: Its SHA-256 checksum, in hexadecimal digits.
        is_checked: Whether that is the published one, or the one that the caller gave. The publishers of some files
            give none; ``build`` checks the content of each.
        was_there: Whether it was there before.
    """

    path: Path
    size_bytes: int
    sha256: str
    is_checked: bool
    was_there: bool


def fetch_files(
    table: BenchmarkTable,
    names: Sequence[str] = (),
    *,
    source: str | None = None,
    sha256: str | None = None,
    folder: Path | None = None,
    on_progress: Progress | None = None,
) -> list[FetchedFile]:
    """Fetch the published files that a table is built from.

    What has arrived before an interruption is kept, and the next call goes on there. A file that is there already is
    checked and kept.

    Args:
        table: The table.
        names: The names of files in ``table.downloads``; empty for all but the optional ones.
        source: Another place than the publisher's: a file, a folder that has the files, or the address of a file or
            (with ``/`` at its end) of a folder. The environment variable `MIRROR_VARIABLE` names one for all tables.
        sha256: The expected checksum, if one file is fetched.
        folder: The folder for the files; ``downloads/NAME`` in `tables_folder` if left out.
        on_progress: Called after each megabyte.

    Raises:
        BenchmarkError: A file cannot be fetched, is not the published one or has to be fetched by hand, or the disk is
            full.
        ConfigError: A name, address or checksum is wrong.
    """
    files = _chosen(table, names)
    if sha256 is not None and (len(files) != 1 or not re.fullmatch("[0-9a-fA-F]{64}", sha256)):
        raise ConfigError(
            f"The checksum is given as {sha256!r} for {', '.join(file.name for file in files)}, expected 64 "
            "hexadecimal digits for one file."
        )
    folder = folder or tables_folder() / "downloads" / table.name
    source = source or os.environ.get(MIRROR_VARIABLE) or None
    with _alone(table):
        return [_fetched(table, file, folder, source, sha256, on_progress) for file in files]


@contextmanager
def _alone(table: BenchmarkTable) -> Iterator[None]:
    """Keep other processes from fetching files of the table, which would write to the same places."""
    from retiarii.storage import FileLock  # slow to import

    path = tables_folder() / "downloads" / f"{table.name}.lock"
    lock = FileLock(path)
    try:
        if not lock.acquire():
            raise BenchmarkError(f"Another process is downloading files of {table.title}. Wait until it has ended.")
    except OSError as err:
        raise BenchmarkError(f"Nothing can be stored in {str(path.parent)!r} ({err}).") from err
    try:
        yield
    finally:
        lock.release()


def _chosen(table: BenchmarkTable, names: Sequence[str]) -> list[Download]:
    known = {file.name: file for file in table.downloads}
    if unknown := [name for name in names if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{table.title} has no file {unknown[0]!r}, expected one of {[*known]}.{hint}")
    chosen = [known[name] for name in names] or [file for file in table.downloads if not file.is_optional]
    if not chosen:
        raise BenchmarkError(f"Nothing is published for {table.title} that could be downloaded.")
    return chosen


def _fetched(
    table: BenchmarkTable,
    file: Download,
    folder: Path,
    source: str | None,
    sha256: str | None,
    on_progress: Progress | None,
) -> FetchedFile:
    target = folder / file.name
    expected = (sha256 or file.sha256 or "").lower()
    if target.is_file():
        return _checked(target, target, file, expected, was_there=True)
    place = _place(table, file, source)
    with _free_to_write(target):
        if isinstance(place, Path):
            part = PartFile(target, str(place))
            _copy(place, part, file, on_progress)
        else:
            part = PartFile(target, place)
            how = f"retiarii benchmarks build {table.name} FILE"
            Transfer(place, part, file, how, expected=expected, on_progress=on_progress).run()
    found = _checked(part.path, target, file, expected, was_there=False, part=part)
    part.finish()
    return found


def _place(table: BenchmarkTable, file: Download, source: str | None) -> Path | str:
    """Return the file or the address that a published file is taken from."""
    if source is None:
        if file.url is None:
            build = f"retiarii benchmarks build {table.name}"
            last = "" if build in file.by_hand else f" Then: {build} FILE"
            raise BenchmarkError(f"{file.name} of {table.title} cannot be fetched by a program. {file.by_hand}{last}")
        check_address(file.url, allow_loopback=False)
        return file.url
    if is_address(source):
        url = f"{source}{file.name}" if source.endswith("/") else source
        check_address(url, allow_loopback=True)
        return url
    path = Path(os.path.expanduser(source))
    path = path / file.name if path.is_dir() else path
    if not path.is_file():
        raise BenchmarkError(
            f"There is no file {str(path)!r}, from which {file.name} of {table.title} was to be taken."
        )
    return path


def _copy(source: Path, part: PartFile, file: Download, on_progress: Progress | None) -> None:
    total = source.stat().st_size
    part.begin("", total)
    with source.open("rb") as reader, part.path.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
    if on_progress is not None:
        on_progress(file.name, total, total)


@contextmanager
def _free_to_write(target: Path) -> Iterator[None]:
    """Turn errors of the disk into messages about the target."""
    try:
        yield
    except OSError as err:
        raise BenchmarkError(
            f"{target.name} cannot be stored at {str(target)!r} ({err}). What has arrived is kept: make room, and run "
            "the same command again."
        ) from err


def _checked(
    path: Path, target: Path, file: Download, expected: str, *, was_there: bool, part: PartFile | None = None
) -> FetchedFile:
    """Return the record of a file that is the published one, as far as that is known."""
    size, found = path.stat().st_size, sha256_of(path)
    problem = ""
    if expected and found != expected:
        problem = f"has the SHA-256 checksum {found}, expected {expected}"
    elif file.size_bytes is not None and size != file.size_bytes:
        problem = f"has {size:,} bytes, expected {file.size_bytes:,}"
    elif size > MAX_BYTES:
        problem = f"has {size:,} bytes, and no published file has more than {MAX_BYTES:,}"
    if problem:
        if part is None:
            raise BenchmarkError(f"{str(path)!r} {problem}. Delete it, and download it again.")
        raise BenchmarkError(
            f"{file.name} {problem}: it is damaged or another file, and was moved to {str(part.reject())!r}."
        )
    return FetchedFile(target, size, found, bool(expected), was_there)
