"""Experiments and their trials, durable: SQLite by default, PostgreSQL or a store of another package by URL.

`open_store` finds a `Store`. An experiment is one `ExperimentRecord`; its loop alone, under `Store.lock`, writes trials
and `Intermediate` results with `Store.write`, one transaction each, so that a process killed at any instant has lost no
finished trial. Others read at the same time: `Store.iter_trials`, `Store.best_trials`, `Store.failure_reasons`.
`Store.list_epochs` is the history of a one-shot search.
`Store.load_log` gives the `ExperimentLog` from which a search is resumed exactly, and `Store.request_stop` asks the
process that runs an experiment to end it. Architectures and metrics are stored as canonical JSON, never as pickles.

This room knows nothing of models, strategies and executors, and never imports torch.
"""

from retiarii.storage._experiment_records import (
    SPENT,
    EpochRecord,
    ExperimentLog,
    ExperimentRecord,
    ExperimentState,
    FailureReason,
    Intermediate,
    new_experiment_id,
)
from retiarii.storage._filelock import FileLock
from retiarii.storage._location import STORES, Location, described, experiments_home, locate
from retiarii.storage._open import open_store
from retiarii.storage._store import Store

__all__ = [
    "SPENT",
    "STORES",
    "EpochRecord",
    "ExperimentLog",
    "ExperimentRecord",
    "ExperimentState",
    "FailureReason",
    "FileLock",
    "Intermediate",
    "Location",
    "Store",
    "described",
    "experiments_home",
    "locate",
    "new_experiment_id",
    "open_store",
]
