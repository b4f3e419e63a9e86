import random
from dataclasses import replace

import pytest

from retiarii.space import SearchSpace
from retiarii.space.cell_graphs import ValidCell, graph_choices, graph_condition


def cell_space(max_num_nodes, max_num_edges):
    choices = graph_choices("cell/{}".format, ["conv", "pool"], max_num_nodes, max_num_edges)
    named = [replace(choice, condition=graph_condition(choices, name)) for name, choice in choices.items()]
    return SearchSpace(named, [ValidCell("cell", max_num_edges)])


def test_choices_are_active_where_there_are_enough_vertices():
    space = cell_space(4, 6)
    assert {tuple(architecture) for architecture in space.grid()} == {
        ("cell/num_nodes", "cell/input1"),
        ("cell/num_nodes", "cell/input1", "cell/op1", "cell/input2"),
        ("cell/num_nodes", "cell/input1", "cell/op1", "cell/input2", "cell/op2", "cell/input3"),
    }


@pytest.mark.parametrize(("nodes", "edges", "count"), [(2, 1, 1), (3, 9, 1 + 2 * 2), (4, 3, 1 + 2 * 2 + 4 * 1)])
def test_valid_graphs_are_counted_by_hand(nodes, edges, count):
    """Two vertices: one graph. Three: a chain, with or without a skip. Four with three edges: the chain."""
    assert len(list(cell_space(nodes, edges).grid())) == count


def test_a_graph_that_is_not_valid_has_a_reason():
    valid = ValidCell("cell", 3)
    assert valid.objection([(0,), (0, 1), (0, 2)]) == "it has 5 edges, expected at most 3"
    assert valid.objection([(0,), (0,)]) == "no vertex takes the output of vertex 1"
    assert valid.objection([(0,), (1,)]) == ""
    architecture = cell_space(4, 9).sample(random.Random(0))
    assert valid.inputs(architecture) == [
        architecture[f"cell/input{i}"] for i in range(1, architecture["cell/num_nodes"])
    ]
