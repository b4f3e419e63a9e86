"""`Backend`: the interface of what differs between databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from retiarii.errors import StorageError
from retiarii.storage import _fork
from retiarii.storage._location import Location

WRITES = "retiarii_writes"  # the execution option of a writing connection


class Backend(ABC):
    """Connections, locks and error messages of one database.

    Args:
        location: The location of the store.
    """

    patience_s: float
    """The time during which a released lock may still seem to be held."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.engine = self._create_engine()
        self.driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        _fork.register(self)

    @property
    @abstractmethod
    def begin_write(self) -> str | None:
        """The statement that begins a writing transaction on a bare driver connection; None if none is needed."""

    @abstractmethod
    def prepare(self, *, create: bool) -> None:
        """Create the store if it does not exist, or check that it is a store.

        Raises:
            NotFoundError: There is no store and ``create`` is false.
            CorruptStoreError: The store is damaged, has another schema, or is not a store; it was not changed.
            StoreFullError: There is no space for a new store.
            StorageError: The location cannot be read or written.
        """

    @abstractmethod
    def verify(self) -> None:
        """Check that the store is still the one that was opened; called before and after each transaction.

        Raises:
            StoreLostError: The store was deleted, moved or replaced.
        """

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Return the approximate size of the store.

        Raises:
            StorageError: The store cannot be reached.
        """

    @abstractmethod
    def check(self, *, in_full: bool = False) -> None:
        """Check for damage that `prepare` does not detect.

        Args:
            in_full: Whether to compare indexes with their tables too.

        Raises:
            CorruptStoreError: The store is damaged.
        """

    @abstractmethod
    def tidy(self, connection: Any) -> None:
        """Do regular maintenance; called after each commit of the writer.

        Args:
            connection: The writer's connection, outside of a transaction.
        """

    @abstractmethod
    def acquire(self, experiment_id: str) -> Callable[[], None] | None:
        """Take the lock of an experiment; return None if another process, or this one, holds it.

        Returns:
            The function that releases the lock. If the process dies, the operating system or the server releases it.

        Raises:
            StorageError: Locks do not work here.
        """

    @abstractmethod
    def is_held(self, experiment_id: str) -> bool:
        """Return whether a process holds the lock of an experiment.

        Raises:
            StorageError: Locks do not work here.
        """

    @abstractmethod
    def explain(self, err: Exception) -> StorageError:
        """Return the `StorageError` for an error of the driver."""

    @abstractmethod
    def after_fork_in_child(self) -> None:
        """Drop the parent's connections without closing them, and use new ones."""

    @abstractmethod
    def _create_engine(self) -> Engine:
        """Return an SQLAlchemy engine, which connects at its first use."""

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Convert errors of the driver and of SQLAlchemy in this block to `StorageError`.

        Raises:
            StorageError: An error, as the subclass that `explain` returned.
        """
        try:
            yield
        except (SQLAlchemyError, self.driver_error, UnicodeError) as err:
            raise self._explained(err) from err

    def _explained(self, err: Exception) -> StorageError:
        is_wrapped = isinstance(err, DBAPIError) and isinstance(err.orig, Exception)
        return self.explain(err.orig if is_wrapped else err)  # type: ignore[attr-defined]  # the check is above

    @contextmanager
    def watched(self, *, before: bool = True) -> Iterator[None]:
        """Convert errors as `faults` does, and check before and after the block that the store still exists.

        Args:
            before: Whether to check before the block, too. If not, the writes of the block are saved with a lost store.

        Raises:
            StoreLostError: The store was deleted, moved or replaced.
            StorageError: As in `faults`.
        """
        if before:
            self.verify()
        try:
            yield
        except (SQLAlchemyError, self.driver_error, UnicodeError, StorageError) as err:
            self.verify()  # a lost store may be the cause
            if isinstance(err, StorageError):
                raise
            raise self._explained(err) from err
        self.verify()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection with one consistent view of the store.

        Raises:
            StorageError: As in `watched`.
        """
        with self.watched(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction, which is committed at the end or rolled back after an exception.

        Raises:
            StorageError: As in `watched`.
        """
        with self.watched(), self.engine.execution_options(**{WRITES: True}).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
