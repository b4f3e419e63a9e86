"""Records of NAS-Bench-101 in the published format: TFRecord frames, JSON, base 64 and protocol buffers."""

import base64
import json
import random
import struct
from functools import cache

import numpy as np

from retiarii.benchmarks.nasbench101._nb101_cells import CellGraph
from retiarii.benchmarks.nasbench101._nb101_hash import hash_of_cell

OPERATORS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
EPOCHS = (4, 12, 36, 108)


@cache
def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


def crc32c(data):
    """The checksum, one byte after the other."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data, checksum=crc32c):
    """One record of a TFRecord file."""
    head = struct.pack("<Q", len(data))
    sums = [struct.pack("<I", masked(checksum(part))) for part in (head, data)]
    return head + sums[0] + data + sums[1]


def varint(number):
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def evaluation(epoch, seconds, train, valid, test, path=None):
    """An ``EvaluationData`` message."""
    numbers = enumerate((epoch, seconds, train, valid, test), 1)
    message = b"".join(bytes([number << 3 | 1]) + struct.pack("<d", value) for number, value in numbers)
    return message if path is None else message + b"\x32" + varint(len(path)) + path


def metrics(evaluations, parameters):
    """A ``ModelMetrics`` message."""
    message = b"".join(b"\x0a" + varint(len(part)) + part for part in evaluations)
    return message + b"\x10" + varint(parameters) + b"\x19" + struct.pack("<d", 1234.5)


def record(cell_hash, epochs, matrix, operators, message):
    """A record: a JSON array."""
    adjacency = "".join(str(int(value)) for value in np.asarray(matrix).flat)
    fields = [cell_hash, epochs, adjacency, ",".join(operators), base64.b64encode(message).decode()]
    return json.dumps(fields).encode()


def training_of(cell_hash, epochs, matrix, operators, final, *, halfway=None, seconds=100.0, parameters=1_000_000):
    """The record of one training: accuracies are (train, validation, test), from 0 to 1."""
    halfway = halfway or tuple(accuracy / 2 for accuracy in final)
    evaluations = (
        evaluation(0.0, 0.0, 0.1, 0.1, 0.1),
        evaluation(epochs / 2, seconds / 2, *halfway),
        evaluation(float(epochs), seconds, *final),
    )
    return record(cell_hash, epochs, matrix, operators, metrics(evaluations, parameters))


def matrix_of(cell):
    """The adjacency matrix of a cell."""
    size = cell.num_vertices
    return [[int(j > 0 and cell.inputs[j - 1] >> i & 1) for j in range(size)] for i in range(size)]


def operators_of(cell):
    return ["input", *(OPERATORS[op] for op in cell.ops), "output"]


def random_cells(count, seed=0):
    """Different cells of the space, no two isomorphic."""
    draw, found = random.Random(seed), {}
    while len(found) < count:
        last = draw.randint(1, 6)
        ops = tuple(draw.randrange(3) for _ in range(last - 1))
        cell = CellGraph(tuple(draw.randrange(1, 1 << vertex) for vertex in range(1, last + 1)), ops).pruned()
        if cell and cell.num_edges <= 9:
            found.setdefault(hash_of_cell(cell), cell)
    return list(found.values())


def accuracy(number, epochs, seed):
    """A number between 0 and 1 that differs for each cell, number of epochs and seed."""
    return (number * 16 + EPOCHS.index(epochs) * 4 + seed) / 65536


def cell_records(cells, epochs=EPOCHS):
    """Yield the records of cells, with numbers that can be computed by hand."""
    for number, cell in enumerate(cells):
        for count in epochs:
            for seed in range(3):
                value = accuracy(number, count, seed)
                final, half = (value + 0.25, value, value + 0.125), (value + 0.0625, value / 2, value / 4)
                yield training_of(
                    hash_of_cell(cell),
                    count,
                    matrix_of(cell),
                    operators_of(cell),
                    final,
                    halfway=half,
                    seconds=count * 10.0 + seed,
                    parameters=1_000_000 + number,
                )


def write_records(path, records):
    path.write_bytes(b"".join(map(frame, records)))
    return path


def one_shot_records(data, rows, epochs=EPOCHS):
    """Yield the records of cells of ``nb101_1shot1.npz``: accuracies are real, times and parameters are made up.

    The file has no training accuracy either: it is 1 here.
    """
    names = data["op_names"]
    for row in rows:
        size = data["num_vertices"][row]
        matrix = data["adjacency"][row, :size, :size]
        operators = [str(names[op]) for op in data["ops"][row, :size]]
        for place, count in enumerate(data["epochs"]):
            for seed in range(3):
                if count in epochs:
                    valid, test = float(data["valid"][row, place, seed]), float(data["test"][row, place, seed])
                    seconds = 15.0 * int(count) + seed
                    parameters = 1_000_000 + int(row)
                    cell_hash = data["hash"][row].decode()
                    final = (1.0, valid, test)
                    yield training_of(
                        cell_hash, int(count), matrix, operators, final, seconds=seconds, parameters=parameters
                    )
