"""`SqliteTable`: a table in an SQLite file, which is built beside the present one and replaces it at the end."""

from __future__ import annotations

import os
import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from retiarii.benchmarks._tables.benchmark_table import BenchmarkTable, BuildReport, TableStatus
from retiarii.benchmarks._tables.table_file import TableFile
from retiarii.errors import BenchmarkError


class SqliteTable(BenchmarkTable):
    """A table in an SQLite file.

    A subclass says how published files are imported, and what makes a table wrong.

    Attributes:
        file: The file.
    """

    file: TableFile

    @abstractmethod
    def _import(
        self, source: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None
    ) -> None:
        """Add what the published files have and the table has not; commit now and then, to continue there."""

    @abstractmethod
    def _gaps(self, connection: sqlite3.Connection, *, partial: bool) -> list[str]:
        """Return a line for each part that a table lacks.

        Args:
            connection: The table.
            partial: Whether it may lack architectures.
        """

    @abstractmethod
    def _wrong_values(self, connection: sqlite3.Connection) -> list[str]:
        """Return a line for each value that is damaged or contradicts another."""

    @abstractmethod
    def _best(self, connection: sqlite3.Connection) -> dict[str, float]:
        """Return the best results, by their descriptions."""

    def _goes_on(self, source: Path, connection: sqlite3.Connection) -> bool:
        """Return whether an interrupted build can be continued with these published files; else it begins anew."""
        del source, connection
        return True

    def _is_complete(self, connection: sqlite3.Connection) -> bool:
        """Return whether no build can add something."""
        return self.file.count_in(connection) == self.num_architectures

    def status(self) -> TableStatus:
        """Return what is there.

        Raises:
            BenchmarkError: The file is damaged, or is not a table of this package.
        """
        return self.file.status(self.num_architectures)

    def build(
        self, source: Path, *, partial: bool = False, on_progress: Callable[[int, int], None] | None = None
    ) -> BuildReport:
        """Import the published files into the table.

        They are written to a file beside the table, which replaces the table at the end. After an interruption, the
        same call continues there.

        Args:
            source: The published file, or the folder or archive with the published files.
            partial: Whether to make a table of fewer architectures than the published one.
            on_progress: Called now and then, with how much is read so far and in all, in `progress_unit`.

        Raises:
            BenchmarkError: A file is damaged, malicious or of another benchmark, architectures are missing, or another
                process is building the table. The present table is left as it is.
        """
        path = self.file.path
        with self.file.building():
            if path.is_file() and self._present_is_complete():
                return BuildReport(path, 0, self.num_architectures, self.num_architectures)
            return self._build(_reachable(source), path, partial=partial, on_progress=on_progress)

    def verify(self) -> list[str]:
        """Read the whole table, and return its problems.

        Raises:
            BenchmarkError: There is no table.
        """
        with closing(self.file.open()) as connection, self.file.reading():
            if damage := self.file.damage(connection):
                return damage
            partial = self.file.count_in(connection) < self.num_architectures
            return [*self._gaps(connection, partial=partial), *self._wrong_values(connection)]

    def best(self) -> Mapping[str, float]:
        """Return the best results of the table, by their descriptions.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
        """
        with closing(self.file.open()) as connection, self.file.reading():
            return self._best(connection)

    def _build(
        self, source: Path, path: Path, *, partial: bool, on_progress: Callable[[int, int], None] | None
    ) -> BuildReport:
        working = self.file.working
        if working.is_file() and not self._can_go_on(source, working):
            working.unlink()
        with self.file.writing(), closing(self._continued(path, working)) as connection:
            num_before = self.file.count_in(connection)
            self._import(source, connection, on_progress)
            num_now, gaps = self.file.count_in(connection), self._gaps(connection, partial=partial)
            self.file.finish(connection)
        if num_now < self.num_architectures and not partial:
            raise BenchmarkError(
                f"{str(source)!r} gives {num_now:,} of {self.num_architectures:,} {self.unit}, which are kept in "
                f"{str(working)!r}. Build again with the folder of the others, or with --partial for a table of these."
            )
        if gaps:
            raise BenchmarkError(f"The new table {str(working)!r} is wrong: {gaps[0]}. Delete it and build again.")
        os.replace(working, path)
        return BuildReport(path, num_now - num_before, num_before, num_now)

    def _continued(self, path: Path, working: Path) -> sqlite3.Connection:
        """Open the file of a build: that of an interrupted build, a copy of a partial table, or a new one."""
        if not working.is_file():
            for suffix in ("-wal", "-shm"):  # of a file that was deleted: SQLite would write them into the new one
                working.with_name(f"{working.name}{suffix}").unlink(missing_ok=True)
        if path.is_file() and not working.is_file():
            unfinished = working.with_name(f"{working.name}.copy")
            unfinished.unlink(missing_ok=True)
            with closing(self.file.open(path)) as present, closing(sqlite3.connect(unfinished)) as copy:
                present.backup(copy)
            os.replace(unfinished, working)
        return self.file.open_to_write(working)

    def _can_go_on(self, source: Path, working: Path) -> bool:
        with self.file.writing(), closing(self.file.open_to_write(working)) as connection:
            return self._goes_on(source, connection)

    def _present_is_complete(self) -> bool:
        with closing(self.file.open()) as connection, self.file.reading():
            return self._is_complete(connection)


def _reachable(source: Path) -> Path:
    """Return the path of published files with the home folder filled in; whether there are any is not checked.

    Raises:
        BenchmarkError: Its folder cannot be read.
    """
    path = Path(os.path.expanduser(source))
    try:
        path.exists()
    except OSError as err:
        raise BenchmarkError(f"{str(path)!r} cannot be read ({err}).") from err
    return path
