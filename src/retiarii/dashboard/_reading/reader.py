"""`Reader`: the experiments of a store, as the API and the pages show them."""

from __future__ import annotations

from retiarii.analysis import TrialTable
from retiarii.dashboard._reading.changes import Changes
from retiarii.dashboard._reading.store_in_place import StoreInPlace
from retiarii.errors import CorruptStoreError
from retiarii.storage import ExperimentRecord, Store


class Reader:
    """Reads a store for all browsers and API clients together; may be used by several threads.

    Args:
        store: The store to read.

    Attributes:
        changes: The changes of the store, for those who follow them.
    """

    def __init__(self, store: Store) -> None:
        self._place = StoreInPlace(store)
        self.changes = Changes(self._place)

    @property
    def store(self) -> Store:
        """The store; after it was deleted or replaced, the one that is in its place now.

        Raises:
            StoreLostError: There is none in its place.
        """
        return self._place.store

    def note_damage(self, err: CorruptStoreError) -> None:
        """Record that the store as a whole is damaged, so that the next access opens what is there by then."""
        self._place.note_damage(err)

    def experiments(self) -> list[ExperimentRecord | CorruptStoreError]:
        """Return all experiments, oldest first; for each damaged one, the error that describes it."""
        return self.store.scan_experiments()

    def table(self, experiment_id: str) -> TrialTable:
        """Return the trials of an experiment as they are now.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        store = self.store
        return TrialTable.of(store.get_experiment(experiment_id), store.list_trials(experiment_id))
