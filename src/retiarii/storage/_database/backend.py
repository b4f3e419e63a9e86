"""`Backend`: what differs between databases, behind one small interface."""

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

WRITES = "retiarii_writes"  # the execution option of a connection that is going to write


class Backend(ABC):
    """Connections, locks and the meaning of errors of one database.

    Args:
        location: Where the store is.
    """

    patience_s: float
    """For how long a lock may seem to be held that no longer is."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.engine = self._create_engine()
        self.driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        _fork.register(self)

    @property
    @abstractmethod
    def begin_write(self) -> str | None:
        """The statement that begins a writing transaction on a bare driver connection; None where none is needed."""

    @abstractmethod
    def prepare(self, *, create: bool) -> None:
        """Make the store where there is none, or check that what is there is one.

        Raises:
            NotFoundError: There is none and ``create`` is false.
            CorruptStoreError: What is there is damaged, of another schema, or not ours; it was not touched.
            StoreFullError: There is no space for a new store.
            StorageError: The place cannot be read or written.
        """

    @abstractmethod
    def verify(self) -> None:
        """Look whether the store is still the one that was opened; called before and after each transaction.

        Raises:
            StoreLostError: It was deleted, moved or replaced.
        """

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """How large the store is, about.

        Raises:
            StorageError: It cannot be reached.
        """

    @abstractmethod
    def check(self, *, in_full: bool = False) -> None:
        """Look for damage that `prepare` cannot see.

        Args:
            in_full: Whether to compare indexes with their tables too.

        Raises:
            CorruptStoreError: The store is damaged.
        """

    @abstractmethod
    def tidy(self, connection: Any) -> None:
        """Do what must be done from time to time; called after each commit of the writer.

        Args:
            connection: The writer's connection, outside of a transaction.
        """

    @abstractmethod
    def acquire(self, experiment_id: str) -> Callable[[], None] | None:
        """Take the lock of an experiment, or return None when another process (or this one) has it.

        Returns:
            The function that releases it. Should the process die first, the operating system or the server does.

        Raises:
            StorageError: Locks do not work here.
        """

    @abstractmethod
    def is_held(self, experiment_id: str) -> bool:
        """Return whether somebody has the lock of an experiment.

        Raises:
            StorageError: Locks do not work here.
        """

    @abstractmethod
    def explain(self, err: Exception) -> StorageError:
        """Return the deliberate error for an error of the driver."""

    @abstractmethod
    def after_fork_in_child(self) -> None:
        """Leave the parent's connections alone and begin with new ones."""

    @abstractmethod
    def _create_engine(self) -> Engine:
        """Return an engine; nothing connects before its first use."""

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn errors of the driver and of SQLAlchemy into deliberate ones.

        Raises:
            StorageError: Whatever went wrong, as the subclass that `explain` chose.
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
        """Do what `faults` does, and look whether the store is there before and after the block.

        Args:
            before: Whether to look before too. Without, what the block writes is saved with the rest of a lost store.

        Raises:
            StoreLostError: The store was deleted, moved or replaced.
            StorageError: As `faults` says.
        """
        if before:
            self.verify()
        try:
            yield
        except (SQLAlchemyError, self.driver_error, UnicodeError, StorageError) as err:
            self.verify()  # this may be why
            if isinstance(err, StorageError):
                raise
            raise self._explained(err) from err
        self.verify()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection with one consistent view of the store.

        Raises:
            StorageError: As `watched` says.
        """
        with self.watched(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is committed at the end, or undone by an exception.

        Raises:
            StorageError: As `watched` says.
        """
        with self.watched(), self.engine.execution_options(**{WRITES: True}).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
