"""Model families as their public implementations write them: converted, mutated, exported, equal to the last bit."""

from __future__ import annotations

import json

import pytest
import torch
from graph_zoo_attention import ATTENTION
from graph_zoo_classic import CLASSIC
from graph_zoo_mobile import MOBILE
from torch import nn

from retiarii.graph import (
    GraphEngine,
    Mutator,
    build_module,
    check,
    convert_to_graph,
    export_code,
    model_from_json,
    model_to_json,
    structural_hash,
)
from retiarii.testing.networks import executed

FAMILIES = {**CLASSIC, **MOBILE, **ATTENTION}
MODULES = ["graph_zoo_mobile"]  # which has the one basic unit


@pytest.fixture(params=FAMILIES, ids=list(FAMILIES))
def case(request):
    make, size = FAMILIES[request.param]
    torch.manual_seed(0)
    net = make()
    with torch.no_grad():
        for value in net.parameters():
            value.add_(torch.randn_like(value) * 0.1)  # none is left at zero or one
        for name, value in net.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                value.add_(torch.rand_like(value))
    return net, torch.randn(2, 3, size, size)


def outputs(net, x):
    """Return what a network computes for evaluation and in training, and its gradients there."""
    found = []
    for mode in (False, True):
        torch.manual_seed(1)
        net.zero_grad()
        y = net.train(mode)(x)
        y.square().mean().backward()
        found += [y.detach(), *(value.grad for value in net.parameters())]
    return found


def assert_equal(net, others, x):
    state = {name: value.clone() for name, value in net.state_dict().items()}
    expected = outputs(net, x)
    for other in others:
        assert list(other.state_dict()) == list(state)
        other.load_state_dict(state)
        for one, two in zip(outputs(other, x), expected, strict=True):
            assert torch.equal(one, two)


def test_graph_json_and_code_compute_the_same(case):
    net, x = case
    graph = convert_to_graph(net)
    read = model_from_json(json.loads(json.dumps(model_to_json(graph))), modules=MODULES)
    assert structural_hash(read) == structural_hash(graph)
    assert check(graph, x)
    code = export_code(net)
    assert "retiarii" not in code
    assert_equal(net, [build_module(graph), build_module(read), executed(code, type(net).__name__)], x)


class Changes(Mutator):
    """Takes a bias away and replaces an activation."""

    def mutate(self, model):
        layers = [*model.get_nodes_by_type(nn.Linear), *model.get_nodes_by_type(nn.Conv2d)]
        biased = next(node for node in layers if node.operation.parameters.get("bias", True))
        biased.operation.parameters["bias"] = self.choice([True, False])
        activation = self.choice(["as it is", "tanh"])
        kinds = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish)
        nodes = [node for kind in kinds for node in model.get_nodes_by_type(kind)]
        if activation == "tanh":
            nodes[0].update_operation(nn.Tanh)


def test_mutated_networks_are_exported_as_they_compute(case):
    net, x = case
    engine = GraphEngine(net, [Changes()], example_input=x)
    architecture = {"Changes/0": False, "Changes/1": "tanh"}
    mutated = engine.build(architecture)
    assert len(mutated.state_dict()) == len(net.state_dict()) - 1
    assert sum(isinstance(module, nn.Tanh) for module in mutated.modules()) >= 1
    exported = executed(engine.code(architecture), type(net).__name__)
    assert_equal(mutated, [exported, build_module(engine.graph(architecture))], x)
