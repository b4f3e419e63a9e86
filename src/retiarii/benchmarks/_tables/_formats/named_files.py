"""`NamedFiles`: published files of known names in a folder, a zip or tar archive, or alone."""

from __future__ import annotations

import contextlib
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from retiarii.benchmarks._tables._formats.tar_archive import files_of, is_tar, open_tar
from retiarii.errors import BenchmarkError

_DAMAGE = (EOFError, NotImplementedError, OSError, RuntimeError, tarfile.TarError, zipfile.BadZipFile)
_MORE_DAMAGE = (lzma.LZMAError, zlib.error)


class NamedFiles:
    """The files that are there, by their names; folders of an archive are ignored, and nothing is extracted.

    Args:
        source: A folder, whose folders are searched too, an archive, or one of the files.
        names: The names.
        expected: The published archive, for messages.

    Raises:
        BenchmarkError: None of the files is there, or the archive is damaged.
    """

    def __init__(self, source: Path, names: Collection[str], expected: str) -> None:
        self._source, self._expected = source, expected
        if not (source.is_dir() or source.is_file()):
            raise BenchmarkError(f"There is no file or folder {str(source)!r}. Expected {expected}.")
        with self._reading():
            self._places = self._found({*names})
        if not self._places:
            raise BenchmarkError(f"There is no published file in {str(source)!r}. Expected {expected}.")

    def names(self) -> list[str]:
        """Return the names of the files that are there, sorted."""
        return sorted(self._places)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading.

        Raises:
            BenchmarkError: It is not there, cannot be read, or turns out to be damaged while it is read.
        """
        if name not in self._places:
            raise BenchmarkError(f"There is no {name} in {str(self._source)!r}. Expected {self._expected}.")
        place = self._places[name]
        with self._reading(), contextlib.ExitStack() as stack:
            if isinstance(place, Path):
                yield stack.enter_context(place.open("rb"))
            elif isinstance(place, zipfile.ZipInfo):
                archive = stack.enter_context(zipfile.ZipFile(self._source))
                yield stack.enter_context(archive.open(place))
            else:
                tar = stack.enter_context(open_tar(self._source))
                member = tar.extractfile(place)
                assert member is not None  # only regular files were found
                yield stack.enter_context(member)

    def _found(self, names: set[str]) -> dict[str, Path | zipfile.ZipInfo | tarfile.TarInfo]:
        source = self._source
        if source.is_dir():
            paths = [*source.iterdir(), *source.glob("*/*")]
            return {path.name: path for path in paths if path.name in names and path.is_file()}
        if source.name in names:
            return {source.name: source}
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                infos = {PurePosixPath(info.filename).name: info for info in archive.infolist() if not info.is_dir()}
            return {name: info for name, info in infos.items() if name in names}
        if is_tar(source):
            with open_tar(source) as tar:
                members = {PurePosixPath(member.name).name: member for member in files_of(tar)}
            return {name: member for name, member in members.items() if name in names}
        return {}

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except BenchmarkError:
            raise
        except (*_DAMAGE, *_MORE_DAMAGE) as err:
            raise BenchmarkError(
                f"{str(self._source)!r} cannot be read ({err or type(err).__name__}). Expected {self._expected}; "
                "download it again."
            ) from err
