"""`Store`: the interface of stores of experiments and trials, for one writer and many readers at once."""

from __future__ import annotations

import os
import shlex
import socket
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from retiarii.errors import CorruptStoreError, ExperimentBusyError, StorageError
from retiarii.storage import _drawing_file as drawing_file
from retiarii.storage._experiment_records import (
    EpochRecord,
    ExperimentLog,
    ExperimentProgress,
    ExperimentRecord,
    FailureReason,
    Intermediate,
)
from retiarii.storage._finding import chosen
from retiarii.storage._light_trial import LightTrial
from retiarii.storage._log_order import log_of
from retiarii.trial import Direction, FailureKind, Objective, Objectives, Trial, TrialFiles, TrialState

LIGHT_CHUNK = 5000
"""The maximum number of rows in a list of `Store.light_trials`."""


class Store(ABC):
    """A store of experiments, their trials and intermediate results; opened by `open_store`.

    Every method is one transaction: it happens completely or not at all, and is never seen half done. Methods return
    frozen records and copies. Only the process that holds the `lock` of an experiment writes its trials; any number of
    processes and threads may read at the same time, and write other experiments. A store may be used by several
    threads, and by forked children.

    In addition to the errors that a method names, each raises `StoreFullError` if the disk is full, `CorruptStoreError`
    if data that it reads are damaged, `StoreLostError` if the store was deleted or replaced since it was opened, and
    `StorageError` if the store cannot be reached.

    To write a store of another kind, define the abstract methods. The other methods call these; override those that
    the store can answer faster. `retiarii.testing.storage` has the conformance tests.
    """

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store at {self.where}>"

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL with which `open_store` opens this store again, including the password."""

    @property
    @abstractmethod
    def where(self) -> str:
        """The name of the store in messages: its path, or its URL without the password."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections and files; may be called twice."""

    def command(self, words: str) -> str:
        """Return a command line on this store: ``retiarii`` and the words, and ``--storage`` if it is not the default.

        A password of a URL is left out.

        Args:
            words: The command and its arguments, as in ``"resume 0c4tq7wz"``.
        """
        return f"retiarii {words}" if self._is_default() else f"retiarii {words} --storage {shlex.quote(self.where)}"

    def _is_default(self) -> bool:
        """Return whether commands use this store by default."""
        return os.environ.get("RETIARII_STORAGE") == self.url

    # Experiments ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def create_experiment(self, record: ExperimentRecord) -> None:
        """Add an experiment.

        Raises:
            DuplicateError: The id exists already.
            ConfigError: The id cannot name a folder, the configuration or space is not plain JSON data, or a tag is
                not a short text; `ExperimentRecord.to_json` raises it.
        """

    @abstractmethod
    def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """Return an experiment.

        Raises:
            NotFoundError: The experiment does not exist.
        """

    @abstractmethod
    def scan_experiments(self) -> list[ExperimentRecord | CorruptStoreError]:
        """Return all experiments, oldest first; for each damaged one, the error that describes it."""

    def find_experiment(self, text: str) -> ExperimentRecord:
        """Return the experiment with this id, or else the one with this name or an id that begins with ``text``.

        Raises:
            NotFoundError: No experiment matches, or several do; the message lists them.
            ConfigError: ``text`` is not a text.
        """
        return chosen(text, self.scan_experiments(), self.where)

    def list_experiments(self) -> list[ExperimentRecord]:
        """Return all experiments, oldest first.

        Raises:
            CorruptStoreError: An experiment is damaged; `scan_experiments` returns the others.
        """
        found = self.scan_experiments()
        for record in found:
            if isinstance(record, CorruptStoreError):
                raise record
        return [record for record in found if isinstance(record, ExperimentRecord)]

    def update_times(self) -> dict[str, float]:
        """Return for each experiment, by id, the Unix time of its last change; for damaged ones, too.

        A fast way to find out which experiments have changed.
        """
        found = self.scan_experiments()
        return {err.experiment_id: 0.0 for err in found if isinstance(err, CorruptStoreError) and err.experiment_id} | {
            record.id: record.updated for record in found if isinstance(record, ExperimentRecord)
        }

    def progress(self, experiment_id: str) -> ExperimentProgress:
        """Return how far an experiment is; a fast way to find out what has changed.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        record = self.get_experiment(experiment_id)
        running = self.iter_trials(experiment_id, states={TrialState.RUNNING})
        return ExperimentProgress(
            record.state,
            record.updated,
            record.stop_requested,
            max((trial.number for trial in self.iter_trials(experiment_id)), default=-1),
            {trial.number: len(trial.intermediates) for trial in running},
            max((epoch.number for epoch in self.list_epochs(experiment_id)), default=-1),
        )

    @abstractmethod
    def update_experiment(self, experiment_id: str, **changes: Any) -> None:
        """Change fields of an experiment, and its time of update; `ExperimentRecord.changed` implements both.

        Args:
            experiment_id: The id of the experiment.
            **changes: Fields of `ExperimentRecord` except ``id``.

        Raises:
            NotFoundError: The experiment does not exist.
            ConfigError: A field does not exist or cannot change, or its value is not plain JSON data.
        """

    @abstractmethod
    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment, its trials and its artefacts, under its lock (see `exclusive`).

        Raises:
            NotFoundError: The experiment does not exist.
            ExperimentBusyError: A process is running it.
            StorageError: The folder of its artefacts cannot be removed; the experiment is deleted from the store
                anyway.
        """

    def find_damage(self, *, max_bytes: int | None = None) -> list[CorruptStoreError]:
        """Read everything, and compare it with the stored checksums. The default implementation finds nothing.

        Args:
            max_bytes: Check only stores up to this size; ``retiarii list`` and ``show`` check small stores whenever
                they open them.

        Returns:
            One error for each damaged experiment; `CorruptStoreError.experiment_id` names it.

        Raises:
            CorruptStoreError: The store as a whole is damaged.
        """
        return []

    # Trials -----------------------------------------------------------------------------------------------------------

    @abstractmethod
    def write(
        self, experiment_id: str, *, trials: Sequence[Trial] = (), intermediates: Sequence[Intermediate] = ()
    ) -> None:
        """Write trials and intermediate results, new and changed ones alike, in one transaction.

        Afterwards the store contains each trial exactly as given, including `Trial.intermediates`: further stored
        results of it are removed, and the stored times of the others are kept. Then ``intermediates`` are added, or
        replace stored ones of the same trial and step. The data are on the disk when the method returns, and `updated`
        of the experiment follows within about a second. Metrics may be NaN or infinite. NUL characters and lone
        surrogates in printed output are replaced, as in `Trial.to_json`.

        Raises:
            NotFoundError: The experiment, or the trial of an intermediate result, does not exist.
        """

    @abstractmethod
    def get_trial(self, experiment_id: str, number: int) -> Trial:
        """Return a trial.

        Raises:
            NotFoundError: The experiment or the trial does not exist.
        """

    @abstractmethod
    def iter_trials(
        self, experiment_id: str, *, states: Collection[TrialState] | None = None, after: int = -1
    ) -> Iterator[Trial]:
        """Yield trials by number, a few hundred in memory at a time.

        No transaction stays open between two trials, so a slow reader does not block others; it may see changes made
        meanwhile.

        Args:
            experiment_id: The id of the experiment.
            states: Only trials in these states; None for all.
            after: Only trials with larger numbers.

        Raises:
            NotFoundError: The experiment does not exist; raised by the call itself.
        """

    def list_trials(
        self,
        experiment_id: str,
        *,
        states: Collection[TrialState] | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> list[Trial]:
        """Return trials by number, all or one page of them.

        Args:
            experiment_id: The id of the experiment.
            states: Only trials in these states; None for all.
            after: Only trials with larger numbers, for example than that of the last trial of the previous page.
            limit: The maximum number of trials; None for all. `iter_trials` yields many without keeping them in memory.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        return list(islice(self.iter_trials(experiment_id, states=states, after=after), limit))

    def light_trials(self, experiment_id: str, *, ended_from: int | None = None) -> Iterator[list[LightTrial]]:
        """Yield trials by number as rows of values, some thousand at a time; the fast way to read all of them.

        As with `iter_trials`, no transaction stays open between two lists.

        Args:
            experiment_id: The id of the experiment.
            ended_from: Only trials with this or a larger `Trial.finish_order`, and those without one, which run; None
                for all. A reader that has all ended trials up to some place reads with it what is new.

        Raises:
            NotFoundError: The experiment does not exist; raised by the call itself.
        """
        trials = self.iter_trials(experiment_id)
        wanted = (t for t in trials if ended_from is None or t.finish_order is None or t.finish_order >= ended_from)
        rows = map(LightTrial.of, wanted)
        return iter(lambda: list(islice(rows, LIGHT_CHUNK)), [])

    def count_trials(self, experiment_id: str) -> dict[TrialState, int]:
        """Return the number of trials in each state, including zeros.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        counts = Counter(trial.state for trial in self.iter_trials(experiment_id))
        return {state: counts[state] for state in TrialState if state is not TrialState.INTERRUPTED}

    def best_trials(self, experiment_id: str, k: int, direction: Direction | None = None) -> list[Trial]:
        """Return the ``k`` best completed trials, in the order of `Objectives.rank`.

        Trials that keep the constraints come before those that break them; they are then ordered by the first
        objective, and then by number.

        Args:
            experiment_id: The id of the experiment.
            k: The maximum number of trials.
            direction: Whether larger or smaller values of the objective are better; None for the experiment's own.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        first = self.get_experiment(experiment_id).objectives.primary
        objectives = Objectives((Objective(first.metric, direction or first.direction),))
        completed = self.iter_trials(experiment_id, states={TrialState.COMPLETED})
        keyed = ((key, trial) for trial in completed if (key := objectives.rank(trial)) is not None)
        return [trial for _, trial in nsmallest(k, keyed, key=lambda pair: pair[0])]

    def failure_reasons(self, experiment_id: str) -> list[FailureReason]:
        """Return the reasons for which trials failed, most frequent first.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        counts: Counter[tuple[FailureKind, str]] = Counter()
        examples: dict[tuple[FailureKind, str], int] = {}
        for trial in self.iter_trials(experiment_id, states={TrialState.FAILED}):
            if trial.failure is not None:
                reason = trial.failure.kind, trial.failure.message
                counts[reason] += 1
                examples.setdefault(reason, trial.number)
        return [FailureReason(*reason, count, examples[reason]) for reason, count in counts.most_common()]

    @abstractmethod
    def intermediates(self, experiment_id: str, number: int) -> tuple[Intermediate, ...]:
        """Return the intermediate results of a trial, in order, with their times.

        Raises:
            NotFoundError: The experiment or the trial does not exist.
        """

    def load_log(self, experiment_id: str, *, with_reports: bool = False) -> ExperimentLog:
        """Return the log for an exact resume of the search: proposals by number, ended trials by their end.

        Args:
            experiment_id: The id of the experiment.
            with_reports: Whether ended trials include their intermediate results.

        Raises:
            NotFoundError: The experiment does not exist.
            CorruptStoreError: A trial number is missing, so the order is unknown.
        """
        return log_of(experiment_id, self.iter_trials(experiment_id), with_reports=with_reports)

    # One-shot searches ------------------------------------------------------------------------------------------------

    @abstractmethod
    def write_epoch(self, experiment_id: str, epoch: EpochRecord) -> None:
        """Write one epoch of a supernet's training, replacing a stored one with the same number.

        Raises:
            NotFoundError: The experiment does not exist.
            ConfigError: The record is not plain JSON data; `EpochRecord.to_json` raises it.
        """

    @abstractmethod
    def list_epochs(self, experiment_id: str, *, after: int = -1) -> list[EpochRecord]:
        """Return the epochs of a supernet's training in order; an empty list if the experiment is not one-shot.

        Args:
            experiment_id: The id of the experiment.
            after: Only epochs with larger numbers.

        Raises:
            NotFoundError: The experiment does not exist.
        """

    # Drawings ---------------------------------------------------------------------------------------------------------

    def write_drawing(self, experiment_id: str, drawing: dict[str, Any]) -> None:
        """Write the drawing of an experiment's model with its choices, replacing a stored one.

        The default implementation writes a file into the folder of the experiment (see `directory`).

        Raises:
            NotFoundError: The experiment does not exist.
            ConfigError: The drawing is not plain JSON data.
        """
        drawing_file.write(self.directory(experiment_id), drawing)

    def read_drawing(self, experiment_id: str) -> dict[str, Any] | None:
        """Return the drawing of an experiment's model; None if none was written.

        Raises:
            NotFoundError: The experiment does not exist.
            CorruptStoreError: The drawing is damaged.
        """
        return drawing_file.read(self.directory(experiment_id), experiment_id)

    # Between processes ------------------------------------------------------------------------------------------------

    def request_stop(self, experiment_id: str) -> None:
        """Ask the process that runs an experiment to stop it.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        self.update_experiment(experiment_id, stop_requested=True)

    def stop_requested(self, experiment_id: str) -> bool:
        """Return whether the process that runs an experiment was asked to stop; polled by that process.

        Raises:
            NotFoundError: The experiment does not exist.
        """
        return self.get_experiment(experiment_id).stop_requested

    @abstractmethod
    def acquire(self, experiment_id: str) -> Callable[[], None] | None:
        """Take the lock of an experiment; return None if it is held, by another process or in this one.

        When the process dies, even by ``kill -9``, the lock is released, also if children of the process are alive:
        they
        do not hold it. `FileLock` is such a lock. Experiments use `lock`.

        Returns:
            The function that releases the lock.

        Raises:
            StorageError: Locks do not work here.
        """

    @abstractmethod
    def is_running(self, experiment_id: str) -> bool:
        """Return whether a living process holds the lock of an experiment.

        Raises:
            StorageError: Locks do not work here.
        """

    def verify(self) -> None:  # noqa: B027 - optional: not every store can be lost
        """Check, without reading it, that the store is still the one that was opened.

        Raises:
            StoreLostError: The store was deleted, moved or replaced; `open_store` opens what is in its place now.
        """

    def check(self) -> None:  # noqa: B027 - optional: not every store can check
        """Do a quick check for damage; called by `lock`, before anything is written.

        Raises:
            CorruptStoreError: The store is damaged.
        """

    @contextmanager
    def lock(self, experiment_id: str) -> Iterator[None]:
        """Hold the lock of an experiment in this block, as the only process that runs it.

        In the block, its record names this process, and an earlier request to stop is cleared. When the process dies,
        even by ``kill -9``, the lock is released. Children of this process do not hold it. The store is checked for
        damage first, so that nothing is written to a damaged one.

        Raises:
            NotFoundError: The experiment does not exist.
            ExperimentBusyError: The experiment is being run already; the message names process and host.
            CorruptStoreError: The store is damaged.
        """
        with self.exclusive(experiment_id):
            self.check()
            self.update_experiment(experiment_id, pid=os.getpid(), host=socket.gethostname(), stop_requested=False)
            try:
                yield
            finally:
                with suppress(StorageError):  # informative only; it must not hide the error of the block
                    self.update_experiment(experiment_id, pid=None, host=None)

    @contextmanager
    def exclusive(self, experiment_id: str) -> Iterator[None]:
        """Hold the lock of an experiment, even a damaged one, without changing its record, for example to delete it.

        Raises:
            NotFoundError: The experiment does not exist.
            ExperimentBusyError: The experiment is being run already; the message names process and host.
        """
        try:
            record: ExperimentRecord | None = self.get_experiment(experiment_id)
        except CorruptStoreError:  # a damaged experiment can be deleted, too
            record = None
        release = self.acquire(experiment_id)
        if release is None:
            owner = "another process"
            if record is not None and record.pid is not None:
                owner = f"process {record.pid} on host {record.host!r}"
            raise ExperimentBusyError(
                f"Experiment {experiment_id!r} in the store {self.where} is being run by {owner}. Wait for its end, "
                f"stop it with `retiarii stop {experiment_id}`, or end that process."
            )
        try:
            yield
        finally:
            release()

    # Files ------------------------------------------------------------------------------------------------------------

    @abstractmethod
    def directory(self, experiment_id: str) -> Path:
        """Return the folder for artefacts of an experiment, on a disk of this machine; it is made if missing.

        Raises:
            NotFoundError: The experiment does not exist.
            StorageError: The folder cannot be made, or it or something in it is a symbolic link.
        """

    def trial_files(self, experiment_id: str) -> TrialFiles:
        """Return the folders into which the trials of an experiment write.

        Raises:
            NotFoundError: The experiment does not exist.
            StorageError: The folder of the experiment cannot be used, as for `directory`.
        """
        return TrialFiles(self.directory(experiment_id))
