"""The SQLite backend: one file in WAL mode, in which readers and the writer do not wait for each other.

With `synchronous=NORMAL`, a commit survives the end of the process immediately, and a power cut once the system has
written it to the disk: a power cut may lose the last moments, but never the consistency of the file. The file must be
on a local disk.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from retiarii.errors import CorruptStoreError, StorageError, StoreFullError
from retiarii.storage import _fork
from retiarii.storage._artefacts import folder_of
from retiarii.storage._database import migration
from retiarii.storage._database.backend import WRITES, Backend
from retiarii.storage._database.sqlite_file import SQLiteFile
from retiarii.storage._filelock import FileLock
from retiarii.storage._location import Location
from retiarii.storage._rows import schema

_TIMEOUT_S = 30.0
_WAL_KEPT_BYTES = 16 * 2**20
_PATIENCE_WITH_READERS_MS = 1000
_PRAGMAS = ("synchronous=NORMAL", "foreign_keys=ON", f"journal_size_limit={_WAL_KEPT_BYTES}")
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_DAMAGE = ("malformed", "not a database", "could not decode", "can't decode")
_SMALLEST_BYTES = 512
_LOOK_AT_LOG_EVERY = 8  # commits
_LITTLE_SPACE_BYTES = 2**20


class SQLiteBackend(Backend):
    """A store in one file, with lock files and artefacts in a folder beside it."""

    begin_write = "BEGIN IMMEDIATE"
    patience_s = 0.1  # checking whether a lock is held takes it for a moment

    def __init__(self, location: Location) -> None:
        assert location.path is not None
        self.path = location.path
        self._file = SQLiteFile(location.path, _TIMEOUT_S)
        self._num_locks = self._num_commits = 0
        super().__init__(location)
        self._wal_limit_bytes = _WAL_KEPT_BYTES

    def prepare(self, *, create: bool) -> None:
        """See `Backend.prepare`."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            if not create:
                raise schema.no_store(str(self.path)) from None
            self._make()
        except OSError as err:
            raise self._unusable(err) from err
        else:
            if not stat.S_ISREG(status.st_mode):
                raise StorageError(
                    f"The store {self.path} cannot be used: it is a folder or a device, expected a file. Name one with "
                    "`storage=` (`--storage`)."
                )
            if 0 < status.st_size < _SMALLEST_BYTES:  # SQLite treats a file of one byte as an empty one
                raise self._damaged(f"it has {status.st_size} bytes")
            if status.st_size == 0 and not create:  # connecting would write to a file that somebody may be copying
                raise schema.no_store(str(self.path))
            with self.faults():
                self._file.choose_mode()
            if self._is_store():
                self._file.remember()
                return
        self._file.remember()
        with self.writing() as connection:
            migration.prepare(connection, str(self.path), create=create, is_held=self.is_held)

    def check(self, *, in_full: bool = False) -> None:
        """See `Backend.check`; it takes 1 ms per MB, or 3 ms in full, so it is not done for reading."""
        with self.reading() as connection:
            (found,) = connection.exec_driver_sql(f"PRAGMA {'integrity' if in_full else 'quick'}_check(1)").one()
            orphan = connection.exec_driver_sql("PRAGMA foreign_key_check").first() if in_full else None
        if found != "ok":
            raise self._damaged(" ".join(found.split()))
        if orphan is not None:
            raise self._damaged(f"a row of {orphan[0]} belongs to no experiment or trial")

    @property
    def size_bytes(self) -> int:
        """See `Backend.size_bytes`."""
        return sum(file.stat().st_size for file in (self.path, self._file.wal) if file.exists())

    def tidy(self, connection: Any) -> None:
        """See `Backend.tidy`: empties the write-ahead log if readers have kept SQLite from doing so.

        SQLite restarts the log only while no process reads from it. With several readers that may never happen, so for
        a long log this method waits for such a moment; if a reader stays even then, it tries again when the log has
        grown by the same length.
        """
        self._num_commits += 1
        if self._num_commits % _LOOK_AT_LOG_EVERY:
            return
        size = self._file.verify_wal()
        if size < self._wal_limit_bytes:
            return
        self._wal_limit_bytes = size + _WAL_KEPT_BYTES
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_WITH_READERS_MS}")
        with suppress(sqlite3.Error):  # a full disk, for example: what was written is safe in the log
            (is_blocked, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not is_blocked:
                self._wal_limit_bytes = _WAL_KEPT_BYTES
        connection.execute(f"PRAGMA busy_timeout = {_TIMEOUT_S * 1000:.0f}")

    def acquire(self, experiment_id: str) -> Callable[[], None] | None:
        """See `Backend.acquire`."""
        lock = self._lock(experiment_id)
        try:
            if not lock.acquire():
                return None
        except OSError as err:
            raise self._unlockable(err) from err
        self._num_locks += 1
        self._file.is_worth_saving = True

        def release() -> None:
            self._num_locks -= 1
            self._file.is_worth_saving = self._num_locks > 0
            lock.release()

        return release

    def verify(self) -> None:
        """See `Backend.verify`; the content of a lost store is saved if it has a running experiment."""
        self._file.verify()

    def close(self) -> None:
        """See `Backend.close`."""
        super().close()
        self._file.forget_wal()

    def is_held(self, experiment_id: str) -> bool:
        """See `Backend.is_held`."""
        try:
            return self._lock(experiment_id).is_held()
        except PermissionError:  # of another user: it can only be checked whether a process has the store open
            return self._file.wal.exists()
        except OSError as err:
            raise self._unlockable(err) from err

    def explain(self, err: Exception) -> StorageError:
        """See `Backend.explain`."""
        text = str(err)
        lowered = text.lower()
        if "disk is full" in lowered or ("disk i/o error" in lowered and self._is_disk_full()):
            return StoreFullError(
                f"There is no space left for the store {self.path} ({text}). Everything committed before is intact: "
                "free some space, then resume the experiment."
            )
        if any(sign in lowered for sign in _DAMAGE):
            return self._damaged(text)
        if "locked" in lowered:
            return StorageError(
                f"The store {self.path} has been locked by another process for {_TIMEOUT_S:.0f} seconds ({text}). "
                "Find the process that keeps a transaction open, or try again."
            )
        return StorageError(
            f"The store {self.path} cannot be used ({text}). Check that the file and its folder are writable for this "
            "user and on a local disk, or name another place with `storage=` (`--storage`)."
        )

    def after_fork_in_child(self) -> None:
        """See `Backend.after_fork_in_child`."""
        _fork.keep_unused(self.engine)
        self.engine = self._create_engine()

    def _create_engine(self) -> Engine:
        engine = create_engine(self.location.url, creator=self._file.connect)
        event.listen(engine, "connect", self._configure)
        event.listen(engine, "begin", _begin)
        return engine

    def _configure(self, connection: Any, _record: object) -> None:
        """Set up a new connection, without the driver's transactions, which would begin too late."""
        connection.isolation_level = None
        if self._file.is_writable:
            _use_wal(connection)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def _make(self) -> None:
        try:
            self._file.make()
        except OSError as err:
            raise self._unusable(err) from err

    def _is_store(self) -> bool:
        """Return whether the file is a store of this version (not an empty or an earlier one), without writing to it.

        Only SQLite itself may open the file: when a process closes a database file that it opened in another way, it
        loses the locks of all its connections to it.
        """
        where = str(self.path)
        with self.faults(), closing(self._file.connect_to_look()) as connection:
            found = {name for (name,) in connection.execute(_TABLES)}
            if not schema.check_tables(found, where, shared=False):
                return False
            versions = [version for (version,) in connection.execute("SELECT version FROM schema_version")]
        if schema.is_older(versions):
            if self._file.is_writable:
                return False
            raise StorageError(
                f"The store {where} was written by an earlier version of retiarii, and cannot be brought to this one "
                "where it is: neither the file nor its folder can be written. Copy it to a folder of your own."
            )
        schema.check_version(versions, found, where)
        return True

    def _lock(self, experiment_id: str) -> FileLock:
        return FileLock(folder_of(self.location.files, experiment_id) / "lock")

    def _is_disk_full(self) -> bool:
        try:
            return shutil.disk_usage(self.path.parent).free < _LITTLE_SPACE_BYTES
        except OSError:
            return False

    def _damaged(self, found: str) -> CorruptStoreError:
        return CorruptStoreError(
            f"{self.path} is not an SQLite database, or it is damaged ({found}). Name another place with `storage=` "
            "(`--storage`), restore the file from a copy, or save what is readable with "
            f"`sqlite3 {self.path} .recover`."
        )

    def _unusable(self, err: OSError) -> StorageError:
        reason = err.strerror or err
        return StorageError(
            f"The store {self.path} cannot be made or read: {reason}. Expected a file in a folder that this user may "
            "write; name another place with `storage=` (`--storage`)."
        )

    def _unlockable(self, err: OSError) -> StorageError:
        return StorageError(
            f"The lock files in {self.location.files} cannot be used: {err.strerror or err}. The store must be on a "
            "disk that this user may write and that knows file locks; name another place with `storage=`."
        )


def _use_wal(connection: Any) -> None:
    """Switch to WAL mode; retry while another process does the same, because SQLite does not wait."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as err:
            if "locked" not in str(err) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later could fail half-way, so writers take the lock at once.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")
