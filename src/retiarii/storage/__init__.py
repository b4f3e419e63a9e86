"""Stores of experiments and trials: SQLite by default, PostgreSQL or a store of another package by URL.

`open_store` returns a `Store`. An experiment is one `ExperimentRecord`. Only its loop, under `Store.lock`, writes
trials and `Intermediate` results with `Store.write`, in one transaction each: a process that is killed at any instant
loses no finished trial. Other processes can read at the same time, with `Store.iter_trials`, `Store.best_trials` and
`Store.failure_reasons`. `Store.list_epochs` returns the history of a one-shot search. `Store.load_log` returns the
`ExperimentLog` from which a search is resumed exactly, and `Store.request_stop` asks the process that runs an
experiment to end it. Architectures and metrics are stored as canonical JSON, never as pickles.

This room does not import models, strategies, executors or torch.
"""

from retiarii.storage._experiment_records import (
    SPENT,
    EpochRecord,
    ExperimentLog,
    ExperimentProgress,
    ExperimentRecord,
    ExperimentState,
    FailureReason,
    Intermediate,
    new_experiment_id,
)
from retiarii.storage._filelock import FileLock
from retiarii.storage._light_trial import LightTrial
from retiarii.storage._location import STORES, Location, described, experiments_home, locate
from retiarii.storage._open import open_store
from retiarii.storage._store import Store

__all__ = [
    "SPENT",
    "STORES",
    "EpochRecord",
    "ExperimentLog",
    "ExperimentProgress",
    "ExperimentRecord",
    "ExperimentState",
    "FailureReason",
    "FileLock",
    "Intermediate",
    "LightTrial",
    "Location",
    "Store",
    "described",
    "experiments_home",
    "locate",
    "new_experiment_id",
    "open_store",
]
