"""The graph engine gives the networks that the pure-Python engine gives."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retiarii.nn.pytorch as nn
from retiarii.graph import GraphEngine, build_module, export_code, lower, structural_hash
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.testing.networks import executed


@nn.basic_unit
class SepConv(nn.Module):
    def __init__(self, c, kernel):
        super().__init__()
        self.depth = nn.Conv2d(c, c, kernel, padding=kernel // 2, groups=c)
        self.point = nn.Conv2d(c, c, 1)

    def forward(self, x):
        return self.point(self.depth(x))


class Block(nn.Module):
    """A user module that is not a basic unit, with choices inside."""

    def __init__(self, c, index):
        super().__init__()
        self.conv = nn.Conv2d(c, c, nn.ValueChoice([1, 3], label=f"kernel_{index}"), padding="same")
        self.act = nn.LayerChoice({"relu": nn.ReLU(), "gelu": nn.GELU()}, label="act")

    def forward(self, x):
        return x + self.act(self.conv(x))


class NestedSpace(nn.Module):
    """Nested layer choices, value choices with arithmetic, repeats, input choices."""

    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([4, 8], label="width")
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.mix = nn.Conv2d(width, 4, 1)
        self.op = nn.LayerChoice(
            {
                "sep": SepConv(4, nn.ValueChoice([3, 5], label="sep_kernel")),
                "nested": nn.Sequential(
                    nn.LayerChoice([nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1)], label="pool"), nn.Conv2d(4, 4, 1)
                ),
                "skip": nn.Identity(),
            },
            label="op",
        )
        self.blocks = nn.Repeat(lambda index: Block(4, index), (1, 3), label="depth")
        self.merge = nn.InputChoice(n_candidates=3, n_chosen=2, reduction="sum", label="inputs")
        self.head = nn.Sequential(
            nn.Linear(4, width * 2), nn.Dropout(nn.ValueChoice([0.1, 0.5], label="drop")), nn.Linear(width * 2, 2)
        )

    def forward(self, x):
        x = self.mix(self.stem(x))
        y = self.op(x)
        z = self.blocks(y)
        return self.head(self.merge([x, y, z]).mean((2, 3)))


class CellSpace(nn.Module):
    """A DARTS-like cell."""

    def __init__(self):
        super().__init__()
        ops = {"conv": lambda _, __, ___: nn.Conv2d(4, 4, 3, padding=1), "skip": lambda _, __, ___: nn.Identity()}
        self.stem = nn.Conv2d(3, 4, 1)
        self.cell = nn.Cell(ops, num_nodes=2, num_ops_per_node=2, num_predecessors=2, merge_op="all", label="cell")

    def forward(self, x):
        x = self.stem(x)
        return self.cell([x, x * 2]).mean((1, 2, 3))


class AnyInputsSpace(nn.Module):
    """Any number of inputs, concatenated; a choice in a choice of inputs."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.b = nn.Linear(3, 4)
        self.pick = nn.InputChoice(n_candidates=3, n_chosen=1, label="one")
        self.value = nn.ValueChoice([1.0, 2.0], label="scale")

    def forward(self, x):
        x = x.mean((2, 3))
        a, b = self.a(x), self.b(x)
        return self.pick([a, b, a * b]) * self.value()


SPACES = [NestedSpace, CellSpace, AnyInputsSpace]


@pytest.fixture(params=SPACES, ids=lambda cls: cls.__name__)
def net(request):
    torch.manual_seed(0)
    return request.param()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_lowered_graphs_equal_frozen_models(net, seed):
    architecture = extract_space(net).sample(random.Random(seed))
    frozen = freeze(net, architecture).eval()
    built = build_module(lower(net, architecture)).eval()
    assert list(built.state_dict()) == list(frozen.state_dict())
    built.load_state_dict(frozen.state_dict())
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(built(x), frozen(x))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_exported_code_equals_frozen_models(net, seed):
    architecture = extract_space(net).sample(random.Random(seed))
    frozen = freeze(net, architecture).eval()
    exported = executed(export_code(net, architecture), type(net).__name__).eval()
    exported.load_state_dict(frozen.state_dict())
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(exported(x), frozen(x))


def test_architectures_of_one_network_have_one_hash(net):
    space = extract_space(net)
    first, second = space.sample(random.Random(1)), space.sample(random.Random(2))
    assert structural_hash(lower(net, first)) == structural_hash(lower(net, first))
    assert (structural_hash(lower(net, first)) == structural_hash(lower(net, second))) == (first == second)


def test_engine_without_mutators_has_the_space_of_the_model(net):
    engine = GraphEngine(net, example_input=torch.zeros(1, 3, 8, 8))
    assert engine.space == extract_space(net)
    architecture = engine.space.sample(random.Random(3))
    assert engine.build(architecture)(torch.randn(2, 3, 8, 8)).shape[0] == 2


def test_basic_units_keep_their_constructor_arguments():
    torch.manual_seed(0)
    net = NestedSpace()
    architecture = dict(extract_space(net).default()) | {"sep_kernel": 5}
    model = lower(net, architecture)
    node = model.get_node_by_name("op")
    assert node.operation.type.endswith("SepConv")
    assert dict(node.operation.parameters) == {"c": 4, "kernel": 5}
    assert node.label == "op"


@nn.model_wrapper
class Computed(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ModelParameterChoice([2, 3], label="w")
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(width)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_values_needed_by_the_constructor_are_lowered_too():
    net = Computed()
    for width in (2, 3):
        model = lower(net, {"w": width})
        assert len(model.get_nodes_by_type(nn.Linear)) == width
