"""`StoreInPlace`: the store at a place, also after somebody deleted, replaced or restored it."""

from __future__ import annotations

from threading import Lock

from retiarii.errors import CorruptStoreError, NotFoundError, StoreLostError
from retiarii.storage import Store, open_store


class StoreInPlace:
    """The store at a place; may be used by several threads.

    Args:
        store: The store that is there now.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._opening = Lock()
        self._damage: CorruptStoreError | None = None

    @property
    def store(self) -> Store:
        """The store; after it was deleted or replaced, the one that is in its place now.

        Raises:
            StoreLostError: There is none in its place.
            StorageError: What is in its place cannot be opened.
        """
        store, damage = self._store, self._damage
        if damage is not None:
            return self.reopened(store, damage)
        try:
            store.verify()
        except StoreLostError as err:
            return self.reopened(store, err)
        return store

    def reopened(self, seen: Store, err: StoreLostError | CorruptStoreError) -> Store:
        """Return the store in the place of a lost or damaged one, opened anew if no other thread has done so.

        Args:
            seen: The lost or damaged store.
            err: Its error.

        Raises:
            StoreLostError: There is no store.
            StorageError: It cannot be opened, for example because it is still damaged.
        """
        with self._opening:
            if seen is self._store:
                seen.close()  # first: its locks would keep SQLite from opening a file in another mode
                try:
                    self._store = open_store(seen.url, create=False)
                except NotFoundError:
                    raise err from None
                self._damage = None
            return self._store

    def note_damage(self, err: CorruptStoreError) -> None:
        """Record that the store as a whole is damaged, so that the next access opens what is there by then.

        Args:
            err: The error of an access; that of a single experiment is ignored.
        """
        if err.experiment_id is None:
            self._damage = err
