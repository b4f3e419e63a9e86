"""The PostgreSQL backend, with psycopg: one store for several machines.

The lock of an experiment is a session-level advisory lock on a connection of its own: when the process dies, the server
sees the connection end and releases it. (A restart of the server ends the connection too, and with it the lock.)
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, create_engine, event, text

from retiarii.errors import MissingExtraError, StorageError, StoreFullError
from retiarii.storage import _fork
from retiarii.storage._database import migration
from retiarii.storage._database.backend import Backend
from retiarii.storage._rows.schema import TABLES_OF_ROWS

_DISK_FULL = "53100"
_HELD = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND classid::bigint = :high AND objid::bigint = :low "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_SIZE = text("SELECT " + " + ".join(f"pg_table_size('{table.name}')" for table in TABLES_OF_ROWS))
# The server detects within a minute that the machine of a lock's owner is unreachable.
_KEEPALIVE = ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3")


class PostgreSQLBackend(Backend):
    """A store in a schema of a PostgreSQL database."""

    begin_write = None
    patience_s = 1.0  # a busy server takes a moment to see that a process has died

    def prepare(self, *, create: bool) -> None:
        """See `Backend.prepare`."""
        with self.writing() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_key("schema")})
            migration.prepare(connection, str(self.location), create=create, is_held=self.is_held)

    def verify(self) -> None:
        """See `Backend.verify`; a server does not lose its tables without an error."""

    def check(self, *, in_full: bool = False) -> None:
        """See `Backend.check`; the server looks after its files itself."""

    @property
    def size_bytes(self) -> int:
        """See `Backend.size_bytes`."""
        with self.reading() as connection:
            return int(connection.execute(_SIZE).scalar_one())

    def tidy(self, connection: Any) -> None:
        """See `Backend.tidy`; the server does it itself."""

    def acquire(self, experiment_id: str) -> Callable[[], None] | None:
        """See `Backend.acquire`."""
        with self.faults():
            connection = self._connect_alone()
            key = _lock_key(experiment_id)
            (taken,) = connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
            if not taken:
                connection.close()
                return None

        def release() -> None:
            with suppress(self.driver_error):  # the connection is lost, and with it the lock
                connection.execute("SELECT pg_advisory_unlock(%s)", [key])  # at once, closing takes the server a moment
            connection.close()

        return release

    def is_held(self, experiment_id: str) -> bool:
        """See `Backend.is_held`."""
        unsigned = _lock_key(experiment_id) % 2**64
        with self.reading() as connection:
            held = connection.execute(_HELD, {"high": unsigned >> 32, "low": unsigned % 2**32}).scalar_one()
        return bool(held)

    def explain(self, err: Exception) -> StorageError:
        """See `Backend.explain`."""
        reason = str(err).strip().partition("\n")[0]
        if getattr(err, "sqlstate", None) == _DISK_FULL:
            return StoreFullError(
                f"The server of the store {self.location} has no space left ({reason}). Everything committed before is "
                "intact: free some space, then resume the experiment."
            )
        return StorageError(
            f"The store {self.location} cannot be used ({reason}). Check that the server runs and that host, port, "
            "user, password and database are right: `psql` with the same URL should connect."
        )

    def after_fork_in_child(self) -> None:
        """See `Backend.after_fork_in_child`."""
        for connection in list(self._connections):
            if not connection.closed:
                _fork.mute(connection.fileno())
            _fork.keep_unused(connection)
        _fork.keep_unused(self.engine)
        self.engine = self._create_engine()

    def _create_engine(self) -> Engine:
        # Positional parameters, because the writer hands rows over as tuples.
        try:
            engine = create_engine(
                self.location.url,
                paramstyle="format",
                pool_pre_ping=True,
                connect_args={"fallback_application_name": "retiarii"},
            )
        except ImportError as err:
            raise MissingExtraError(
                "A PostgreSQL store needs the package psycopg, which is not installed: "
                f'pip install "retiarii[postgres]" ({err}).'
            ) from err
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        event.listen(engine, "connect", self._remember)
        return engine

    def _connect_alone(self) -> Any:
        """Return a bare connection, detached from the pool and outside of any transaction."""
        pooled = self.engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        connection.rollback()  # the pool's check that it lives began a transaction
        connection.autocommit = True
        for setting in _KEEPALIVE:
            connection.execute(f"SET {setting}")
        return connection

    def _remember(self, connection: Any, _record: object) -> None:
        self._connections.add(connection)


def _lock_key(name: str) -> int:
    """Return the 64-bit number of the advisory lock with this name."""
    digest = hashlib.blake2b(f"retiarii:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
