"""The spaces of cells: conformance, sizes, and parameters of published networks."""

import copy
import math

import numpy as np
import pytest
import torch

from retiarii.errors import ConfigError, SupernetError
from retiarii.graph import export_code
from retiarii.hub.pytorch import (
    DARTS,
    ENAS,
    NDS,
    PNAS,
    AmoebaNet,
    DropPath,
    NasBench101,
    NasBench201,
    NASNet,
    StackedCells,
    set_drop_path_prob,
)
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.nn.pytorch.engine import count_params
from retiarii.oneshot import build_supernet
from retiarii.testing.hub_spaces import HubSpaceConformance
from retiarii.testing.networks import assert_same_outputs, executed, shapes_of

NO_STRATEGY = ()  # one-shot strategies refuse it
FEW = ("RandomOneShot",)


class OfSmallImages(HubSpaceConformance):
    @pytest.fixture
    def inputs(self):
        torch.manual_seed(0)
        return (torch.randn(2, 3, 8, 8),)


class TestNasBench201(OfSmallImages):
    row = "`NasBench201`"

    @pytest.fixture
    def model(self):
        return NasBench201(stem_out_channels=4, num_modules_per_stack=1)


class TestNasBench101(OfSmallImages):
    row = "`NasBench101`"
    strategies = NO_STRATEGY

    @pytest.fixture
    def model(self):
        return NasBench101(stem_out_channels=8, num_stacks=2, num_modules_per_stack=1)


class TestDARTS(OfSmallImages):
    tried = FEW

    @pytest.fixture
    def model(self):
        return DARTS(width=4, num_cells=3)


@pytest.mark.slow
class TestDARTSUnderEveryStrategy(TestDARTS):
    row = "`DARTS`, `PNAS`"
    tried = HubSpaceConformance.tried


@pytest.mark.slow
class TestDARTSOfSeveralWidthsAndDepths(OfSmallImages):
    row = "`NASNet` to `DARTS` with several numbers for `num_cells`"
    strategies, tried = NO_STRATEGY, FEW

    @pytest.fixture
    def model(self):
        return DARTS(width=(2, 4), num_cells=(3, 4))


@pytest.mark.slow
class TestPNAS(OfSmallImages):
    row = "`DARTS`, `PNAS`"

    @pytest.fixture
    def model(self):
        return PNAS(width=4, num_cells=3)


@pytest.mark.slow
class TestENAS(OfSmallImages):
    row = "`NASNet`, `ENAS`, `AmoebaNet`"
    strategies, tried = NO_STRATEGY, FEW

    @pytest.fixture
    def model(self):
        return ENAS(width=4, num_cells=3)


@pytest.mark.slow
class TestENASWithAllNodesJoined(OfSmallImages):
    row = '`NASNet`, `ENAS`, `AmoebaNet` with `merge_op="all"`'

    @pytest.fixture
    def model(self):
        return ENAS(width=4, num_cells=3, merge_op="all")


@pytest.mark.slow
class TestNASNet(OfSmallImages):
    row = "`NASNet`, `ENAS`, `AmoebaNet`"
    strategies = NO_STRATEGY

    @pytest.fixture
    def model(self):
        return NASNet(width=4, num_cells=3)


@pytest.mark.slow
class TestAmoebaNet(OfSmallImages):
    row = "`NASNet`, `ENAS`, `AmoebaNet`"
    strategies = NO_STRATEGY

    @pytest.fixture
    def model(self):
        return AmoebaNet(width=4, num_cells=3)


# Sizes


def cells(num_nodes, num_operations):
    """Return how many cells there are: both operations of a node take any earlier node or input of the cell."""
    inputs = math.prod(range(2, num_nodes + 2))
    return inputs**2 * num_operations ** (2 * num_nodes)


def test_nas_bench_201_has_15625_architectures():
    assert NasBench201(4, 1).size == 5**6 == 15_625


def test_a_cell_of_pnas_has_the_number_of_its_paper():
    assert cells(5, 8) == pytest.approx(5.6e14, rel=0.01)
    assert PNAS(4, 3).size == cells(5, 8) ** 2


def test_darts_counts_more_than_its_paper_which_does_not_order_inputs():
    assert DARTS(4, 3).size == cells(4, 7) ** 2
    of_the_paper = math.prod(k * (k - 1) // 2 * 7**2 for k in range(2, 6))
    assert of_the_paper == pytest.approx(1e9, rel=0.05)
    assert DARTS((4, 8), (3, 4, 5)).size == DARTS(4, 3).size * 2 * 3


@pytest.mark.parametrize(
    ("space", "num_operations"),
    [(ENAS, 5), *(pytest.param(*case, marks=pytest.mark.slow) for case in [(NASNet, 13), (AmoebaNet, 8)])],
)
def test_spaces_of_the_family_have_the_size_of_their_cells(space, num_operations):
    assert space(4, 3).size == cells(5, num_operations) ** 2


def test_nas_bench_101_counts_valid_graphs():
    space = NasBench101(8, 1, 1, max_num_vertices=4, max_num_edges=5)
    assert space.size == sum(1 for _ in extract_space(space).grid())
    assert NasBench101(8, 1, 1).size == 1_293_208
    assert NasBench101.load_searched_model("inception-like", stem_out_channels=8, num_stacks=1).size == 1


# Published networks


def published_params(space, name, **options):
    return count_params(space.load_searched_model(name, **options))


def test_darts_v2_has_the_parameters_of_its_paper():
    assert published_params(DARTS, "darts-v2") == 3_349_342  # 3.3 M in table 1 of the paper
    assert published_params(DARTS, "darts-v2", width=48, num_cells=14, dataset="imagenet") == 4_718_752  # 4.7 M


def test_p_darts_has_the_parameters_that_its_users_count():
    """https://github.com/chenxin061/pdarts/issues/7: 3,433,798, and 3,910,224 with the auxiliary head."""
    network = DARTS.load_searched_model("p-darts", auxiliary_loss=True)
    assert count_params(network) == 3_910_224
    assert count_params(network) - count_params(network.auxiliary_head) == 3_433_798


def test_pnasnet_5_has_the_parameters_of_its_paper():
    assert published_params(PNAS, "pnasnet-5") == 3_176_602  # 3.2 M in the paper


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "name", "expected"),
    [
        (DARTS, "darts-v1", 3_169_414),
        (NASNet, "nasnet-a", 3_061_738),
        (ENAS, "enas-micro", 3_729_430),
        (AmoebaNet, "amoebanet-a", 3_145_078),
    ],
)
def test_published_networks_have_as_many_parameters_as_the_documentation_says(space, name, expected):
    assert published_params(space, name) == expected


def test_the_example_of_nas_bench_101_has_the_parameters_of_its_documentation():
    """The README of google-research/nasbench prints trainable_parameters: 2694282."""
    assert published_params(NasBench101, "inception-like") == 2_694_282


def test_a_published_architecture_goes_into_a_smaller_network_of_the_space():
    network = freeze(DARTS(width=(4, 8), num_cells=(3, 6)), {**DARTS.published("darts-v2"), "width": 8, "depth": 6})
    expected = DARTS.load_searched_model("darts-v2", width=8, num_cells=6)
    assert shapes_of(network) == shapes_of(expected)


def test_names_that_are_not_published_and_weights_are_refused():
    with pytest.raises(ConfigError, match=r"'darts-v3'.*Did you mean"):
        DARTS.published("darts-v3")
    with pytest.raises(ConfigError, match="no trained weights"):
        DARTS.load_searched_model("darts-v2", pretrained=True, width=4, num_cells=3)
    with pytest.raises(ConfigError, match="'cifar' or 'imagenet'"):
        DARTS(dataset="mnist")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_cells": 0}, "DARTS got num_cells=0, expected one or several positive integers"),
        ({"num_cells": (3, -3)}, r"num_cells=\(3, -3\)"),
        ({"width": 4.5}, "width=4.5"),
        ({"width": (4, 5), "dataset": "imagenet"}, r"width=\(4, 5\), expected one or several positive even numbers"),
        ({"drop_path_prob": 1.0}, "probability of DropPath is 1.0"),
        ({"drop_path_prob": -0.1}, "probability of DropPath is -0.1"),
    ],
)
def test_sizes_and_probabilities_that_no_network_can_have_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DARTS(**{"width": 4, "num_cells": 3, **arguments})


def test_sizes_may_be_integers_of_numpy():
    network = NDS(["none"], num_nodes_per_cell=1, width=np.int64(4), num_cells=np.array([3]))
    assert network.stem[0].out_channels == 2
    assert len(network.cells) == 3


def test_nodes_that_no_node_takes_are_joined_and_one_shot_strategies_refuse_this():
    space = ENAS(width=4, num_cells=3)
    architecture = ENAS.published("enas-micro")
    network = freeze(space, architecture)
    assert network.cells[0].output_node_indices == [2, 3, 4, 5, 6]
    assert network.cells[1].output_node_indices == [2, 4, 5, 6]
    assert network.classifier.in_features == 4 * 4 * 4
    assert shapes_of(network) == shapes_of(ENAS.load_searched_model("enas-micro", width=4, num_cells=3))
    with pytest.raises(SupernetError, match="merge_op='all'"):
        build_supernet(space)


# Networks of stacked cells


def small(**options):
    return DARTS.load_searched_model("darts-v2", **{"width": 4, "num_cells": 3, **options})


@pytest.mark.parametrize("num_cells", [3, 4, 5, 8])
def test_networks_of_every_depth_run(num_cells):
    assert small(num_cells=num_cells).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_networks_for_imagenet_are_32_times_smaller_inside():
    network = small(dataset="imagenet")
    sizes = []
    network.global_pooling.register_forward_hook(lambda module, inputs, output: sizes.append(inputs[0].shape[-2:]))
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
    assert sizes == [(2, 2)]


@pytest.mark.parametrize(("dataset", "size"), [("cifar", 32), ("imagenet", 224)])
def test_the_auxiliary_head_gives_logits_in_training_only(dataset, size):
    network = small(auxiliary_loss=True, dataset=dataset, num_labels=7)
    images = torch.zeros(2, 3, size, size)
    assert [logits.shape for logits in network.train()(images)] == [(2, 7), (2, 7)]
    logits = network.eval()(images)
    assert logits.shape == (2, 7)
    without = small(dataset=dataset, num_labels=7).eval()
    assert not without.load_state_dict(network.state_dict(), strict=False).missing_keys
    torch.testing.assert_close(without(images), logits)


def test_operations_and_nodes_of_a_cell_can_be_other_than_the_papers():
    operations = ["none", "sep_conv_3x3", "avg_pool_5x5"]
    space = NDS(operations, num_nodes_per_cell=2, width=4, num_cells=3, dataset="cifar", num_labels=3)
    assert space.size == cells(2, 3) ** 2
    assert extract_space(space) == extract_space(DARTS(4, 3, operations=operations, num_nodes=2))
    for operation in operations:
        architecture = {choice.label: operation if "/op_" in choice.label else 1 for choice in extract_space(space)}
        assert freeze(space, architecture).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    with pytest.raises(ConfigError, match=r"'sep_conv_3x4'.*Did you mean 'sep_conv_3x3'"):
        NDS(["sep_conv_3x4"])


def test_drop_path_leaves_out_samples_in_training_only():
    torch.manual_seed(0)
    path, x = DropPath(0.5), torch.ones(400, 2, 1, 1)
    dropped = path(x)
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    assert 0.3 < (dropped == 0).float().mean() < 0.7
    assert torch.equal(path.eval()(x), x)


def test_networks_with_drop_path_are_exported_as_code():
    operations = ["avg_pool_3x3", "max_pool_3x3"]
    space = NDS(operations, num_nodes_per_cell=1, width=4, num_cells=3, dataset="cifar", drop_path_prob=0.2)
    architecture = extract_space(space).default()
    exported, network = executed(export_code(space, architecture)).eval(), freeze(space, architecture).eval()
    exported.load_state_dict(network.state_dict())
    assert_same_outputs(exported, network, (torch.randn(1, 3, 8, 8),))


def test_the_probability_of_drop_path_can_be_scheduled():
    network = small(drop_path_prob=0.2)
    assert isinstance(network, StackedCells)
    paths = [module for module in network.modules() if isinstance(module, DropPath)]
    assert paths
    assert not any(isinstance(module, DropPath) for module in small().modules())
    network.set_drop_path_prob(0.3)
    assert {path.drop_prob for path in paths} == {0.3}
    with pytest.raises(ValueError, match=r"1\.0, expected at least 0 and less than 1"):
        network.set_drop_path_prob(1.0)
    other = copy.deepcopy(network)
    set_drop_path_prob(other, 0.0)
    assert {path.drop_prob for path in paths} == {0.3}
