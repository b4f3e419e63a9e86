"""The convolutional spaces without cells: conformance, sizes, published networks, the table of NAS-Bench-Macro."""

import csv
import gzip
import random

import pytest
import torch
from macro_conformance import MacroSpaceConformance
from torch.utils.flop_counter import FlopCounterMode

from retiarii.benchmarks import get_benchmark
from retiarii.errors import DomainError
from retiarii.hub.pytorch import MobileNetV3Space, NasBenchMacro, ProxylessNAS, ShuffleNetSpace
from retiarii.nn.pytorch import extract_space, fixed_arch, freeze
from retiarii.nn.pytorch.engine import count_params
from retiarii.testing.oneshot_rules import ONE_SHOT

WITHOUT_PCDARTS = tuple(name for name in ONE_SHOT if name != "PCDARTS")
CANDIDATES = ("identity", "mb3_k3", "mb6_k5")


class OfImages(MacroSpaceConformance):
    @pytest.fixture
    def inputs(self):
        torch.manual_seed(0)
        return (torch.randn(2, 3, 16, 16),)


class TestNasBenchMacro(OfImages):
    row = "`NasBenchMacro`"

    @pytest.fixture
    def model(self):
        return NasBenchMacro(stages=(1, 2), width=4, head_width=8)


class TestMobileNetV3Space(OfImages):
    row = "`MobileNetV3Space`"
    strategies = WITHOUT_PCDARTS  # it does not split layers of chosen width in candidates: squeeze-and-excitation

    @pytest.fixture
    def model(self):
        return MobileNetV3Space(
            10,
            base_widths=(8, 8, 8, 16, 16, 16),
            width_multipliers=(0.5, 1.0),
            expand_ratios=(1.0, 2.0),
            squeeze_excite=("force", "optional", "none"),
            depth_range=(1, 2),
            stride=(2, 1, 2, 1, 1, 1),
            activation=("hswish", "relu", "relu", "swish", "hswish", "hswish"),
        )


@pytest.mark.slow  # other spaces have its parts: stages of chosen depth, candidates with weights of their own
class TestProxylessNAS(OfImages):
    row = "`ProxylessNAS`"

    @pytest.fixture
    def model(self):
        return ProxylessNAS(10, base_widths=(8,) * 9, depth_range=(1, 2))


class TestShuffleNetSpace(OfImages):
    row = "`ShuffleNetSpace`"

    @pytest.fixture
    def model(self):
        return ShuffleNetSpace(10, stage_repeats=(1, 1), widths=(4, 8, 16, 8))


@pytest.mark.slow
class TestShuffleNetSpaceWithChannels(OfImages):
    row = "`ShuffleNetSpace` with `channel_search=True`"
    strategies = WITHOUT_PCDARTS

    @pytest.fixture
    def model(self):
        return ShuffleNetSpace(10, channel_search=True, stage_repeats=(2,), widths=(4, 20, 8))


# Sizes, as their papers or docstrings count


def depths(per_block, low, high):
    return sum(per_block**depth for depth in range(low, high + 1))


def test_the_spaces_have_the_sizes_of_their_definitions():
    with torch.device("meta"):
        assert NasBenchMacro().size == 3**8 == 6561
        assert ShuffleNetSpace().size == 4**20 == 1_099_511_627_776


@pytest.mark.slow
def test_large_spaces_have_the_sizes_of_their_definitions():
    with torch.device("meta"):
        assert ShuffleNetSpace(channel_search=True).size == 32**20
        assert ProxylessNAS().size == 6 * depths(6, 1, 4) ** 5 == 54_375_883_032_510_144
        plain, squeezed = depths(6 * 3, 1, 4), depths(6 * 3 * 2, 1, 4)
        expected = 2 * 3 * 7**8 * plain**2 * squeezed**3
        assert MobileNetV3Space().size == expected == 2_203_368_352_784_502_925_061_485_493_979_840_000


# Published networks


@pytest.mark.parametrize(
    ("space", "name", "params", "multiply_adds"),
    [
        (MobileNetV3Space, "mobilenetv3-large-100", 5_483_032, 219e6),  # torchvision; arXiv:1905.02244, table 3
        (MobileNetV3Space, "mobilenetv3-small-100", 2_542_856, 56e6),  # torchvision; arXiv:1905.02244, table 4
        pytest.param(ProxylessNAS, "proxyless-cpu", 4_361_648, None, marks=pytest.mark.slow),  # imgclsmob
        pytest.param(ProxylessNAS, "proxyless-gpu", 7_119_848, None, marks=pytest.mark.slow),  # imgclsmob
        (ProxylessNAS, "proxyless-mobile", 4_080_512, 320e6),  # imgclsmob; the number of the paper's public code
        # torchvision; arXiv:1807.11164, table 8
        pytest.param(ShuffleNetSpace, "shufflenetv2-x0.5", 1_366_792, 41e6, marks=pytest.mark.slow),
        (ShuffleNetSpace, "shufflenetv2-x1.0", 2_278_604, 146e6),  # torchvision; arXiv:1807.11164, table 8
        (ShuffleNetSpace, "spos", 3_558_464, 323e6),  # the number of the paper's public code
    ],
)
def test_published_networks_have_the_published_parameters_and_multiply_adds(space, name, params, multiply_adds):
    with torch.device("meta"):
        network = space.load_searched_model(name)
        assert count_params(network) == params
        counted = multiply_adds_of(network, torch.empty(1, 3, 224, 224))
    assert multiply_adds is None or counted == pytest.approx(multiply_adds, rel=0.02)


def multiply_adds_of(network, images):
    with FlopCounterMode(display=False) as counter:
        network.eval()(images)
    return counter.get_total_flops() // 2


# NAS-Bench-Macro: the whole table


@pytest.fixture(scope="module")
def rows(shared_data):
    with gzip.open(shared_data / "nasbench_macro_cifar10.csv.gz", "rt", newline="") as file:
        return [(row["arch"], int(row["params"]), int(row["flops"])) for row in csv.DictReader(file)]


def network_of(digits, model):
    return freeze(model, {f"layer_{index}": CANDIDATES[int(digit)] for index, digit in enumerate(digits)})


def costs_of(digits, model):
    network = network_of(digits, model)
    return count_params(network), multiply_adds_of(network.to("meta"), torch.empty(1, 3, 32, 32, device="meta"))


def test_networks_have_the_parameters_and_multiply_adds_of_the_table(rows):
    model = NasBenchMacro()
    for digits, *costs in random.Random(0).sample(rows, 5):
        assert costs_of(digits, model) == tuple(costs)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_500_networks_have_the_parameters_and_multiply_adds_of_the_table(rows):
    model = NasBenchMacro()
    for digits, *costs in random.Random(1).sample(rows, 500):
        assert costs_of(digits, model) == tuple(costs)


def test_all_networks_have_the_parameters_of_the_table_layer_by_layer(rows):
    model = NasBenchMacro()
    base = count_params(network_of("00000000", model))
    single = {
        (layer, digit): count_params(network_of("0" * layer + digit + "0" * (7 - layer), model)) - base
        for layer in range(8)
        for digit in "012"
    }
    assert len(rows) == 6561
    for digits, params, _ in rows:
        assert base + sum(single[place] for place in enumerate(digits)) == params


def test_the_space_of_the_table_is_that_of_the_model():
    assert extract_space(NasBenchMacro(width=4, head_width=8)) == get_benchmark("nasbench_macro").space


# What the arguments mean


def test_a_block_has_a_shortcut_where_widths_are_always_equal():
    space = MobileNetV3Space(base_widths=(16, 16, 24, 24, 40, 80, 112, 160, 960), depth_range=(2, 2))
    first, second = space.blocks[0], space.blocks[1]
    assert first.has_shortcut  # stem and first block have one width
    assert [block.has_shortcut for block in second] == [False, True]  # the width of the stage is a choice of its own


def test_squeeze_and_excitation_reduces_hidden_or_input_channels():
    options = {**MobileNetV3Space.PUBLISHED["mobilenetv3-small-100"].options, "num_labels": 10}
    values = dict(MobileNetV3Space.published("mobilenetv3-small-100"))
    with fixed_arch(values, verbose=False):
        of_hidden, of_input = MobileNetV3Space(**options), MobileNetV3Space(**options, se_from_exp=False)
    assert count_params(of_input) < count_params(of_hidden)


def test_the_inner_channels_of_a_block_are_rounded_down():
    space = extract_space(ShuffleNetSpace(channel_search=True, stage_repeats=(1,), widths=(16, 64, 8)))
    assert space["channel_1"].values == (51, 44, 38, 32, 25, 19, 12, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": ("relu",) * 8}, "8 values of activation, expected 9"),
        ({"activation": ("tanh",) * 9}, r"activation='tanh', expected one of \['hswish', 'relu', 'swish'\]"),
        ({"squeeze_excite": ("maybe",) * 6}, "squeeze_excite='maybe'"),
        ({"depth_range": (0, 2)}, r"depth_range=\(0, 2\)"),
        ({"depth_range": [(1, 2)] * 4}, "a list of 5 of them"),
    ],
)
def test_arguments_of_mobilenets_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(DomainError, match=message):
        MobileNetV3Space(**arguments)


def test_a_wrong_number_of_widths_is_named():
    with pytest.raises(DomainError, match="8 base_widths, expected 9"):
        ProxylessNAS(base_widths=(8,) * 8)
    with pytest.raises(DomainError, match="5 widths, expected 6"):
        ShuffleNetSpace(widths=(8,) * 5)


@pytest.mark.parametrize(
    ("space", "arguments", "message"),
    [
        (ProxylessNAS, {"depth_range": (0, 2)}, r"depth_range=\(0, 2\), expected \(min, max\) with 1 <= min"),
        (ProxylessNAS, {"depth_range": 2}, "depth_range=2, expected"),
        (ShuffleNetSpace, {"widths": (4, 15, 8)}, "an even number of channels, at least 2, and more than before; 15"),
        (ShuffleNetSpace, {"widths": (16, 16, 8)}, "16 is not"),
        (ShuffleNetSpace, {"widths": (4, 8, 8), "channel_search": True}, "at least 10"),
        (ShuffleNetSpace, {"widths": (4, 8, 8), "stage_repeats": (0,)}, r"stage_repeats=\(0,\)"),
    ],
)
def test_stages_that_no_network_can_have_are_refused(space, arguments, message):
    defaults = {"stage_repeats": (2,)} if space is ShuffleNetSpace else {"base_widths": (8,) * 9}
    with pytest.raises(DomainError, match=message):
        space(**{**defaults, **arguments})


def test_normalisations_of_shufflenets_have_no_scales_if_they_shall_not():
    space = ShuffleNetSpace(10, affine=False, stage_repeats=(1,), widths=(4, 8, 8))
    norms = [module for module in space.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.affine for norm in norms)


def test_weights_are_initialised_as_the_docstrings_say():
    torch.manual_seed(0)
    network = MobileNetV3Space.load_searched_model("mobilenetv3-small-100")
    convolution = network.features[0]
    assert convolution.weight.std().item() == pytest.approx((2 / convolution.out_channels) ** 0.5, rel=0.05)
    assert network.classifier.weight.std().item() == pytest.approx(0.01, rel=0.05)
    shuffle = ShuffleNetSpace.load_searched_model("spos")
    assert shuffle.stem[0].weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert shuffle.features[0].weight.std().item() == pytest.approx(1 / 640, rel=0.05)


def test_a_network_exports():
    with fixed_arch({f"layer_{index}": "mb3_k3" for index in range(3)}, verbose=False):
        network = NasBenchMacro(stages=(1, 2), width=4, head_width=8).eval()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(torch.export.export(network, (images,)).module()(images), network(images))
