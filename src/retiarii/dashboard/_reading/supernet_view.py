"""`SupernetEpochs`: the epochs of one-shot searches, read as they come."""

from __future__ import annotations

from threading import Lock

from retiarii.analysis import SupernetCourse, supernet_course
from retiarii.storage import EpochRecord, Store

_NUM_PATHS = 5


class SupernetEpochs:
    """The epochs of one experiment; only new ones are read from the store.

    Args:
        experiment_id: The experiment.
    """

    def __init__(self, experiment_id: str) -> None:
        self._id = experiment_id
        self._epochs: list[EpochRecord] = []
        self._course: SupernetCourse | None = None
        self._lock = Lock()

    def course(self, store: Store) -> SupernetCourse:
        """Return the epochs so far as numbers over time.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        with self._lock:
            last = self._epochs[-1].number if self._epochs else -1
            new = store.list_epochs(self._id, after=last)
            if new or self._course is None:
                self._epochs += new
                self._course = supernet_course(self._epochs, num_paths=_NUM_PATHS)
            return self._course
