"""`Store`: experiments and their trials, durable, for one writer and many readers at once."""

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
from retiarii.storage._experiment_records import (
    EpochRecord,
    ExperimentLog,
    ExperimentRecord,
    FailureReason,
    Intermediate,
)
from retiarii.storage._finding import chosen
from retiarii.storage._log_order import log_of
from retiarii.trial import Direction, FailureKind, Objective, Objectives, Trial, TrialFiles, TrialState


class Store(ABC):
    """Experiments, their trials and what these reported. Opened by `open_store`.

    Every method is one transaction: it happens completely or not at all, and nobody sees it half done. What is
    returned are frozen records and copies. One process at a time writes the trials of an experiment, the one that
    holds its `lock`; any number of processes and threads may read meanwhile, and write other experiments. A store may
    be used by several threads. A forked child may go on using it.

    Besides the errors that a method names, each raises `StoreFullError` when the disk is full, `CorruptStoreError`
    when what it reads is damaged, `StoreLostError` when the store was deleted or replaced since it was opened, and
    `StorageError` when it cannot be reached.

    A store of another kind defines the abstract methods. The other methods are made of these; override those that it
    can answer faster. `retiarii.testing.storage` has the tests that it must pass.
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
        """What `open_store` needs to open this store again, password included."""

    @property
    @abstractmethod
    def where(self) -> str:
        """What to call the store when speaking to people: the path, or the URL without the password."""

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
        """Return whether commands use this store when they are told nothing."""
        return os.environ.get("RETIARII_STORAGE") == self.url

    # Experiments ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def create_experiment(self, record: ExperimentRecord) -> None:
        """Add an experiment.

        Raises:
            DuplicateError: Its id is taken.
            ConfigError: Its id cannot name a folder, or its configuration or space is not plain JSON data;
                `ExperimentRecord.to_json` raises it.
        """

    @abstractmethod
    def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """Return an experiment.

        Raises:
            NotFoundError: There is none of this id.
        """

    @abstractmethod
    def scan_experiments(self) -> list[ExperimentRecord | CorruptStoreError]:
        """Return all experiments, oldest first, and in the place of each damaged one the error that describes it."""

    def find_experiment(self, text: str) -> ExperimentRecord:
        """Return the experiment whose id is ``text``, else the one whose name it is or whose id begins with it.

        Raises:
            NotFoundError: There is none, or there are several; the message lists them.
            ConfigError: ``text`` is no text.
        """
        return chosen(text, self.scan_experiments(), self.where)

    def list_experiments(self) -> list[ExperimentRecord]:
        """Return all experiments, oldest first.

        Raises:
            CorruptStoreError: One of them is damaged; `scan_experiments` returns the others.
        """
        found = self.scan_experiments()
        for record in found:
            if isinstance(record, CorruptStoreError):
                raise record
        return [record for record in found if isinstance(record, ExperimentRecord)]

    @abstractmethod
    def update_experiment(self, experiment_id: str, **changes: Any) -> None:
        """Change fields of an experiment; its time of update changes by itself. `ExperimentRecord.changed` does both.

        Args:
            experiment_id: Which one.
            **changes: Fields of `ExperimentRecord` except ``id``.

        Raises:
            NotFoundError: There is no such experiment.
            ConfigError: There is no such field, it cannot change, or its value is not plain JSON data.
        """

    @abstractmethod
    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment, its trials and its artefacts, under its lock (see `exclusive`).

        Raises:
            NotFoundError: There is no such experiment.
            ExperimentBusyError: A process is running it.
            StorageError: The folder of its artefacts cannot be removed; it is gone from the store all the same.
        """

    def find_damage(self, *, max_bytes: int | None = None) -> list[CorruptStoreError]:
        """Read everything, and compare it with the checksums that were stored with it. Finds nothing by default.

        Args:
            max_bytes: Do so only if the store is not larger than this; ``retiarii list`` and ``show`` look at small
                stores whenever they open them.

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

        Afterwards the store holds each trial just as given, `Trial.intermediates` included: more of them that were
        stored before are removed; of the others the stored times stay. Then ``intermediates`` are added, or replaced
        where trial and step are the same. What is written is on the disk when the method returns, and `updated` of the
        experiment follows within about a second. Metrics may be NaN or infinite. NUL characters and lone surrogates in
        printed output are replaced, as `Trial.to_json` does.

        Raises:
            NotFoundError: There is no such experiment, or not the trial of an intermediate result.
        """

    @abstractmethod
    def get_trial(self, experiment_id: str, number: int) -> Trial:
        """Return a trial.

        Raises:
            NotFoundError: There is no such experiment or trial.
        """

    @abstractmethod
    def iter_trials(
        self, experiment_id: str, *, states: Collection[TrialState] | None = None, after: int = -1
    ) -> Iterator[Trial]:
        """Yield trials by number, a few hundred in memory at a time.

        No transaction stays open between two trials, so a slow reader holds nobody up; it may see changes made
        meanwhile.

        Args:
            experiment_id: Of which experiment.
            states: Only trials in these states; None for all.
            after: Only trials with larger numbers.

        Raises:
            NotFoundError: There is no such experiment; raised by the call, before the first trial is asked for.
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
            experiment_id: Of which experiment.
            states: Only trials in these states; None for all.
            after: Only trials with larger numbers: that of the last trial of the page before.
            limit: How many at most; None for all. `iter_trials` goes through many without holding them.

        Raises:
            NotFoundError: There is no such experiment.
        """
        return list(islice(self.iter_trials(experiment_id, states=states, after=after), limit))

    def count_trials(self, experiment_id: str) -> dict[TrialState, int]:
        """Return how many trials are in each state, zeros included.

        Raises:
            NotFoundError: There is no such experiment.
        """
        counts = Counter(trial.state for trial in self.iter_trials(experiment_id))
        return {state: counts[state] for state in TrialState if state is not TrialState.INTERRUPTED}

    def best_trials(self, experiment_id: str, k: int, direction: Direction | None = None) -> list[Trial]:
        """Return the ``k`` best completed trials, as `Objectives.rank` orders them.

        Trials that keep the constraints come before those that break them, then the value of the first objective
        counts, then the number.

        Args:
            experiment_id: Of which experiment.
            k: How many at most.
            direction: Which values of that objective are better; None for the experiment's own direction.

        Raises:
            NotFoundError: There is no such experiment.
        """
        first = self.get_experiment(experiment_id).objectives.primary
        objectives = Objectives((Objective(first.metric, direction or first.direction),))
        completed = self.iter_trials(experiment_id, states={TrialState.COMPLETED})
        keyed = ((key, trial) for trial in completed if (key := objectives.rank(trial)) is not None)
        return [trial for _, trial in nsmallest(k, keyed, key=lambda pair: pair[0])]

    def failure_reasons(self, experiment_id: str) -> list[FailureReason]:
        """Return why trials failed, the most frequent reason first.

        Raises:
            NotFoundError: There is no such experiment.
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
        """Return what a trial reported on the way, in order, with the times.

        Raises:
            NotFoundError: There is no such experiment or trial.
        """

    def load_log(self, experiment_id: str, *, with_reports: bool = False) -> ExperimentLog:
        """Return what an exact resume of the search needs: proposals by number, ended trials by their end.

        Args:
            experiment_id: Of which experiment.
            with_reports: Whether the trials that ended carry what they reported on the way.

        Raises:
            NotFoundError: There is no such experiment.
            CorruptStoreError: A trial number is left out, so the order cannot be known.
        """
        return log_of(experiment_id, self.iter_trials(experiment_id), with_reports=with_reports)

    # One-shot searches ------------------------------------------------------------------------------------------------

    @abstractmethod
    def write_epoch(self, experiment_id: str, epoch: EpochRecord) -> None:
        """Write one epoch of a supernet's training, new or in the place of the one that was stored.

        Raises:
            NotFoundError: There is no such experiment.
            ConfigError: Its record is not plain JSON data; `EpochRecord.to_json` raises it.
        """

    @abstractmethod
    def list_epochs(self, experiment_id: str, *, after: int = -1) -> list[EpochRecord]:
        """Return the epochs of a supernet's training in order; none where the experiment is not one-shot.

        Args:
            experiment_id: Of which experiment.
            after: Only epochs with larger numbers.

        Raises:
            NotFoundError: There is no such experiment.
        """

    # Between processes ------------------------------------------------------------------------------------------------

    def request_stop(self, experiment_id: str) -> None:
        """Ask the process that runs an experiment to stop it.

        Raises:
            NotFoundError: There is no such experiment.
        """
        self.update_experiment(experiment_id, stop_requested=True)

    def stop_requested(self, experiment_id: str) -> bool:
        """Return whether somebody asked the process that runs an experiment to stop it; asked again and again.

        Raises:
            NotFoundError: There is no such experiment.
        """
        return self.get_experiment(experiment_id).stop_requested

    @abstractmethod
    def acquire(self, experiment_id: str) -> Callable[[], None] | None:
        """Take the lock of an experiment, or return None when another process, or another user in this one, has it.

        When its process dies, even by ``kill -9``, the lock is free again, also while children of the process live:
        they do not have it. `FileLock` is such a lock. Experiments use `lock`.

        Returns:
            The function that releases it.

        Raises:
            StorageError: Locks do not work here.
        """

    @abstractmethod
    def is_running(self, experiment_id: str) -> bool:
        """Return whether a living process holds the lock of an experiment.

        Raises:
            StorageError: Locks do not work here.
        """

    def check(self) -> None:  # noqa: B027 - a store that has nothing to look at need not define it
        """Look for damage as far as that takes no time; called by `lock`, before anything is written.

        Raises:
            CorruptStoreError: The store is damaged.
        """

    @contextmanager
    def lock(self, experiment_id: str) -> Iterator[None]:
        """Be the only one who runs an experiment.

        Inside, its record names this process, and an earlier request to stop is forgotten. When the process dies, even
        by ``kill -9``, the lock is free again. Children of this process do not have it. The store is checked for
        damage first, so that nothing is written into a damaged one.

        Raises:
            NotFoundError: There is no such experiment.
            ExperimentBusyError: It is being run already; the message names process and host.
            CorruptStoreError: The store is damaged.
        """
        with self.exclusive(experiment_id):
            self.check()
            self.update_experiment(experiment_id, pid=os.getpid(), host=socket.gethostname(), stop_requested=False)
            try:
                yield
            finally:
                with suppress(StorageError):  # it is for people only, and must not hide why the block ended
                    self.update_experiment(experiment_id, pid=None, host=None)

    @contextmanager
    def exclusive(self, experiment_id: str) -> Iterator[None]:
        """Hold the lock of an experiment, damaged or not, without a note in its record: to delete it, for example.

        Raises:
            NotFoundError: There is no such experiment.
            ExperimentBusyError: It is being run already; the message names process and host.
        """
        try:
            record: ExperimentRecord | None = self.get_experiment(experiment_id)
        except CorruptStoreError:  # it can be deleted all the same
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
        """Return the folder for artefacts of an experiment (made if missing), on a disk of this machine.

        Raises:
            NotFoundError: There is no such experiment.
            StorageError: The folder cannot be made, or it or something in it is a symbolic link.
        """

    def trial_files(self, experiment_id: str) -> TrialFiles:
        """Return the folders into which the trials of an experiment write.

        Raises:
            NotFoundError: There is no such experiment.
            StorageError: The folder of the experiment cannot be used, as for `directory`.
        """
        return TrialFiles(self.directory(experiment_id))
