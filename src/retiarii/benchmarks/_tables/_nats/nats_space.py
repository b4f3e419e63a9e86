"""`NatsSpace`: one of the two spaces of NATS-Bench, as its records and its table need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from retiarii.benchmarks._tables.table_file import TableFile


@dataclass(frozen=True)
class NatsSpace:
    """A space whose architectures are numbered, and the file with their results.

    Attributes:
        word: What the authors call it: topology or size.
        folder: The name of the published folder; its archive has the same name with ``.tar``.
        num_architectures: The size.
        epochs: The epochs of the trainings, ascending.
        number_of: Returns the number of an architecture, or raises an `ArchitectureError`.
        architecture: Returns the architecture of a number.
        number_of_published: Returns the number of an architecture as the records write it, or raises a `ValueError`.
        file: The file of the table.
    """

    word: str
    folder: str
    num_architectures: int
    epochs: tuple[int, ...]
    number_of: Callable[[Any], int]
    architecture: Callable[[int], dict[str, Any]]
    number_of_published: Callable[[object], int]
    file: TableFile
