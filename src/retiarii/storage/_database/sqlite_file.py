"""`SQLiteFile`: the database file of a store: creation, connections, and the rescue of its content if it is deleted.

A process that has a database open can continue to use it after the file was deleted or replaced, and everything that it
writes would be lost silently at its end. Each connection and each transaction therefore checks that the path still
leads to the file that was opened first.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import tempfile
import weakref
from contextlib import closing, suppress
from pathlib import Path

from retiarii.errors import StorageError, StoreLostError

_NOT_WRITABLE = ("readonly", "unable to open")


class _Connection(sqlite3.Connection):
    """A connection that can be referred to weakly."""


class SQLiteFile:
    """One database file, as this process has opened it.

    Args:
        path: The path of the file.
        timeout_s: How long to wait for locks of other processes, in seconds.

    Attributes:
        is_worth_saving: Whether to save the content of a lost file, because this process runs an experiment in it.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.path = path
        self.wal = path.with_name(f"{path.name}-wal")
        self._name = str(path)  # a Path would cost a microsecond at each check
        self._name_of_wal = str(self.wal)
        self._timeout_s = timeout_s
        self._mode = "mode=rw"
        self._identity: tuple[int, int] | None = None
        self._identity_of_wal: tuple[int, int] | None = None
        self._loss: StoreLostError | None = None
        self.is_worth_saving = False
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()

    @property
    def is_writable(self) -> bool:
        """Whether connections may write."""
        return self._mode == "mode=rw"

    def make(self) -> None:
        """Make an empty file, readable only for this user, and its folder, if they do not exist.

        Raises:
            OSError: The file or its folder cannot be made.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # an existing file may be open, and closing it here would drop its locks
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def choose_mode(self) -> None:
        """Find out how the file can be opened: for writing, for reading, or as immutable.

        Raises:
            StorageError: The last changes are in a write-ahead log that cannot be read in a read-only folder.
        """
        if os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
            return
        self._mode = "mode=ro"
        try:
            with closing(self.connect()) as connection:
                connection.execute("SELECT 1 FROM sqlite_master")
        except sqlite3.OperationalError as err:
            if not any(sign in str(err) for sign in _NOT_WRITABLE):
                raise
            if self.wal.exists() and self.wal.stat().st_size:
                raise StorageError(
                    f"The store {self.path} cannot be read where it is: its last changes are in {self.wal.name}, and "
                    "reading them needs a folder that can be written. Copy both files to such a folder."
                ) from err
            self._mode = "immutable=1"  # otherwise SQLite would make files beside it

    def connect(self) -> sqlite3.Connection:
        """Open a connection to this file; never to another file, and without creating one.

        Raises:
            StoreLostError: The file does not exist any more.
            sqlite3.Error: The file cannot be opened.
        """
        self.verify()
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?{self._mode}",
            uri=True,
            timeout=self._timeout_s,
            check_same_thread=False,
            factory=_Connection,
        )
        try:
            self.verify()
        except StoreLostError:
            connection.close()
            raise
        self._connections.add(connection)
        return connection

    def connect_to_look(self) -> sqlite3.Connection:
        """Open a connection that changes nothing.

        Raises:
            sqlite3.Error: The file cannot be opened.
        """
        mode = "mode=ro" if self.is_writable else self._mode
        return sqlite3.connect(f"{self.path.as_uri()}?{mode}", uri=True, timeout=self._timeout_s)

    def remember(self) -> None:
        """Record the identity of the file, which must not change from now on."""
        self._identity = _identity(self.path)

    def forget_wal(self) -> None:
        """Expect SQLite to delete the log, because the last connection is closed."""
        self._identity_of_wal = None

    def verify(self) -> None:
        """Check that the path leads to the file that was opened first.

        Raises:
            StoreLostError: The path leads to another file, or to none.
        """
        if self._identity is None:
            return
        if self._loss is None:
            try:
                status = os.stat(self._name)
            except OSError:
                raise self._lost(self.path, None) from None
            found = (status.st_dev, status.st_ino)
            if found == self._identity:
                return
            raise self._lost(self.path, found)
        raise self._loss

    def verify_wal(self) -> int:
        """Check that the write-ahead log is still the one that was written to before.

        Returns:
            Its size in bytes.

        Raises:
            StoreLostError: The log was deleted or replaced.
        """
        try:
            status = os.stat(self._name_of_wal)
        except FileNotFoundError:
            if self._identity_of_wal is None:  # a file system without WAL
                return 0
            raise self._lost(self.wal, None) from None
        found = (status.st_dev, status.st_ino)
        if self._identity_of_wal is None:
            self._identity_of_wal = found
        elif found != self._identity_of_wal:
            raise self._lost(self.wal, found)
        return status.st_size

    def _rescued(self, loss: StoreLostError) -> StoreLostError:
        """Copy the content of a lost file to a new one, through an open connection; return the error with its path."""
        folder = self.path.parent if self.path.parent.is_dir() else Path(tempfile.mkdtemp(prefix="retiarii-rescued-"))
        target = folder / f"{self.path.name}.rescued-{secrets.token_hex(4)}"
        if self._is_copied_to(target):
            return StoreLostError(
                f"{loss} Everything written until then was saved in {target}: move that file to {self.path}, then "
                "resume the experiment.",
                rescued=target,
            )
        with suppress(OSError):
            target.unlink(missing_ok=True)
        return StoreLostError(
            f"{loss} What was written could not be copied either; it may be in a file that was moved."
        )

    def _is_copied_to(self, target: Path) -> bool:
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError:
            return False
        for source in list(self._connections):
            # A closed connection, or one opened after the loss, fails; one in a transaction would copy half of it.
            with suppress(sqlite3.Error), closing(sqlite3.connect(target)) as copy:
                if not source.in_transaction:
                    source.backup(copy)
                    copy.execute(
                        "SELECT count(*) FROM experiments"
                    )  # whoever made a new store may have cleared the log
                    return True
        return False

    def _lost(self, path: Path, found: tuple[int, int] | None) -> StoreLostError:
        what = "deleted or moved away" if found is None else "replaced by another file"
        loss = StoreLostError(f"{path} was {what} while the store {self.path} was in use.")
        self._loss = loss  # the copy below must not check for it again
        self._loss = self._rescued(loss) if self.is_worth_saving else loss
        return self._loss


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
