"""`open_store`: open a store from a path or a URL."""

from __future__ import annotations

from pathlib import Path

from retiarii.errors import ConfigError
from retiarii.storage._location import STORES, locate, other_url, scheme_of
from retiarii.storage._store import Store


def open_store(storage: str | Path | Store | None = None, *, create: bool = True) -> Store:
    """Open a store, and create it if it does not exist.

    Args:
        storage: A path, ``"sqlite:///path.db"``, ``"postgresql://user:password@host/database"``, or the URL of a store
            of another package (entry points of the group ``retiarii.stores``). None means ``$RETIARII_STORAGE``, or
            else the file ``retiarii.db`` in `experiments_home`. A `Store` is returned unchanged.
        create: Whether to create a store that does not exist.

    Returns:
        The store; close it, or use it in a ``with`` statement.

    Raises:
        ConfigError: The URL is malformed or of a kind that is not supported.
        NotFoundError: There is no store, and ``create`` is false.
        CorruptStoreError: The store is damaged, has a newer schema, or is not a store; it is not changed.
        StoreFullError: There is no space for a new store.
        StorageError: The place cannot be read or written, or the server cannot be reached.
        MissingExtraError: The URL names PostgreSQL and psycopg is not installed.
    """
    if isinstance(storage, Store):
        return storage
    url = other_url(storage)
    if url is None:
        from retiarii.storage._database.sql_store import open_database  # SQLAlchemy takes long to import

        return open_database(locate(storage), create=create)
    opened = STORES.get(scheme_of(url))(url, create=create)
    if not isinstance(opened, Store):
        raise ConfigError(
            f"The package that opens {scheme_of(url)}:// returned {opened!r}, expected an instance of "
            "retiarii.storage.Store."
        )
    return opened
