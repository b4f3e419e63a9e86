"""`Reader`: the experiments of a store, as the API and the pages show them."""

from __future__ import annotations

from retiarii.analysis import TrialTable
from retiarii.dashboard._reading.changes import Changes
from retiarii.dashboard._reading.kept_tables import KeptTables, TrialsNow
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
        self._tables = KeptTables(lambda: self._place.store)

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
        """Return all trials of an experiment as they are now; the same table as before if nothing has changed.

        Raises:
            NotFoundError: The experiment does not exist.
            StorageError: The store cannot be read.
        """
        return self.trials_now(experiment_id, patience_s=None).table

    def trials_now(self, experiment_id: str, *, patience_s: float | None = 0.1) -> TrialsNow:
        """Return the trials of an experiment, as far as they are known after a moment.

        A large experiment takes seconds to read for the first time: meanwhile there are more trials with each call.
        While the store cannot be read, the trials are those from before.

        Args:
            experiment_id: The id of the experiment.
            patience_s: How long to wait for all trials, in seconds; None for as long as it takes.

        Raises:
            NotFoundError: The experiment does not exist.
            StorageError: The store cannot be read, and nothing is known yet, or all trials are wanted.
        """
        return self._tables.look(experiment_id, patience_s)
