"""`read_training`: one training from a record of NAS-Bench-101's published files."""

from __future__ import annotations

import json
import math
import struct
from binascii import a2b_base64
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from retiarii.benchmarks._tables._formats.protobuf_wire import BYTES, VARINT, double_of, message_fields
from retiarii.benchmarks._tables._formats.restricted_pickle import shown
from retiarii.benchmarks.nasbench101._nb101_cells import (
    INPUT,
    MAX_VERTICES,
    OPERATORS,
    OUTPUT,
    CellGraph,
    size_objection,
)
from retiarii.benchmarks.nasbench101._nb101_hash import hash_of_cell
from retiarii.benchmarks.nasbench101._nb101_records import EPOCHS

Results = tuple[float, float, float, float]
"""Train, validation and test accuracy (0 to 1), and the training time in seconds."""


class Nb101Training(NamedTuple):
    """One training as it was published.

    Attributes:
        hash: The hash of the cell.
        num_epochs: The epochs of the training.
        adjacency: The rows of the adjacency matrix, as digits.
        operations: The operators of all vertices, separated by commas.
        parameters: The number of trainable parameters.
        final: The results at the end.
        halfway: The results after half the epochs.
    """

    hash: str
    num_epochs: int
    adjacency: str
    operations: str
    parameters: int
    final: Results
    halfway: Results


def read_training(record: bytes) -> Nb101Training:
    """Read a record: a JSON array with hash, epochs, adjacency, operators and a ``ModelMetrics`` message in base 64.

    Raises:
        ValueError: It is not such a record.
    """
    try:
        fields = json.loads(record)
    except RecursionError as err:
        raise ValueError("it is nested too deeply") from err
    if type(fields) is not list or [*map(type, fields)] != [str, int, str, str, str]:
        raise ValueError(f"it is {shown(fields)}, expected [hash, epochs, adjacency, operations, metrics]")
    cell_hash, num_epochs, adjacency, operations, encoded = fields
    if num_epochs not in EPOCHS:
        raise ValueError(f"its training has {shown(num_epochs)} epochs, expected one of {', '.join(map(str, EPOCHS))}")
    parameters, halfway, final = _metrics(a2b_base64(encoded), num_epochs)
    return Nb101Training(cell_hash, num_epochs, adjacency, operations, parameters, final, halfway)


def cell_of_published(training: Nb101Training) -> CellGraph:
    """Return the cell of a training.

    Raises:
        ValueError: It is no cell of the space, or the hash is that of another.
    """
    size = math.isqrt(len(training.adjacency))
    operations = training.operations.split(",")
    is_square = size * size == len(training.adjacency) and 2 <= size <= MAX_VERTICES
    if not is_square or len(operations) != size or not set(training.adjacency) <= {"0", "1"}:
        raise ValueError(f"its adjacency is {shown(training.adjacency)} with the operators {shown(operations)}")
    if (operations[0], operations[-1]) != (INPUT, OUTPUT) or not {*operations[1:-1]} <= {*OPERATORS}:
        raise ValueError(f"its operators are {shown(operations)}, expected {INPUT}, some of {OPERATORS}, {OUTPUT}")
    # The column of a vertex, read from below, is the number whose bits are the vertices that it takes.
    columns = [int(training.adjacency[vertex::size][::-1], 2) for vertex in range(size)]
    cell = CellGraph(tuple(columns[1:]), tuple(map(OPERATORS.index, operations[1:-1])))
    if any(taken >> vertex for vertex, taken in enumerate(columns)) or cell.pruned() != cell or size_objection(cell):
        raise ValueError(f"its adjacency {training.adjacency} is no cell of at most 7 vertices and 9 edges")
    if hash_of_cell(cell) != training.hash:
        raise ValueError(f"its hash is {shown(training.hash)}, that of its graph is {hash_of_cell(cell)}")
    return cell


# The usual layout of three evaluations with five numbers each, as the Python library writes it.
_EVALUATION = "2s" + "cd" * 5
_USUAL = struct.Struct("<" + _EVALUATION * 3)
_TAGS = itemgetter(*(first + place for first in (0, 11, 22) for place in (0, 1, 3, 5, 7, 9)))
_USUAL_TAGS = (b"\x0a\x2d", b"\x09", b"\x11", b"\x19", b"\x21", b"\x29") * 3
_HALFWAY = itemgetter(13, 17, 19, 21, 15)  # epoch, three accuracies, time
_FINAL = itemgetter(24, 28, 30, 32, 26)


def _metrics(message: bytes, num_epochs: int) -> tuple[int, Results, Results]:
    """Return the parameters and the results halfway and at the end of a ``ModelMetrics`` message.

    Raises:
        ValueError: The message is damaged, or results are missing or impossible.
    """
    if len(message) > _USUAL.size:
        values = _USUAL.unpack_from(message)
        if _TAGS(values) == _USUAL_TAGS:
            parameters, others = _model_metrics(message[_USUAL.size :])
            if not others:
                return parameters, _results(_HALFWAY(values), num_epochs / 2), _results(_FINAL(values), num_epochs)
    parameters, evaluations = _model_metrics(message)
    if len(evaluations) != 3:
        raise ValueError(f"it has {len(evaluations)} evaluations, expected 3: at the start, halfway and at the end")
    halfway, final = map(_evaluation, evaluations[1:])
    return parameters, _results(halfway, num_epochs / 2), _results(final, num_epochs)


def _model_metrics(message: bytes) -> tuple[int, list[bytes]]:
    """Return the trainable parameters (-1 if they are missing) and the evaluations of a ``ModelMetrics`` message."""
    parameters, evaluations = -1, []
    for number, kind, value in message_fields(message):
        if number == 1 and kind == BYTES and isinstance(value, bytes):
            evaluations.append(value)
        elif number == 2 and kind == VARINT and isinstance(value, int):
            parameters = value
    if not 0 <= parameters < 2**31:
        raise ValueError(f"its trainable_parameters are {parameters}, expected a positive number of 32 bits")
    return parameters, evaluations


def _evaluation(message: bytes) -> tuple[float, ...]:
    """Return epoch, train, validation and test accuracy and time of an ``EvaluationData`` message."""
    found = {number: double_of(kind, value) for number, kind, value in message_fields(message) if number <= 5}
    if missing := [number for number in range(2, 6) if number not in found]:
        raise ValueError(f"an evaluation lacks the fields {missing}")
    return found.get(1, math.nan), found[3], found[4], found[5], found[2]


def _results(values: Sequence[float], epoch: float) -> Results:
    found_epoch, train, valid, test, seconds = values
    if abs(found_epoch - epoch) > 0.5:  # false where the epoch is not given
        raise ValueError(f"an evaluation is at epoch {found_epoch}, expected {epoch}")
    if not (0 <= train <= 1 and 0 <= valid <= 1 and 0 <= test <= 1):
        raise ValueError(f"its accuracies at epoch {epoch} are {(train, valid, test)}, expected 0 to 1")
    if not 0 <= seconds < math.inf:
        raise ValueError(f"its training time is {seconds}, expected seconds")
    return train, valid, test, seconds
