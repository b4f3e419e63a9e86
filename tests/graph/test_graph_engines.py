"""The graph engine gives the networks that the engine without graphs gives, for every model family."""

from __future__ import annotations

import json
import pickle
import random

import pytest
import torch
from graph_models import images
from graph_spaces_mixed import SPACE_ZOO, ViTSpace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import (
    GraphEngine,
    Mutator,
    build_module,
    export_code,
    lower,
    model_from_json,
    model_to_json,
)
from retiarii.graph._mutation import graph_engine
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.testing.networks import executed

MODULES = ["graph_models", "graph_models_mixed", "graph_spaces", "graph_spaces_mixed"]

SETTINGS = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS = st.integers(0, 10**6)


@pytest.fixture(params=SPACE_ZOO, ids=list(SPACE_ZOO))
def case(request):
    """A model with choices, what it takes, and both engines."""
    make, inputs = SPACE_ZOO[request.param]
    torch.manual_seed(0)
    net, x = make(), inputs()
    return net, x, PythonEngine(net), GraphEngine(net, example_input=x)


def assert_same_network(one, other, x):
    """Both have the same parameters by name and order, and with the same weights compute the same to the last bit."""
    assert list(one.state_dict()) == list(other.state_dict())
    assert [name for name, _ in one.named_parameters()] == [name for name, _ in other.named_parameters()]
    other.load_state_dict(one.state_dict())
    for is_training in (True, False):
        outputs = []
        for network in (one, other):
            torch.manual_seed(5)
            outputs.append(network.train(is_training)(x))
        assert torch.equal(*outputs)
    for name, value in one.state_dict().items():  # running statistics too
        assert torch.equal(other.state_dict()[name], value), name


@SETTINGS
@given(seed=SEEDS)
def test_both_engines_build_the_same_network(case, seed):
    _, x, python, graph = case
    assert graph.space == python.space
    architecture = python.space.sample(random.Random(seed))
    assert_same_network(python.build(architecture), graph.build(architecture), x)


@SETTINGS
@given(seed=SEEDS)
def test_exported_code_and_json_make_the_same_network(case, seed):
    net, x, python, graph = case
    architecture = python.space.sample(random.Random(seed))
    exported = executed(export_code(net, architecture), type(net).__name__)
    assert_same_network(python.build(architecture), exported, x)
    data = json.loads(json.dumps(model_to_json(graph.graph(architecture))))
    assert_same_network(python.build(architecture), build_module(model_from_json(data, modules=MODULES)), x)


def test_a_seed_gives_the_same_initial_weights_with_both_engines(case):
    _, _, python, graph = case
    architecture = python.space.sample(random.Random(3))
    weights = []
    for engine in (python, graph, graph):
        torch.manual_seed(1)
        weights.append((engine.build(architecture).state_dict(), torch.rand(1)))
    for state, following in weights[1:]:
        assert all(torch.equal(value, weights[0][0][name]) for name, value in state.items())
        assert torch.equal(following, weights[0][1])


def test_another_seed_gives_other_weights():
    engine = GraphEngine(nn.Sequential(nn.Linear(3, 3)))
    assert not torch.equal(engine.build({})[0].weight, engine.build({})[0].weight)


def test_weights_that_the_user_changed_are_kept_in_every_network():
    net = nn.Sequential(nn.Linear(3, 3), nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="act"))
    torch.nn.init.constant_(net[0].weight, 0.25)
    engine = GraphEngine(net)
    for _ in range(2):
        built = engine.build({"act": 1})
        assert torch.equal(built[0].weight, torch.full((3, 3), 0.25))
        with torch.no_grad():
            built[0].weight.zero_()
    assert torch.equal(net[0].weight, torch.full((3, 3), 0.25))


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


class Width(Mutator):
    def mutate(self, model):
        width = self.choice([2, 4, 6, 8])
        model.get_node_by_name("conv").operation.parameters["out_channels"] = width
        model.get_node_by_name("fc").operation.parameters["in_features"] = width


def test_a_model_without_choices_of_its_own_is_traced_once_for_all_architectures(monkeypatch):
    calls = []
    for name in ("lower_with_network", "verify"):
        original = getattr(graph_engine, name)
        monkeypatch.setattr(graph_engine, name, lambda *args, f=original, n=name: calls.append(n) or f(*args))
    engine = GraphEngine(Small(), [Width()], example_input=images())
    networks = [engine.build(architecture) for architecture in engine.space.grid()]
    assert calls == ["lower_with_network", "verify"]
    assert [network.conv.out_channels for network in networks] == [2, 4, 6, 8]


def test_mutators_find_the_evaluator_on_the_model():
    class Look(Mutator):
        def mutate(self, model):
            seen.append(model.evaluator)

    seen, evaluator = [], object()
    assert GraphEngine(Small(), [Look()], evaluator=evaluator).graph({}).evaluator is evaluator
    assert seen == [evaluator]


def test_engines_pickle_and_build_the_same():
    engine = GraphEngine(ViTSpace(), example_input=images())
    architecture = engine.space.sample(random.Random(0))
    engine.build(architecture)
    again = pickle.loads(pickle.dumps(engine))
    assert again.space == engine.space
    assert_same_network(engine.build(architecture), again.build(architecture), images())


def test_what_a_constructor_computed_is_in_the_graph():
    net = ViTSpace()
    model = lower(net, {**extract_space(net).default(), "dim": 16})
    assert model.get_node_by_name("patch_embed").operation.parameters["out_channels"] == 16


def test_a_fixed_model_with_basic_units_says_what_to_trace_instead():
    net = SPACE_ZOO["efficientnet"][0]()
    fixed = freeze(net, extract_space(net).default())
    with pytest.raises(GraphError, match=r"StochasticDepth\) are not known.*lower\(model, architecture\)"):
        export_code(fixed)
