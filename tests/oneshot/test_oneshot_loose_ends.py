"""Cells that join only their loose ends: mixtures are the expectation over what is loose."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from oneshot_tools import mix_at_random

import retiarii.nn.pytorch as nn
from retiarii.oneshot import DARTS, PCDARTS, DrNAS, GumbelDARTS, Proxyless, SearchLoop, SupernetError, build_supernet
from retiarii.testing.networks import assert_path_equals_subnet

CHANNELS = 2


def conv(*place):
    return nn.Conv2d(CHANNELS, CHANNELS, 1)


def cell(num_nodes=3, ops_per_node=2, factories=True):
    candidates = [conv, lambda *place: nn.Tanh()] if factories else [conv(), nn.Tanh()]
    return nn.Cell(candidates, num_nodes, ops_per_node, 2, merge_op="loose_end", label="c")


def inputs():
    torch.manual_seed(1)
    return [torch.randn(2, CHANNELS, 2, 2) for _ in range(2)]


def loose_nodes(architecture, num_nodes, ops_per_node):
    taken = {architecture[f"c/input_{node}_{op}"] for node in range(2, 2 + num_nodes) for op in range(ops_per_node)}
    return [node for node in range(2, 2 + num_nodes) if node not in taken]


@pytest.mark.parametrize("factories", [True, False])
def test_all_weight_on_one_architecture_is_its_path_with_zeros_for_nodes_that_are_taken(factories):
    torch.manual_seed(0)
    supernet = build_supernet(cell(factories=factories))
    joined = set()
    for seed in range(8):
        architecture = supernet.space.sample(random.Random(seed))
        supernet.set_architecture(architecture)
        path = supernet(inputs())
        for decision in supernet.decisions.values():
            decision.mix(torch.eye(len(decision.values))[decision.index])
        mixture = supernet(inputs())
        assert mixture.shape[1] == 3 * CHANNELS
        parts = mixture.split(CHANNELS, dim=1)
        loose = loose_nodes(architecture, 3, 2)
        joined.add(len(loose))
        torch.testing.assert_close(torch.cat([parts[node - 2] for node in loose], dim=1), path)
        assert all(not parts[node - 2].any() for node in range(2, 5) if node not in loose)
        assert_path_equals_subnet(supernet, architecture, inputs())
    assert len(joined) > 1


def test_a_mixture_of_inputs_is_the_expectation_over_all_paths():
    """Exact where operations are linear, since a node does not depend on what later nodes take."""
    torch.manual_seed(0)
    linear = [lambda *place: nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False), lambda *place: nn.Identity()]
    supernet = build_supernet(nn.Cell(linear, 2, 1, 2, merge_op="loose_end", label="c").double())
    x = [value.double() for value in inputs()]
    shares = {label: share.detach() for label, share in mix_at_random(supernet).items()}
    output = supernet(x)
    expected = torch.zeros_like(output)
    labels = list(supernet.decisions)
    for values in itertools.product(*(supernet.decisions[label].values for label in labels)):
        architecture = dict(zip(labels, values, strict=True))
        share = 1.0
        for label, value in architecture.items():
            share = share * shares[label][supernet.decisions[label].values.index(value)]
        supernet.set_architecture(architecture)
        parts = supernet(x).split(CHANNELS, dim=1)
        for node, part in zip(loose_nodes(architecture, 2, 1), parts, strict=True):
            expected[:, (node - 2) * CHANNELS : (node - 1) * CHANNELS] += share * part
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize(
    "strategy", [DARTS(), DARTS(unrolled=True), GumbelDARTS(), Proxyless(), DrNAS(), PCDARTS(channel_share=2)], ids=repr
)
def test_strategies_that_learn_by_gradients_search_cells_of_loose_ends(strategy):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell()

        def forward(self, x):
            return self.cell([x, x]).mean((2, 3)).sum(1)  # whatever number of nodes

    torch.manual_seed(0)
    search = strategy.search(Net())
    before = search.probabilities()
    batches = [torch.randn(2, CHANNELS, 2, 2) for _ in range(20)]
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.01)
    SearchLoop(search, lambda network, x: network(x).square().mean(), optimizer).run(batches, batches, 1)
    after = search.probabilities()
    assert all(after[f"c/{kind}_3_0"] != before[f"c/{kind}_3_0"] for kind in ("op", "input"))
    search.supernet.set_architecture(search.export())
    search.supernet(batches[0])


def test_layers_that_are_built_to_the_number_of_loose_ends_are_refused():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell()
            self.head = nn.Conv2d(CHANNELS * len(self.cell.output_node_indices), 1, 1)

    with pytest.raises(SupernetError, match=r"'cell' is a cell with merge_op='loose_end'.*output_node_indices"):
        DARTS().search(Net())


def test_operations_for_other_inputs_have_the_type_and_mode_of_the_others():
    def reduce(node, op, source):
        return nn.Conv2d(CHANNELS, CHANNELS, 1) if source else nn.Identity()

    for candidates in ([conv], [conv, reduce]):
        model = nn.Cell(candidates, 2, 1, 2, label="c").to(torch.float64).eval()
        supernet = build_supernet(model)
        assert {weight.dtype for weight in supernet.parameters()} == {torch.float64}
        assert not any(module.training for module in supernet.module.modules())
        assert supernet([x.double() for x in inputs()]).dtype == torch.float64
