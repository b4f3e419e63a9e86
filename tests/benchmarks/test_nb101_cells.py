import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.benchmarks.nasbench101._nb101_cells import (
    CellGraph,
    arch_of_cell,
    cell_in_space,
    cell_of_arch,
    cell_of_code,
)
from retiarii.benchmarks.nasbench101._nb101_hash import hash_of_cell
from retiarii.errors import ArchitectureError

CONV, CONV1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"


def published_cell(data, row):
    size = int(data["num_vertices"][row])
    matrix = data["adjacency"][row]
    inputs = (sum(int(matrix[source, vertex]) << source for source in range(vertex)) for vertex in range(1, size))
    return CellGraph(tuple(inputs), tuple(int(op) - 1 for op in data["ops"][row, 1 : size - 1]))


def check_hashes(data, rows):
    for row in rows:
        cell = published_cell(data, row)
        assert hash_of_cell(cell) == data["hash"][row].decode()
        assert cell.pruned() == cell == cell_of_code(cell.code()) == cell_in_space(arch_of_cell(cell))


def test_hashes_are_the_published_ones(shared_data):
    check_hashes(dict(np.load(shared_data / "nb101_1shot1.npz")), range(0, 23_142, 23))


@pytest.mark.slow
def test_all_hashes_of_the_subset_are_the_published_ones(shared_data):
    check_hashes(dict(np.load(shared_data / "nb101_1shot1.npz")), range(23_142))


@st.composite
def cells(draw, max_vertices=7):
    last = draw(st.integers(1, max_vertices - 1))
    inputs = tuple(draw(st.integers(1, (1 << vertex) - 1)) for vertex in range(1, last + 1))
    return CellGraph(inputs, tuple(draw(st.integers(0, 2)) for _ in range(last - 1)))


def renumbered(cell, order):
    """The cell whose vertex ``i`` is the vertex ``order[i]``; None if an edge then leads backwards."""
    new = {old: number for number, old in enumerate(order)}
    masks = [0] * len(cell.inputs)
    for vertex, sources in enumerate(cell.inputs, 1):
        for source in range(vertex):
            if sources >> source & 1:
                if new[source] >= new[vertex]:
                    return None
                masks[new[vertex] - 1] |= 1 << new[source]
    return CellGraph(tuple(masks), tuple(cell.ops[old - 1] for old in order[1:-1]))


def numberings(cell):
    last = len(cell.inputs)
    orders = ((0, *inner, last) for inner in itertools.permutations(range(1, last)))
    return {found for order in orders if (found := renumbered(cell, order)) is not None}


@settings(max_examples=60, deadline=None)
@given(cells())
def test_every_numbering_of_the_vertices_has_the_same_hash(cell):
    assert {hash_of_cell(other) for other in numberings(cell)} == {hash_of_cell(cell)}


@settings(max_examples=200, deadline=None)
@given(cells(max_vertices=4), cells(max_vertices=4))
def test_hashes_are_equal_exactly_for_isomorphic_graphs(first, second):
    assert (hash_of_cell(first) == hash_of_cell(second)) == (second in numberings(first))


def test_no_two_small_cells_share_a_hash_unless_they_are_isomorphic():
    """Brute force over all graphs of four vertices with all operators."""
    masks = itertools.product(range(1, 2), range(1, 4), range(1, 8))
    graphs = [CellGraph(inputs, ops) for inputs in masks for ops in itertools.product(range(3), repeat=2)]
    by_hash = {}
    for cell in graphs:
        by_hash.setdefault(hash_of_cell(cell), set()).add(cell)
    for alike in by_hash.values():
        cell = next(iter(alike))
        assert alike <= numberings(cell)
    assert sum(map(len, by_hash.values())) == len(graphs)


@settings(max_examples=60, deadline=None)
@given(cells())
def test_a_cell_as_dict_and_as_code_is_the_same_cell(cell):
    assert cell_of_arch(arch_of_cell(cell)) == cell == cell_of_code(cell.code())


def test_vertices_on_no_path_from_input_to_output_are_removed():
    arch = {
        "op1": CONV,
        "op2": POOL,  # leads nowhere
        "op3": CONV1,  # takes nothing
        "op4": CONV1,
        "input1": [0],
        "input2": [0, 1],
        "input3": [],
        "input4": [1, 3],
        "input5": [0, 4],
    }
    expected = {"op1": CONV, "op2": CONV1, "input1": [0], "input2": [1], "input3": [0, 2]}
    assert arch_of_cell(cell_in_space(arch)) == expected


def test_numbers_of_numpy_tuples_and_any_order_are_inputs():
    arch = {"op1": CONV, "input1": (np.int64(0),), "input2": np.array([1, 0])}
    assert arch_of_cell(cell_of_arch(arch)) == {"op1": CONV, "input1": [0], "input2": [0, 1]}


TWO = {"op1": CONV, "input1": [0], "input2": [0, 1]}


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ({**TWO, "op1": "conv3x3"}, r"op1 is 'conv3x3', expected one of .*Did you mean 'conv3x3-bn-relu'"),
        ({**TWO, "op1": "input"}, "op1 is 'input', expected one of"),
        ({**TWO, "op1": [CONV]}, r"op1 is \['conv3x3-bn-relu'\], expected one of"),
        ({**TWO, "input2": [0, 2]}, r"input2 is \[0, 2\], expected a list of different vertices before vertex 2"),
        ({**TWO, "input2": [1, 1]}, r"input2 is \[1, 1\]"),
        ({**TWO, "input2": [-1]}, r"input2 is \[-1\]"),
        ({**TWO, "input2": [2**64]}, r"input2 is \[18446744073709551616\]"),
        ({**TWO, "input2": [True]}, r"input2 is \[True\]"),
        ({**TWO, "input1": 0}, "input1 is 0"),
        ({**TWO, "op2": CONV}, "has the key 'op2'"),
        ({**TWO, "input4": [0]}, "lacks|has the key"),
        ({"input2": [0]}, "has the key 'input2'"),
        ({}, "lacks 'input1'"),
        ([[0, 1], [0, 0]], "expected a dict with op1, op2"),
        ({**TWO, "input2": []}, "output of the cell does not depend on its input"),
        ({"op1": CONV, "input1": [], "input2": [1]}, "output of the cell does not depend on its input"),
        (
            {**{f"op{i}": CONV for i in range(1, 7)}, **{f"input{i}": [i - 1] for i in range(1, 8)}},
            "it has 8 vertices, expected at most 7",
        ),
        (
            {**{f"op{i}": CONV for i in range(1, 4)}, **{f"input{i}": list(range(i)) for i in range(1, 5)}},
            "it has 10 edges, expected at most 9",
        ),
    ],
)
def test_what_is_no_cell_is_named(arch, message):
    with pytest.raises(ArchitectureError, match=message):
        cell_in_space(arch)
