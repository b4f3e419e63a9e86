"""`stop`: ask the process of an experiment to end it."""

from __future__ import annotations

from retiarii.errors import ExperimentError
from retiarii.storage import Store


def stop(store: Store, experiment_id: str) -> None:
    """Ask a running experiment to stop after its running trials.

    Raises:
        NotFoundError: The experiment does not exist.
        ExperimentError: It is not running.
    """
    record = store.get_experiment(experiment_id)
    if not store.is_running(record.id):
        raise ExperimentError(f"Experiment {record.id!r} is not running, so there is nothing to stop.")
    store.request_stop(record.id)
