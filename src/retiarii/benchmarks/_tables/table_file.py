"""`TableFile`: the SQLite file of a table, opened for queries or for a build, with errors that say how to mend it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from retiarii.benchmarks._tables.benchmark_table import TableState, TableStatus
from retiarii.benchmarks._tables.cache_folder import tables_folder
from retiarii.errors import BenchmarkError


@dataclass(frozen=True)
class OpenedTable:
    """A table that is open for queries.

    Attributes:
        path: The file.
        connection: The connection.
        num_architectures: How many architectures it has.
        identity: The process and the file of the connection.
    """

    path: Path
    connection: sqlite3.Connection
    num_architectures: int
    identity: tuple[int, str, int, int]


class _Opened(threading.local):
    """The tables that queries of one thread share, by name."""

    def __init__(self) -> None:
        self.tables: dict[str, OpenedTable] = {}


_OPENED = _Opened()


@dataclass(frozen=True)
class TableFile:
    """The file of one table in `tables_folder`.

    Attributes:
        name: The name of the table on the command line, and of its file.
        title: The name in messages.
        application_id: The number that marks files of this table, in 32 bits (SQLite's ``application_id``).
        version: The format; a file of another format has to be built anew.
        schema: The SQL that makes the empty table.
        count: The SQL that counts its architectures.
        functions: Functions of two arguments that its queries call, with their names in SQL.
    """

    name: str
    title: str
    application_id: int
    version: int
    schema: str
    count: str
    functions: tuple[tuple[str, Callable[[str, str], bool]], ...] = ()

    @property
    def path(self) -> Path:
        """The path of the file, which is there once the table is built."""
        return tables_folder() / f"{self.name}.db"

    @property
    def working(self) -> Path:
        """The path of the file that a build writes."""
        return self.path.with_name(f"{self.path.name}.building")

    @property
    def how_to_build(self) -> str:
        """The sentence that ends messages about a missing or damaged file."""
        return f"Build it with: retiarii benchmarks build {self.name} FOLDER"

    @contextmanager
    def reading(self, path: Path | None = None) -> Iterator[None]:
        """Raise errors of SQLite as `BenchmarkError`."""
        try:
            yield
        except sqlite3.Error as err:
            raise BenchmarkError(
                f"The table {str(path or self.path)!r} cannot be read ({err}). If it is damaged, delete it. "
                f"{self.how_to_build}"
            ) from err

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raise errors of SQLite in a build as `BenchmarkError`."""
        try:
            yield
        except sqlite3.Error as err:
            raise BenchmarkError(
                f"The unfinished table {str(self.working)!r} cannot be written ({err}). If the disk is full, make "
                "room, and build again: what was read before is kept. If the file is damaged, delete it first."
            ) from err

    def is_there(self, path: Path | None = None) -> bool:
        """Return whether there is the table, or another file.

        Raises:
            BenchmarkError: Its folder cannot be read.
        """
        path = path or self.path
        try:
            return path.is_file()
        except OSError as err:
            raise self._unreadable(path, err) from err

    def shared(self) -> OpenedTable:
        """Return this thread's open table, opened anew after a fork and when the file was replaced.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
        """
        path = self.path
        try:
            found = os.stat(path)
        except FileNotFoundError:
            raise self._missing(path) from None
        except OSError as err:
            raise self._unreadable(path, err) from err
        identity = (os.getpid(), str(path), found.st_ino, found.st_mtime_ns)
        opened = _OPENED.tables.get(self.name)
        if opened is None or opened.identity != identity:
            connection = self.open(path)
            with self.reading(path):
                opened = OpenedTable(path, connection, self.count_in(connection), identity)
            _OPENED.tables[self.name] = opened
        return opened

    def open(self, path: Path | None = None) -> sqlite3.Connection:
        """Open the table, or another file of its format, for reading.

        Raises:
            BenchmarkError: There is none, it is damaged or another file.
        """
        path = path or self.path
        if not self.is_there(path):
            raise self._missing(path)
        with self.reading(path):
            connection = _connected(path)
            self._check_identity(connection, path)
            for name, function in self.functions:
                connection.create_function(name, 2, function, deterministic=True)
        return connection

    def open_to_write(self, path: Path) -> sqlite3.Connection:
        """Open a table that is being built, made if it is not there. `finish` it at the end.

        Raises:
            BenchmarkError: It cannot be written, is damaged or another file.
        """
        with self.writing():
            connection = sqlite3.connect(path)
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")  # cheap transactions
            if _is_empty(connection):
                # In one transaction, so that a build that is killed here leaves an empty file or a whole schema.
                connection.executescript(
                    f"BEGIN; {self.schema};"
                    f"PRAGMA application_id = {self.application_id}; PRAGMA user_version = {self.version}; COMMIT;"
                )
            self._check_identity(connection, path)
        return connection

    def finish(self, connection: sqlite3.Connection) -> None:
        """Write everything to the one file of a table that was opened by `open_to_write`."""
        connection.execute("PRAGMA journal_mode = DELETE")

    @contextmanager
    def building(self) -> Iterator[None]:
        """Keep other processes from building the table.

        Raises:
            BenchmarkError: Another process is building it, or the folder cannot be written.
        """
        from retiarii.storage import FileLock  # slow to import, and queries do not need it

        lock = FileLock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            if not lock.acquire():
                raise BenchmarkError(f"Another process is building {str(self.path)!r}. Wait until it has ended.")
        except OSError as err:
            raise BenchmarkError(f"The table cannot be built at {str(self.path)!r} ({err}).") from err
        try:
            yield
        finally:
            lock.release()

    def count_in(self, connection: sqlite3.Connection) -> int:
        """Return how many architectures there are."""
        return int(connection.execute(self.count).fetchone()[0])

    def count_at(self, path: Path) -> int:
        """Return how many architectures a file of this format has.

        Raises:
            BenchmarkError: There is no such file, it is damaged or another file.
        """
        with closing(self.open(path)) as connection, self.reading(path):
            return self.count_in(connection)

    def status(self, num_architectures: int) -> TableStatus:
        """Return what is there of a table that has this many architectures when it is complete.

        Raises:
            BenchmarkError: The file is damaged, or another file.
        """
        path = self.path
        building = self._num_building()
        if not self.is_there(path):
            return TableStatus(path, TableState.MISSING, 0, 0, building)
        count = self.count_at(path)
        state = TableState.COMPLETE if count == num_architectures else TableState.PARTIAL
        return TableStatus(path, state, count, path.stat().st_size, building)

    def lacking(self, opened: OpenedTable, arch: object, num_architectures: int) -> BenchmarkError:
        """Return the error of an architecture that a partial table lacks.

        Args:
            opened: The table.
            arch: The architecture.
            num_architectures: How many architectures the complete table has.
        """
        return BenchmarkError(
            f"The table {str(opened.path)!r} does not have the architecture {arch!r}: it has "
            f"{opened.num_architectures:,} of {num_architectures:,}. Add the others with: "
            f"retiarii benchmarks build {self.name} FOLDER"
        )

    def damage(self, connection: sqlite3.Connection) -> list[str]:
        """Return a line for each damage that SQLite finds in the file."""
        rows = connection.execute("PRAGMA integrity_check")
        return [f"the file is damaged: {row[0]}" for row in rows if row[0] != "ok"][:10]

    def _num_building(self) -> int | None:
        """Return how many architectures an unfinished build has read; None if there is none."""
        path = self.working
        try:
            return (self.count_at(path) or None) if self._has_begun(path) else None
        except BenchmarkError:
            if self.is_there(path):
                raise
            return None  # the build has ended by now

    def _has_begun(self, path: Path) -> bool:
        """Return whether a build has written something to its file."""
        if not self.is_there(path):
            return False
        with self.reading(path), closing(_connected(path)) as connection:
            return not _is_empty(connection)

    def _check_identity(self, connection: sqlite3.Connection, path: Path) -> None:
        (found,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (found, version) == (self.application_id, self.version):
            return
        connection.close()
        if found != self.application_id:
            raise BenchmarkError(
                f"The file {str(path)!r} is not a table of {self.title}. Move it away. {self.how_to_build}"
            )
        raise BenchmarkError(
            f"The table {str(path)!r} has the format {version}, expected {self.version}: another version of "
            f"retiarii built it. Delete it. {self.how_to_build}"
        )

    def _unreadable(self, path: Path, err: OSError) -> BenchmarkError:
        return BenchmarkError(
            f"The table {str(path)!r} cannot be read ({err}). The environment variable RETIARII_CACHE_HOME can name "
            "another folder."
        )

    def _missing(self, path: Path) -> BenchmarkError:
        return BenchmarkError(f"There is no table of {self.title} at {str(path)!r}. {self.how_to_build}")


def _connected(path: Path) -> sqlite3.Connection:
    """Open a file for reading."""
    # A query may be continued by another thread than began it, where SQLite itself is safe for that.
    one_thread = sqlite3.threadsafety < 3
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=one_thread)


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Return whether nothing was written to a file, except SQLite's own head."""
    (count,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    return not count and not application_id
