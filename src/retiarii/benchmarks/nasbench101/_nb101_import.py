"""`import_file`: the trainings of a published file, written to the table."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from retiarii.benchmarks._tables._formats.tfrecord import RecordBatch, damaged_record, tfrecord_batches
from retiarii.benchmarks.nasbench101._nb101_database import NB101_FILE
from retiarii.benchmarks.nasbench101._nb101_published import read_training
from retiarii.benchmarks.nasbench101._nb101_results import pack_arrays
from retiarii.benchmarks.nasbench101._nb101_writer import (
    TrainingWriter,
    drop_unfinished,
    num_trainings,
    progress_of,
)

_logger = logging.getLogger(__name__)


def import_file(path: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None) -> None:
    """Add the trainings of a published file to a table; go on where an interrupted import was.

    Args:
        path: The file.
        connection: The table.
        on_progress: Called with the megabytes so far and in all.

    Raises:
        BenchmarkError: The file is damaged.
    """
    file = _size_and_time(path)
    start = progress_of(connection, file)
    writer = TrainingWriter(connection, _settled(connection if start is None else None))
    for batch in tfrecord_batches(path, start=start):
        _add(writer, batch, path.name)
        writer.write(file, batch.end)
        if on_progress is not None:
            on_progress(batch.end.offset // 10**6, file[0] // 10**6)
    if dropped := drop_unfinished(connection):
        _logger.warning("%s has fewer than 3 trainings of %d configurations; they are left out.", path, dropped)
    pack_arrays(connection)


def has_begun(path: Path, connection: sqlite3.Connection) -> bool:
    """Return whether the import of a file has begun in this table."""
    return progress_of(connection, _size_and_time(path)) is not None


def _settled(connection: sqlite3.Connection | None) -> dict[int, bytearray]:
    """Return the numbers of trainings of each cell before the published file was read.

    Args:
        connection: The table, if nothing of the file was read before; else those of the present table count.
    """
    if connection is not None:
        return num_trainings(connection)
    if not NB101_FILE.path.is_file():
        return {}
    with closing(NB101_FILE.open()) as present, NB101_FILE.reading():
        return num_trainings(present)


def _add(writer: TrainingWriter, batch: RecordBatch, name: str) -> None:
    for index, record in enumerate(batch.records):
        try:
            writer.add(read_training(record))
        except ValueError as err:
            raise damaged_record(name, batch.position_of(index), str(err)) from err


def _size_and_time(path: Path) -> tuple[int, int]:
    """Return size and modification time (in nanoseconds), which tell one published file from another."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
