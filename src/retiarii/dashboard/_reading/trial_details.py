"""`TrialDetails`: one trial with what belongs to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from retiarii.errors import NotFoundError, StorageError
from retiarii.storage import ExperimentRecord, Store
from retiarii.trial import Trial

_MOST_PARENTS = 20


@dataclass(frozen=True)
class TrialDetails:
    """One trial with what belongs to it.

    Attributes:
        record: Its experiment.
        trial: The trial, with intermediate results and output.
        parents: The trials that it continues: its parent, the parent of that one, and so on.
        numbers: The numbers of the trials before and after it; None where there is none.
        checkpoint: The path of its weights; empty if they were not kept.
        checkpoint_bytes: Their size.
    """

    record: ExperimentRecord
    trial: Trial
    parents: tuple[int, ...]
    numbers: tuple[int | None, int | None]
    checkpoint: str
    checkpoint_bytes: int


def trial_details(store: Store, experiment_id: str, number: int) -> TrialDetails:
    """Read one trial with what belongs to it.

    Raises:
        NotFoundError: The experiment or the trial does not exist.
    """
    record = store.get_experiment(experiment_id)
    trial = store.get_trial(experiment_id, number).seen(is_running=store.is_running(experiment_id))
    after = store.list_trials(experiment_id, after=number, limit=1)
    checkpoint, size = _checkpoint(store, experiment_id, number)
    return TrialDetails(
        record=record,
        trial=trial,
        parents=tuple(_parents(store, experiment_id, trial)),
        numbers=(number - 1 if number > 0 else None, after[0].number if after else None),
        checkpoint=checkpoint,
        checkpoint_bytes=size,
    )


def _parents(store: Store, experiment_id: str, trial: Trial) -> list[int]:
    found: list[int] = []
    parent = trial.parent
    while parent is not None and parent not in found and len(found) < _MOST_PARENTS:
        found.append(parent)
        try:
            parent = store.get_trial(experiment_id, parent).parent
        except NotFoundError:
            break
    return found


def _checkpoint(store: Store, experiment_id: str, number: int) -> tuple[str, int]:
    with suppress(StorageError, OSError):  # the store may be of another machine
        path = store.trial_files(experiment_id).checkpoint(number)
        if path is not None:
            return str(path), path.stat().st_size
    return "", 0
