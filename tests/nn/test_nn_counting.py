"""Parameters and FLOPs of networks and of their parts, and costs of spaces that are added up from parts."""

import random
from math import prod

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn as torch_nn
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.hub import pytorch as hub
from retiarii.nn.pytorch import model_wrapper
from retiarii.nn.pytorch.counting import (
    count_flops,
    count_params,
    factors_of_flops,
    factors_of_params,
    flops_of_parts,
    params_of_parts,
)
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.space import AdditiveCost, Architecture


def test_flops_of_a_linear_layer():
    assert count_flops(torch_nn.Linear(7, 5), torch.zeros(3, 7)) == 2 * 3 * 7 * 5


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_flops_of_a_convolution(groups, stride):
    layer = torch_nn.Conv2d(8, 12, (3, 5), stride=stride, padding=(1, 2), groups=groups)
    height, width = (9 - 1) // stride + 1, (10 - 1) // stride + 1
    per_output = 2 * (8 // groups) * 3 * 5
    assert count_flops(layer, torch.zeros(2, 8, 9, 10)) == 2 * 12 * height * width * per_output


def test_flops_of_a_transposed_convolution():
    layer = torch_nn.ConvTranspose1d(4, 6, 3, stride=2)
    assert count_flops(layer, torch.zeros(2, 4, 5)) == 2 * (2 * 4 * 5) * 6 * 3  # each input element meets each weight


def test_flops_of_attention():
    batch, tokens, width, heads = 2, 5, 8, 4
    x = torch.zeros(batch, tokens, width)
    projections = 4 * 2 * batch * tokens * width * width
    scores_and_values = 2 * 2 * batch * tokens * tokens * width
    feed_forward = 2 * 2 * batch * tokens * width * 16
    layer = torch_nn.MultiheadAttention(width, heads, batch_first=True)
    assert count_flops(layer, (x, x, x)) == projections + scores_and_values
    encoder = torch_nn.TransformerEncoderLayer(width, heads, 16, batch_first=True)
    assert count_flops(encoder, x) == projections + scores_and_values + feed_forward
    assert torch.backends.mha.get_fastpath_enabled()


def test_flops_of_scaled_dot_product_attention():
    class Attention(torch_nn.Module):
        def forward(self, q, k, v):
            return F.scaled_dot_product_attention(q, k, v)

    q, k, v = torch.zeros(2, 3, 5, 8), torch.zeros(2, 3, 7, 8), torch.zeros(2, 3, 7, 4)
    assert count_flops(Attention(), (q, k, v)) == 2 * 2 * 3 * 5 * 7 * (8 + 4)


class Block(torch_nn.Module):
    """Has a product of its own, and calls one of its layers twice."""

    def __init__(self):
        super().__init__()
        self.scale = torch_nn.Parameter(torch.zeros(4, 4))
        self.layers = torch_nn.ModuleList([torch_nn.Linear(4, 4), torch_nn.Linear(4, 4, bias=False)])

    def forward(self, x):
        return self.layers[0](self.layers[0](x)) @ self.scale + self.layers[1](x)


def test_each_part_has_what_it_computes_itself():
    network = torch_nn.Sequential(Block(), torch_nn.ReLU(), torch_nn.Linear(4, 3))
    product = 2 * 2 * 4 * 4
    assert flops_of_parts(network, torch.zeros(2, 4)) == {
        "0": product,
        "0.layers.0": 2 * product,
        "0.layers.1": product,
        "2": 2 * 2 * 4 * 3,
    }
    assert params_of_parts(network) == {"0": 16, "0.layers.0": 20, "0.layers.1": 16, "2": 15}


def test_a_network_that_is_one_layer_is_one_part():
    assert flops_of_parts(torch_nn.Linear(2, 2), torch.zeros(1, 2)) == {"": 8}
    assert params_of_parts(torch_nn.Linear(2, 2)) == {"": 6}


def test_parts_add_up_where_modules_are_shared_or_not_registered():
    shared, hidden = torch_nn.Linear(4, 4), [torch_nn.Linear(4, 4)]

    class Calls(torch_nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = shared

        def forward(self, x):
            return hidden[0](self.shared(x))

    network = torch_nn.Sequential(Calls(), Calls(), shared)
    x = torch.zeros(3, 4)
    assert sum(flops_of_parts(network, x).values()) == count_flops(network, x) == 5 * 2 * 3 * 16
    assert sum(params_of_parts(network).values()) == count_params(network) == 20


def test_rules_count_modules_of_a_class():
    network = torch_nn.Sequential(Block(), torch_nn.Linear(4, 3), torch_nn.ReLU())
    rules = {Block: lambda block, args, output: 1000 + args[0].shape[0], torch_nn.ReLU: lambda m, a, out: out.numel()}
    linear = 2 * 2 * 4 * 3
    assert flops_of_parts(network, torch.zeros(2, 4), rules=rules) == {"0": 1002, "1": linear, "2": 6}
    assert count_flops(network, torch.zeros(2, 4), rules=rules) == 1008 + linear
    assert not network[0]._forward_hooks
    engine = PythonEngine(network, [2, 4], flops_rules=rules)
    assert engine.measure(network, ["flops"]) == {"flops": 1008 + linear}


# Costs of spaces. Every module maps [B, inputs, 6] to [B, outputs, 6].


@st.composite
def nets(draw):
    """Draw functions that make the blocks of a network: widths couple neighbours, choices are inside of choices."""
    blocks = draw(st.lists(st.sampled_from(["conv", "layers", "repeat", "cell", "inputs"]), min_size=2, max_size=4))
    widths = draw(
        st.lists(st.sampled_from([4, "own", "shared", "product"]), min_size=len(blocks), max_size=len(blocks))
    )
    return list(zip(blocks, widths, strict=True))


def width_of(kind, index):
    if kind == "own":
        return nn.ValueChoice([2, 4, 6], label=f"width{index}")
    if kind == "shared":
        return nn.ValueChoice([2, 6, 8], label="width")
    return nn.ValueChoice([1, 2], label="base") * nn.ValueChoice([2, 3], label="factor") if kind == "product" else kind


class Summed(torch_nn.Module):
    def __init__(self, inputs, outputs, index):
        super().__init__()
        self.branches = torch_nn.ModuleList([nn.Conv1d(inputs, outputs, 1), nn.Conv1d(inputs, outputs, 3, padding=1)])
        self.pick = nn.InputChoice(2, n_chosen=1, label=f"input{index}")

    def forward(self, x):
        return self.pick([branch(x) for branch in self.branches])


class Celled(torch_nn.Module):
    def __init__(self, inputs, outputs, index):
        super().__init__()
        operations = {"conv": lambda *_: nn.Conv1d(4, 4, 3, padding=1), "skip": lambda *_: nn.Identity()}
        self.before = nn.Conv1d(inputs, 4, 1)
        self.cell = nn.Cell(operations, 2, 1, 1, "all", label=f"cell{index}")
        self.after = nn.Conv1d(8, outputs, 1)

    def forward(self, x):
        return self.after(self.cell([self.before(x)]))


def block_of(kind, inputs, outputs, index):
    def conv(kernel):
        return nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)

    def unit(depth):
        hidden = outputs * nn.ValueChoice([1, 2], label=f"expansion{index}_{depth}")
        return nn.Sequential(nn.Conv1d(outputs, hidden, 1), nn.BatchNorm1d(hidden), nn.Conv1d(hidden, outputs, 1))

    if kind == "conv":
        return conv(nn.ValueChoice([1, 3, 5], label=f"kernel{index}"))
    if kind == "layers":
        inner = nn.LayerChoice({"a": conv(1), "b": conv(3)}, label=f"inner{index}")
        return nn.LayerChoice([conv(5), inner, nn.Sequential(conv(1), nn.ReLU())], label=f"layer{index}")
    if kind == "repeat":
        return nn.Sequential(conv(1), nn.Repeat(unit, (0, 2), label=f"depth{index}"))
    return (Celled if kind == "cell" else Summed)(inputs, outputs, index)


@model_wrapper
class Net(torch_nn.Module):
    def __init__(self, plan):
        super().__init__()
        inputs, blocks = 3, []
        for index, (kind, width) in enumerate(plan):
            outputs = width_of(width, index)
            blocks.append(block_of(kind, inputs, outputs, index))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, 2)

    def forward(self, x):
        return self.head(self.blocks(x).mean(-1))


def assert_costs_equal_those_of_built_networks(plan, seed, max_built):
    model = Net(plan)
    engine = PythonEngine(model, [2, 3, 6])
    rng = random.Random(seed)
    for name, count in [
        ("params", count_params),
        ("flops", lambda network: count_flops(network, torch.zeros(2, 3, 6))),
    ]:
        cost = AdditiveCost(name, engine.space, engine.costs[name]._measure, patience=8, checks=4)
        is_additive = cost.learn(max_built).is_additive
        for _ in range(10):
            architecture = engine.space.sample(rng)
            assert cost(architecture) == count(engine.build(architecture))
        assert is_additive or max_built < 400 or engine.space.size < 100


common = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(nets(), st.integers(0, 1000))
@settings(common, max_examples=1)
def test_added_costs_equal_those_of_built_networks(plan, seed):
    assert_costs_equal_those_of_built_networks(plan, seed, 40)


@pytest.mark.slow
@given(nets(), st.integers(0, 1000))
@settings(common, max_examples=60)
def test_added_costs_equal_those_of_many_built_networks(plan, seed):
    assert_costs_equal_those_of_built_networks(plan, seed, 400)


def test_costs_draw_no_random_numbers_and_leave_the_model():
    model = Net([("conv", "own"), ("layers", "shared")])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    engine, state = PythonEngine(model, [2, 3, 6]), torch.get_rng_state()
    assert engine.costs["params"].learn(100).num_built > 64
    assert engine.costs["flops"].learn(20).num_built == 20
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# Networks without weights.


class Scaled(torch_nn.Module):
    """Reads values, which tensors without memory do not have."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, nn.ValueChoice([4, 8], label="width"))

    def forward(self, x):
        return self.layer(x) if self.layer.weight.abs().sum().item() > 0 else x


class Counted(PythonEngine):
    """Counts how often a network with weights is built."""

    num_real = 0

    def build_unchecked(self, architecture):
        self.num_real += 1
        return super().build_unchecked(architecture)


SMALL_MOBILE = {
    "base_widths": (8, 8, 8, 16, 16, 16),
    "width_multipliers": (0.5, 1.0),
    "expand_ratios": (1.0, 2.0),
    "squeeze_excite": ("force", "optional", "none"),
    "depth_range": (1, 2),
    "stride": (2, 1, 2, 1, 1, 1),
    "activation": ("hswish", "relu", "relu", "swish", "hswish", "hswish"),
}
SMALL_TEXT = {
    "vocab_size": 11,
    "context_length": 5,
    "search_width": (8, 4),
    "search_depth": (2, 1),
    "search_num_heads": (2, 1),
    "head_dim": 4,
}
IMAGE, TEXT = torch.zeros(1, 3, 16, 16), torch.zeros(1, 5, dtype=torch.long)
MODELS = pytest.mark.parametrize(
    ("make", "example"),
    [
        pytest.param(lambda: hub.MobileNetV3Space(10, **SMALL_MOBILE), IMAGE, id="MobileNetV3Space"),
        pytest.param(lambda: hub.GPTSpace(**SMALL_TEXT), TEXT, id="GPTSpace"),
    ],
)


@MODELS
def test_counting_allocates_no_weights_after_a_few_comparisons(make, example, recwarn):
    engine = Counted(make())
    engine.example_input = example
    rng = random.Random(0)
    architectures = [engine.space.sample(rng) for _ in range(6)]
    counts = [(engine.costs["params"](each), engine.costs["flops"](each)) for each in architectures]
    assert engine.num_real == 6
    networks = [engine.build(each) for each in architectures]
    assert counts == [(count_params(network), count_flops(network, example)) for network in networks]
    assert not recwarn.list


def test_networks_that_need_weights_are_counted_with_them():
    engine = Counted(Scaled(), [1, 4])
    assert [engine.costs["flops"](Architecture({"width": width})) for width in (4, 8)] == [32, 64]
    assert engine.num_real == 2


@MODELS
def test_costs_of_ready_spaces_are_added_up_from_factors(make, example):
    engine = PythonEngine(make())
    cost = AdditiveCost("params", engine.space, engine.costs["params"]._measure, patience=8, checks=8)
    assert cost.learn(150).is_additive
    rng = random.Random(1)
    for _ in range(5):
        architecture = engine.space.sample(rng)
        assert cost(architecture) == count_params(engine.build(architecture))
    assert cost.report().num_added


def test_factors_multiply_to_the_counts():
    network = torch_nn.Sequential(torch_nn.Conv1d(4, 6, 3, groups=2, padding=1), Block6(), torch_nn.BatchNorm1d(6))
    x = torch.zeros(2, 4, 5)
    flops, params = factors_of_flops(network, x), factors_of_params(network)
    assert flops["0#0/5"] == (2 * 2, 5, 3, 6, 2)
    assert sum(prod(factors) for factors in flops.values()) == count_flops(network, x)
    assert params["0.weight/3"] == (6, 2, 3)
    assert sum(prod(factors) for factors in params.values()) == count_params(network)
    assert factors_of_flops(network, x, rules={Block6: lambda *_: 7})["1"] == 7


class Block6(torch_nn.Module):
    """Attention, a matrix product of its own, and a parameter without sizes."""

    def __init__(self):
        super().__init__()
        self.attention = torch_nn.MultiheadAttention(5, 1)
        self.scale = torch_nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.attention(x, x, x)[0] @ torch.eye(5) * self.scale
