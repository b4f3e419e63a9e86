"""A store in a folder of text files, opened by URLs such as ``jsonl:///home/ann/searches``.

Each experiment is a file of JSON lines that only grows. A line is one transaction: the record of the experiment, some
trials and reports, or an epoch. It counts once it ends in a line feed; what a killed process left behind is cut off by
the next writer. Writers take turns by ``flock``; readers read on from where they were.
"""

import errno
import fcntl
import json
import os
import re
import shutil
import threading
import time
import uuid
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

from retiarii.errors import (
    CorruptStoreError,
    DuplicateError,
    NotFoundError,
    RecordError,
    StorageError,
    StoreFullError,
)
from retiarii.storage import EpochRecord, ExperimentRecord, FileLock, Intermediate, Store
from retiarii.trial import Trial

SCHEME = "jsonl://"
CHUNK = 500


def open_url(url, *, create):
    """Open a store for `retiarii.storage.open_store`: the entry point of this package."""
    folder = Path(url.removeprefix(SCHEME)).expanduser().absolute()
    logs = folder / "logs"
    if create:
        with storage_errors(folder):
            logs.mkdir(parents=True, exist_ok=True)
    elif not logs.is_dir():
        raise NotFoundError(f"There is no store in the folder {folder}.")
    return JsonLinesStore(folder)


@contextmanager
def storage_errors(where):
    """Turn errors of the operating system into those of stores."""
    try:
        yield
    except OSError as err:
        if isinstance(err, StorageError):
            raise
        kind = StoreFullError if err.errno in (errno.ENOSPC, errno.EDQUOT) else StorageError
        raise kind(f"The store in {where} cannot be used: {err}. Check its permissions and the free space.") from err


class Log:
    """What the file of one experiment says, read up to a place in it.

    Attributes:
        first: The first line, which tells the file from an earlier one of the same name.
        end: The end of the last complete line, in bytes.
        record: Data of the experiment.
        trials: Data of trials by number, without what they reported.
        reports: Data of intermediate results by trial and step.
        epochs: Data of epochs by number.
    """

    def __init__(self, first):
        self.first, self.end, self.record = first, 0, {}
        self.trials, self.epochs = {}, {}
        self.reports = defaultdict(dict)

    def read(self, file):
        """Read the lines that were added to the file.

        Raises:
            RecordError: One of them makes no sense.
        """
        file.seek(self.end)
        added = file.read()
        try:
            for line in added[: added.rfind(b"\n") + 1].splitlines():
                self._apply(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise RecordError(f"a line is not what this package writes: {err!r}") from err
        self.end += added.rfind(b"\n") + 1

    def trial(self, number):
        """Return a trial, or None."""
        if number not in self.trials:
            return None
        reports = [report["metrics"] for _, report in sorted(self.reports[number].items())]
        return Trial.from_json({**self.trials[number], "intermediates": reports})

    def _apply(self, line):
        self.record = line.get("record", self.record)
        for epoch in line.get("epochs", ()):
            self.epochs[epoch["number"]] = epoch
        for trial in line.get("trials", ()):
            self._put(trial, line["time"])
        for report in line.get("reports", ()):
            self.reports[report["number"]][report["step"]] = report
        self.record = {**self.record, "updated": line.get("time", self.record["updated"])}

    def _put(self, trial, moment):
        """Make a trial as it was given; what it had reported keeps its time."""
        number, metrics = trial["number"], trial.pop("intermediates")
        before = self.reports[number]
        self.reports[number] = {
            step: {**before.get(step, {"number": number, "step": step, "time": moment}), "metrics": reported}
            for step, reported in enumerate(metrics)
        }
        self.trials[number] = trial


class JsonLinesStore(Store):
    """Experiments in a folder: ``logs/ID.jsonl``, ``locks/ID`` and ``files/ID``."""

    def __init__(self, folder):
        self._folder = folder
        self._forget()

    @property
    def url(self):
        return f"{SCHEME}{self._folder}"

    @property
    def where(self):
        return self.url

    def close(self):
        pass  # every method opens and closes its file

    # Experiments

    def create_experiment(self, record):
        data = record.to_json()
        draft = self._folder / "logs" / f".{record.id}.{os.getpid()}.{threading.get_ident()}"
        with storage_errors(self.where):
            try:
                with draft.open("wb") as file:
                    file.write(line_of({"file": uuid.uuid4().hex, "record": data}))
                    file.flush()
                    os.fsync(file.fileno())
                os.link(draft, self._path(record.id))  # fails if it is there
            except FileExistsError as err:
                raise DuplicateError(f"There is an experiment {record.id!r} in {self.where} already.") from err
            finally:
                draft.unlink(missing_ok=True)

    def get_experiment(self, experiment_id):
        with self._reading(experiment_id) as log:
            return ExperimentRecord.from_json(log.record)

    def scan_experiments(self):
        found = []
        with storage_errors(self.where):
            ids = [path.stem for path in self._folder.glob("logs/[!.]*.jsonl")]
        for experiment_id in ids:
            try:
                found.append(self.get_experiment(experiment_id))
            except CorruptStoreError as err:
                found.append(err)
            except NotFoundError:  # it was deleted just now
                pass
        return sorted(found, key=lambda one: getattr(one, "created", 0.0))

    def update_experiment(self, experiment_id, **changes):
        with self._appending(experiment_id) as (log, append):
            append({"record": ExperimentRecord.from_json(log.record).changed(**changes).to_json()})

    def delete_experiment(self, experiment_id):
        with self.exclusive(experiment_id), storage_errors(self.where):
            self._path(experiment_id).unlink()
            shutil.rmtree(self._folder / "files" / experiment_id, ignore_errors=True)

    # Trials

    def write(self, experiment_id, *, trials=(), intermediates=()):
        with self._appending(experiment_id) as (log, append):
            numbers = {*log.trials, *(trial.number for trial in trials)}
            for report in intermediates:
                if report.number not in numbers:
                    raise NotFoundError(
                        f"Experiment {experiment_id!r} in {self.where} lacks trial {report.number}, the trial of an "
                        "intermediate result."
                    )
            written = {
                "trials": [trial.to_json() for trial in trials],
                "reports": [report.to_json() for report in intermediates],
            }
            append({**written, "time": time.time()})

    def get_trial(self, experiment_id, number):
        with self._reading(experiment_id) as log:
            trial = log.trial(number)
        if trial is None:
            raise NotFoundError(f"Experiment {experiment_id!r} in {self.where} has no trial {number}.")
        return trial

    def iter_trials(self, experiment_id, *, states=None, after=-1):
        self.get_experiment(experiment_id)  # a generator would notice later that there is none
        return self._chunks(experiment_id, states, after)

    def _chunks(self, experiment_id, states, after):
        names = None if states is None else {state.value for state in states}
        while True:
            with self._reading(experiment_id) as log:
                numbers = sorted(
                    number
                    for number, data in log.trials.items()
                    if number > after and (names is None or data["state"] in names)
                )
                trials = [log.trial(number) for number in numbers[:CHUNK]]
            if not trials:
                return
            yield from trials
            after = trials[-1].number

    def intermediates(self, experiment_id, number):
        self.get_trial(experiment_id, number)
        with self._reading(experiment_id) as log:
            return tuple(Intermediate.from_json(report) for _, report in sorted(log.reports[number].items()))

    # One-shot searches

    def write_epoch(self, experiment_id, epoch):
        data = epoch.to_json()
        with self._appending(experiment_id) as (_, append):
            append({"epochs": [data], "time": time.time()})

    def list_epochs(self, experiment_id, *, after=-1):
        with self._reading(experiment_id) as log:
            return [EpochRecord.from_json(epoch) for number, epoch in sorted(log.epochs.items()) if number > after]

    # Between processes

    def acquire(self, experiment_id):
        lock = FileLock(self._folder / "locks" / experiment_id)
        with storage_errors(self.where):
            return lock.release if lock.acquire() else None

    def is_running(self, experiment_id):
        with storage_errors(self.where):
            return FileLock(self._folder / "locks" / experiment_id).is_held()

    def directory(self, experiment_id):
        self.get_experiment(experiment_id)
        folder = self._folder / "files" / experiment_id
        with storage_errors(self.where):
            folder.mkdir(parents=True, exist_ok=True)
            for path in (folder.parent, folder, *folder.iterdir()):
                if path.is_symlink():
                    raise StorageError(f"{path} is a symbolic link, so files would be written elsewhere. Remove it.")
        return folder

    # Files

    def _forget(self):
        self._pid, self._mutex, self._logs = os.getpid(), threading.RLock(), {}

    def _path(self, experiment_id):
        if not re.fullmatch(r"[\w.-]+", experiment_id, re.ASCII):
            raise NotFoundError(f"There is no experiment {experiment_id!r} in {self.where}: that is no id.")
        return self._folder / "logs" / f"{experiment_id}.jsonl"

    @contextmanager
    def _opened(self, experiment_id, mode):
        """Give the file of an experiment; threads take turns, and a forked child has a turn of its own."""
        if self._pid != os.getpid():
            self._forget()
        path = self._path(experiment_id)
        with self._mutex, storage_errors(self.where):
            try:
                file = path.open(mode)
            except FileNotFoundError as err:
                raise NotFoundError(f"There is no experiment {experiment_id!r} in {self.where}.") from err
            with file:
                yield file

    @contextmanager
    def _reading(self, experiment_id):
        """Give what the store knows about an experiment."""
        with self._opened(experiment_id, "rb") as file, self._damage_named(experiment_id):
            yield self._log_of(experiment_id, file)

    @contextmanager
    def _appending(self, experiment_id):
        """Give what the store knows about an experiment, and a function that adds a line; other writers wait."""
        with self._opened(experiment_id, "r+b") as file, self._damage_named(experiment_id):
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                if os.fstat(file.fileno()).st_nlink == 0:
                    raise NotFoundError(f"There is no experiment {experiment_id!r} in {self.where} any more.")
                log = self._log_of(experiment_id, file)

                def append(data):
                    file.truncate(log.end)  # what a killed process did not complete
                    file.seek(log.end)
                    file.write(line_of(data))
                    file.flush()
                    os.fsync(file.fileno())

                yield log, append
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # a child that was forked meanwhile has the file open, too

    @contextmanager
    def _damage_named(self, experiment_id):
        try:
            yield
        except RecordError as err:
            raise CorruptStoreError(
                f"The file of experiment {experiment_id!r} in {self.where} is damaged: {err} Restore it from a copy, "
                "or delete the experiment.",
                experiment_id=experiment_id,
            ) from err

    def _log_of(self, experiment_id, file):
        log, first = self._logs.get(experiment_id), file.readline()
        if log is None or log.first != first:
            log = Log(first)
        self._logs.pop(experiment_id, None)  # should reading fail, it begins anew
        log.read(file)
        self._logs[experiment_id] = log
        return log


def line_of(data):
    """Return data as one line."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"
