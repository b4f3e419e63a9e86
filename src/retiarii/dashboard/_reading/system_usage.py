"""`SystemUsage`: what a running experiment uses of this machine."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock

import numpy as np
import psutil

from retiarii.analysis import TrialTable
from retiarii.storage import ExperimentRecord, Store

_MAX_FILES = 20_000  # counted in a folder; more would make the page slow
_COUNTING_SHARE = 0.02  # of the time, at most, files are counted
_PACKAGES = ("torch", "numpy", "sqlalchemy", "nicegui", "fastapi", "uvicorn", "plotly")


@dataclass(frozen=True)
class ProcessUsage:
    """What one process uses.

    Attributes:
        pid: Its id.
        name: Its name.
        command: Its command line, shortened.
        cpu_percent: Of one core, since the last look; None at the first look.
        memory_bytes: Its resident memory. Pages that processes share count in each of them.
    """

    pid: int
    name: str
    command: str
    cpu_percent: float | None
    memory_bytes: int


@dataclass(frozen=True)
class DiskUsage:
    """What an experiment takes on disk.

    Attributes:
        store_bytes: The size of the store's file with its log; None for a store that is not a file.
        folder: The folder of the experiment.
        folder_bytes: The size of its files.
        is_partial: Whether it has more files than were counted.
        free_bytes: The room that is left on the disk of the folder; None if it does not exist.
    """

    store_bytes: int | None
    folder: str
    folder_bytes: int
    is_partial: bool
    free_bytes: int | None


class SystemUsage:
    """Looks at the processes and the disk of experiments, for all browsers; may be used by several threads.

    Args:
        disk_pause_s: The time between two looks at the disk, in seconds; longer where counting the files takes long.
    """

    def __init__(self, *, disk_pause_s: float = 10.0) -> None:
        self._disk_pause_s = disk_pause_s
        self._lock, self._disk_lock = Lock(), Lock()
        self._disk: dict[tuple[str, str], tuple[float, DiskUsage]] = {}  # until when each is good
        self._seen: dict[int, psutil.Process] = {}  # kept, because CPU use is measured between two looks

    def processes(self, record: ExperimentRecord) -> list[ProcessUsage]:
        """Return the process of a running experiment and those that it started; none if it runs elsewhere."""
        if record.pid is None or record.host != socket.gethostname():
            return []
        try:
            parent = psutil.Process(record.pid)
            family = [parent, *parent.children(recursive=True)]
        except psutil.Error:
            return []
        with self._lock:
            return [usage for process in family if (usage := self._usage(process)) is not None]

    def disk(self, store: Store, experiment_id: str) -> DiskUsage:
        """Return what a store and the folder of an experiment took at the last look."""
        with self._disk_lock:
            key, now = (store.where, experiment_id), time.monotonic()
            self._disk = {one: known for one, known in self._disk.items() if known[0] > now}
            if key not in self._disk:
                found = disk_usage(store, experiment_id)
                ended = time.monotonic()
                self._disk[key] = ended + max(self._disk_pause_s, (ended - now) / _COUNTING_SHARE), found
            return self._disk[key][1]

    def _usage(self, found: psutil.Process) -> ProcessUsage | None:
        known = self._seen.get(found.pid)
        is_new = known is None or known != found
        process = self._seen[found.pid] = found if known is None or is_new else known
        if len(self._seen) > 1000:
            self._seen = {found.pid: process}
        try:
            with process.oneshot():
                cpu = process.cpu_percent(None)
                words = " ".join(process.cmdline())
                return ProcessUsage(
                    process.pid, process.name(), words[:200], None if is_new else cpu, process.memory_info().rss
                )
        except psutil.Error:  # it has ended, or belongs to another user
            return None


def disk_usage(store: Store, experiment_id: str) -> DiskUsage:
    """Return what a store and the folder of an experiment take."""
    folder = store.directory(experiment_id)
    num_bytes, num_files = 0, 0
    for size in _file_sizes(folder):
        num_bytes, num_files = num_bytes + size, num_files + 1
        if num_files == _MAX_FILES:
            break
    free = shutil.disk_usage(folder).free if folder.is_dir() else None
    return DiskUsage(_store_bytes(store), str(folder), num_bytes, num_files == _MAX_FILES, free)


def num_trials_by_device(table: TrialTable) -> dict[str, int]:
    """Return how many trials ran on each device; those without a device are left out."""
    coded = table.device
    counts = np.bincount(coded.codes[coded.codes >= 0], minlength=len(coded.values))
    return {str(value): int(count) for value, count in zip(coded.values, counts, strict=True) if value and count}


def versions(record: ExperimentRecord) -> dict[str, str]:
    """Return the versions of what runs here; packages are not imported."""
    found = {"retiarii (experiment)": record.version, "Python": platform.python_version()}
    for name in ("retiarii", *_PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {**found, "system": platform.platform()}


def _store_bytes(store: Store) -> int | None:
    path = Path(store.where)
    if not path.is_file():
        return None
    parts = (path, path.with_name(f"{path.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.is_file())


def _file_sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(place, name)).st_size
            except OSError:  # it has just been deleted
                continue
