"""`Reader`: the experiments of a store, as the API and the pages show them."""

from __future__ import annotations

from retiarii.analysis import TrialTable
from retiarii.errors import CorruptStoreError
from retiarii.storage import ExperimentRecord, Store


class Reader:
    """Reads a store for all browsers and API clients together; may be used by several threads.

    Args:
        store: The store to read.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def experiments(self) -> list[ExperimentRecord | CorruptStoreError]:
        """Return all experiments, oldest first; for each damaged one, the error that describes it."""
        return self.store.scan_experiments()

    def table(self, experiment_id: str) -> TrialTable:
        """Return the trials of an experiment as they are now.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        return TrialTable.of(self.store.get_experiment(experiment_id), self.store.list_trials(experiment_id))
