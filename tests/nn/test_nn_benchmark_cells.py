"""`NasBench101Cell`, `NasBench201Cell` and `AutoActivation`: sizes as in the papers, and networks that compute."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import random

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, DomainError, SupernetError
from retiarii.graph import GraphEngine, Mutator
from retiarii.nn.pytorch._primitives.nas_bench_101 import vertex_features
from retiarii.oneshot import DARTS, RandomOneShot, build_supernet, subnet
from retiarii.strategy import GridSearch, Random, RegularizedEvolution

OPS = {
    "conv3": lambda size: nn.Conv1d(size, size, 3, padding=1),
    "conv1": lambda size: nn.Conv1d(size, size, 1),
    "pool": lambda size: nn.MaxPool1d(3, 1, 1),
}
EDGES = {
    "none": lambda i, o: nn.Conv1d(i, o, 1, bias=False),
    "skip": lambda i, o: nn.Conv1d(i, o, 1),
    "conv1": lambda i, o: nn.Conv1d(i, o, 1, groups=1),
    "conv3": lambda i, o: nn.Conv1d(i, o, 3, padding=1),
    "pool": lambda i, o: nn.Sequential(nn.Conv1d(i, o, 1), nn.AvgPool1d(3, 1, 1)),
}


def project(i, o):
    return nn.Conv1d(i, o, 1)


def cell_101(nodes=7, edges=9, ops=OPS, features=8):
    return nn.NasBench101Cell(ops, 3, features, project, nodes, edges, label="cell")


# NAS-Bench-101.


def graphs(nodes, edges):
    """Count the valid labelled graphs with this many vertices or fewer, by trying every matrix."""
    count = 0
    for size in range(2, nodes + 1):
        pairs = list(itertools.combinations(range(size), 2))
        for flags in itertools.product([False, True], repeat=len(pairs)):
            chosen = [pair for pair, flag in zip(pairs, flags, strict=True) if flag]
            sources, targets = {pair[0] for pair in chosen}, {pair[1] for pair in chosen}
            if len(chosen) <= edges and len(sources) == size - 1 and len(targets) == size - 1:
                count += len(OPS) ** (size - 2)
    return count


@pytest.mark.parametrize(("nodes", "edges"), [(2, 9), (3, 9), (4, 4), (4, 9), (5, 9), (5, 6)])
def test_101_has_every_valid_graph_once(nodes, edges):
    space = nn.extract_space(cell_101(nodes, edges))
    architectures = list(space.grid())
    assert len(set(architectures)) == len(architectures) == graphs(nodes, edges)


def test_101_unconstrained_size_is_exact():
    subsets = [2**i - 1 for i in range(7)]
    expected = sum(3 ** (n - 2) * math.prod(subsets[1:n]) for n in range(2, 8))
    assert nn.extract_space(cell_101()).size == expected


def degree(architecture):
    return sum(len(value) for label, value in architecture.items() if "/input" in label)


@pytest.mark.parametrize("strategy", [Random, RegularizedEvolution, GridSearch])
def test_101_strategies_keep_to_the_edges(strategy):
    space = nn.extract_space(cell_101())
    search = strategy().search(space, seed=0)
    for number in range(60):
        (proposal,) = search.ask(1)
        assert degree(proposal.architecture) <= 9
        assert space.satisfies(proposal.architecture)
        search.tell_metric(proposal, float(number))


def reference(cell, x):
    """Compute a cell by its definition, from its modules."""
    vertices = [None]
    for vertex, op in enumerate(cell.ops, 1):
        total = 0
        for source in cell.inputs[vertex - 1]:
            value = cell.projections[str(vertex)](x) if source == 0 else vertices[source]
            total = total + value[:, : cell.features[vertex - 1]]
        vertices.append(op(total))
    output = torch.cat([vertices[s] for s in cell.inputs[-1] if s] or [x[:, :0]], 1)
    if 0 in cell.inputs[-1]:
        projected = cell.projections[str(len(cell.inputs))](x)
        output = output + projected if output.shape[1] else projected
    return output


def test_101_samples_build_and_compute():
    base = cell_101(features=11)
    space = nn.extract_space(base)
    x = torch.randn(2, 3, 5)
    assert base(x).shape == (2, 11, 5)
    for seed in range(25):
        architecture = space.sample(random.Random(seed))
        frozen = nn.freeze(base, architecture)
        assert frozen(x).shape == (2, 11, 5)
        assert torch.equal(frozen(x), reference(frozen, x))
        with nn.fixed_arch(architecture, verbose=False):
            built = torch.nn.Sequential(cell_101(features=11))
        assert [(n, p.shape) for n, p in built[0].named_parameters()] == [
            (n, p.shape) for n, p in frozen.named_parameters()
        ]
        assert not any(isinstance(module, nn.Mutable) for module in frozen.modules())
        pickle.loads(pickle.dumps(frozen))


def test_101_features_are_divided_and_passed_on():
    assert vertex_features(8, [(0,)]) == [8]
    assert vertex_features(7, [(0,), (0,), (0,), (1, 2, 3)]) == [3, 2, 2, 7]
    assert vertex_features(7, [(0,), (1,), (2,)]) == [7, 7, 7]
    assert vertex_features(6, [(0,), (1,), (1,), (0, 2, 3)]) == [3, 3, 3, 6]


CHAIN = {
    "cell/num_nodes": 4, "cell/op1": "conv3", "cell/op2": "pool",
    "cell/input1": [0], "cell/input2": [0, 1], "cell/input3": [0, 2],
}  # fmt: skip


def test_101_by_hand():
    cell = nn.ChosenNasBench101Cell([4, 8], [(0,), (0, 1)])
    cell.projections.update({"1": project(3, 4), "2": project(3, 8)})
    cell.ops.append(nn.Conv1d(4, 8, 1))
    x = torch.randn(2, 3, 5)
    expected = cell.ops[0](cell.projections["1"](x)) + cell.projections["2"](x)
    assert torch.equal(cell(x), expected)


def test_101_under_the_graph_engine():
    base = torch.nn.Sequential(cell_101())
    network = GraphEngine(base).build(nn.extract_space(base).architecture(CHAIN))
    frozen = nn.freeze(base, CHAIN)
    frozen.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 5)
    assert torch.equal(network(x), frozen(x))


def test_101_refuses_graphs_that_are_not_valid():
    with pytest.raises(ArchitectureError, match="vertex 2"):
        nn.freeze(cell_101(), {**CHAIN, "cell/input3": [1]})
    with pytest.raises(ArchitectureError, match="5 edges, expected at most 4"):
        nn.freeze(cell_101(edges=4), CHAIN)
    with pytest.raises(ArchitectureError, match="out_features=1"):
        nn.freeze(cell_101(features=1), {
            "cell/num_nodes": 4, "cell/op1": 0, "cell/op2": 0,
            "cell/input1": [0], "cell/input2": [0], "cell/input3": [1, 2],
        })  # fmt: skip


def test_101_constraints_hold_where_the_cell_is_not_active():
    base = torch.nn.Sequential(nn.LayerChoice({"cell": cell_101(4, 4), "conv": project(3, 8)}, label="op"))
    space = nn.extract_space(base)
    assert nn.extract_space(copy.deepcopy(base)) == space
    assert len(list(space.grid())) == graphs(4, 4) + 1
    two = torch.nn.Sequential(cell_101(), torch.nn.Conv1d(8, 3, 1), cell_101())
    assert len(nn.extract_space(two).constraints) == 1  # one cell, twice
    unlabelled = [nn.NasBench101Cell(OPS, 3, 4, project, 4, 4) for _ in range(2)]
    assert len(set(nn.extract_space(torch.nn.Sequential(*unlabelled)).constraints)) == 2


def test_101_features_may_be_choices():
    base = torch.nn.Sequential(nn.NasBench101Cell(OPS, 3, nn.ValueChoice([4, 8], label="width"), project, label="cell"))
    assert nn.freeze(base, {**CHAIN, "width": 8})(torch.zeros(1, 3, 5)).shape == (1, 8, 5)
    assert nn.freeze(base, {"width": 8, "cell/num_nodes": 2, "cell/input1": 0})(torch.zeros(1, 3, 5)).shape[1] == 8


def test_101_weights_of_the_base_model_stay_where_they_fit():
    base = torch.nn.Sequential(cell_101())
    frozen = nn.freeze(base, nn.extract_space(base).default())
    with nn.original_state_dict_hooks(frozen):
        assert frozen.load_state_dict(base.state_dict()).missing_keys == []
    x = torch.randn(1, 3, 5)
    assert torch.equal(frozen(x), base(x))


@pytest.mark.parametrize("strategy", [DARTS(), RandomOneShot()])
def test_101_is_refused_by_one_shot_strategies_by_name(strategy):
    with pytest.raises(SupernetError, match="NasBench101Cell"):
        strategy.search(torch.nn.Sequential(cell_101()), seed=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: cell_101(nodes=1),
        lambda: cell_101(edges=0),
        lambda: cell_101(ops=[nn.ReLU()]),
        lambda: cell_101(ops=[lambda n: 3]),
        lambda: cell_101(ops=[lambda n: nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="x")]),
        lambda: cell_101(ops=[]),
        lambda: nn.NasBench201Cell(EDGES, 1, 1, 1),
        lambda: nn.AutoActivation(0),
    ],
)
def test_impossible_arguments(make):
    with pytest.raises(DomainError):
        make()


# NAS-Bench-201.


class Net201(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.NasBench201Cell(EDGES, 3, 4, label="cell")

    def forward(self, x):
        return self.cell(x)


def test_201_has_the_size_of_the_paper():
    space = nn.extract_space(Net201())
    assert space.size == 5**6 == 15625
    assert {choice.label for choice in space} == {f"cell/{i}_{j}" for i, j in itertools.combinations(range(4), 2)}
    assert nn.extract_space(nn.NasBench201Cell(list(EDGES.values()), 3, 4, 3)).size == 5**3


def test_201_computes_the_sum_of_all_earlier_tensors():
    frozen = nn.freeze(Net201(), nn.extract_space(Net201()).sample(random.Random(0)))
    x = torch.randn(2, 3, 5)
    tensors = [x]
    for edges in frozen.cell.layers:
        tensors.append(sum(edge(tensor) for edge, tensor in zip(edges, tensors, strict=True)))
    torch.testing.assert_close(frozen(x), tensors[-1])
    assert frozen(x).shape == (2, 4, 5)


def test_201_under_graphs_and_one_shot():
    architecture = nn.extract_space(Net201()).sample(random.Random(1))
    x = torch.randn(2, 3, 5)
    network = GraphEngine(Net201()).build(architecture)
    frozen = nn.freeze(Net201(), architecture)
    frozen.load_state_dict(network.state_dict())
    assert torch.equal(network(x), frozen(x))
    supernet = build_supernet(Net201())
    supernet.set_architecture(architecture)
    assert torch.equal(supernet(x), subnet(supernet, architecture)(x))


# AutoActivation.


@pytest.mark.parametrize(("units", "size"), [(1, 25 * 25 * 10), (2, (25 * 25 * 10) ** 2)])
def test_activations_of_the_paper(units, size):
    assert nn.extract_space(nn.AutoActivation(units)).size == size


def test_every_function_is_finite_and_has_a_gradient():
    activation = nn.AutoActivation(label="act")
    for name in activation.unaries[0].names:
        x = torch.linspace(-2, 2, 9).requires_grad_()
        activation.unaries[0][name](x).sum().backward()
        assert x.grad.isfinite().all(), name
    for name in activation.binaries[0].names:
        x = torch.linspace(-2, 2, 9).requires_grad_()
        activation.binaries[0][name](x, x * 0.5 + 0.3).sum().backward()
        assert x.grad.isfinite().all(), name


def test_swish_can_be_found():
    chosen = {"act/unary_0": "scaled", "act/unary_1": "identity", "act/binary_0": "gate"}
    base = torch.nn.Sequential(nn.AutoActivation(label="act"))
    x = torch.randn(7)
    for model in (nn.freeze(base, chosen), GraphEngine(base).build(nn.extract_space(base).architecture(chosen))):
        torch.testing.assert_close(model(x), torch.nn.functional.silu(x))
    supernet = build_supernet(base)
    supernet.set_architecture(nn.extract_space(base).architecture(chosen))
    torch.testing.assert_close(supernet(x), torch.nn.functional.silu(x))
    two = nn.freeze(nn.AutoActivation(2, "act"), {
        **chosen, "act/unary_2": "negative", "act/unary_3": "square", "act/binary_1": "add",
    })  # fmt: skip
    torch.testing.assert_close(two(x), x * x - torch.nn.functional.silu(x))


def test_constraints_reach_spaces_of_mutators():
    class Doubling(Mutator):
        def mutate(self, model):
            if self.choice([False, True]):
                self.choice([1, 2])

    engine = GraphEngine(torch.nn.Sequential(cell_101(4, 4)), [Doubling(label="m")])
    assert len(engine.space.constraints) == 1
    for seed in range(20):
        assert engine.space.satisfies(engine.space.sample(random.Random(seed)))
