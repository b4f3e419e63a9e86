"""Exported code: how it reads, and that it runs where retiarii is not installed."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
import torch
from graph_models import ZOO, DenseNet, MobileNetV2, ResNet, UNet
from graph_spaces_mixed import SPACE_ZOO
from graph_units import Calling, Clashing, Configured, UsesChoices, make_clash

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import (
    GraphEngine,
    build_module,
    convert_to_graph,
    export_code,
    model_from_json,
    model_to_json,
)
from retiarii.graph._encoding.value_encoding import pack
from retiarii.nn.pytorch import extract_space
from retiarii.testing.networks import executed

ALONE = """
import json, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("retiarii", "graph_models", "graph_models_mixed", "graph_spaces", "graph_units"):
            raise ImportError(f"{name} is blocked here")
sys.meta_path.insert(0, Block())
import torch
torch.set_num_threads(1)
for case, name in json.loads(sys.argv[1]).items():
    model = getattr(__import__(case), name)()
    model.load_state_dict(torch.load(f"{case}.weights"))
    with torch.no_grad():
        torch.save(model.eval()(torch.load(f"{case}.x")), f"{case}.y")
"""


def run_alone(cases, folder):
    """Run exported code in a fresh interpreter that has neither retiarii nor these tests.

    Args:
        cases: Name to code, the name of its class, the network that has the weights, and its input.
        folder: An empty folder.

    Returns:
        Name to what the exported network returned there.
    """
    for case, (code, _, network, x) in cases.items():
        (folder / f"{case}.py").write_text(code)
        torch.save(network.state_dict(), folder / f"{case}.weights")
        torch.save(x, folder / f"{case}.x")
    names = json.dumps({case: name for case, (_, name, _, _) in cases.items()})
    done = subprocess.run(
        [sys.executable, "-c", ALONE, names], cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return {case: torch.load(folder / f"{case}.y") for case in cases}


def trained(network, x):
    """Take two steps, so that weights and running statistics are none that a constructor gives."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        network.train()(x).square().mean().backward()
        optimizer.step()
    return network.eval()


def clash_net():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.unit = Configured(3, mode="wide")
            self.clash = Clashing(2.0)
            self.other = make_clash()(3.0)
            self.calling = Calling(3.0)

        def forward(self, x):
            return self.calling(self.other(self.clash(self.unit(x))))

    return Net()


def mutated_resnet():
    model = convert_to_graph(ResNet())
    edge = model.get_node_by_name("layer1.1").outgoing_edges[0]
    edge.graph.insert_node_on_edge(edge, "extra norm", nn.BatchNorm2d, {"num_features": 8})
    return model


def test_every_family_runs_in_a_fresh_interpreter_without_retiarii(tmp_path):
    torch.manual_seed(0)
    cases = {}
    for name, (make, inputs) in ZOO.items():
        net = make()
        cases[f"model_{name}"] = (export_code(net), type(net).__name__, net, inputs())
    for name, (make, inputs) in SPACE_ZOO.items():
        net = make()
        architecture = extract_space(net).sample(random.Random(11))
        network = GraphEngine(net).build(architecture)
        cases[f"space_{name}"] = (export_code(net, architecture), type(net).__name__, network, inputs())
    net, mutated = clash_net(), mutated_resnet()
    cases["units"] = (export_code(net), "Net", net, torch.randn(2, 3))
    cases["mutated"] = (export_code(mutated), "ResNet", build_module(mutated), torch.randn(2, 3, 16, 16))
    for _, _, network, x in cases.values():
        trained(network, x)
    returned = run_alone(cases, tmp_path)
    for case, (_, _, network, x) in cases.items():
        with torch.no_grad():
            assert torch.equal(returned[case], network(x)), case


class Positions(nn.Module):
    """Buffers that its constructor computes, in all the ways in which they are kept."""

    def __init__(self, length=40):
        super().__init__()
        steps = torch.arange(length, dtype=torch.float32)[:, None] / torch.arange(1, 9)
        self.register_buffer("pe", torch.sin(steps))
        self.register_buffer("index", torch.arange(length * 8).flip(0), persistent=False)
        self.register_buffer("mask", (steps > 1).to(torch.bool))
        self.register_buffer("odd", torch.tensor([float("nan"), float("inf"), -0.0, 1e-45, 2.0]))
        self.register_buffer("coarse", steps.to(torch.bfloat16))
        self.register_buffer("complex", torch.polar(steps, steps))
        self.register_buffer("none", torch.zeros(0, 8))
        self.register_buffer("same", torch.full((3, 100), 0.1))
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x):
        return (
            x * self.scale
            + self.pe
            + self.coarse.float()
            + self.complex.real
            + self.mask * self.pe.flatten()[self.index[0]]
        )


class TwoPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.short, self.long = Positions(20), Positions(21)

    def forward(self, x):
        return self.short(x[:, :20]) + self.long(x)[:, :20]


def same_bytes(one, other):
    return one.dtype == other.dtype and one.shape == other.shape and repr(pack(one, "")) == repr(pack(other, ""))


@pytest.mark.parametrize(("make", "x"), [(Positions, torch.randn(2, 40, 8)), (TwoPositions, torch.randn(2, 21, 8))])
def test_buffers_have_their_values_before_any_weights_are_loaded(make, x, tmp_path):
    net = make()
    graph = convert_to_graph(net)
    read = model_from_json(json.loads(json.dumps(model_to_json(graph))))
    for other in (
        executed(export_code(net), make.__name__),
        build_module(graph),
        build_module(read),
        build_module(graph, keep_weights=False),
    ):
        for name, value in net.named_buffers():
            assert same_bytes(other.get_buffer(name), value), name
        assert torch.equal(other(x), net(x))


def test_buffers_that_no_file_can_hold_are_refused():
    net = Positions()
    net.register_buffer("pe", torch.empty(40, 8, device="meta"))
    with pytest.raises(GraphError, match="The values of 'pe' cannot be written out"):
        export_code(net)
    net.register_buffer("pe", torch.arange(10**7, dtype=torch.float64))
    with pytest.raises(GraphError, match="'pe' has 80000000 bytes of values, which are too many for a text"):
        export_code(net)


def test_one_class_per_user_class_with_numbers_as_parameters():
    code = export_code(UNet())
    assert code.count("class ") == 2
    assert "class DoubleConv(nn.Module):\n    def __init__(self, in_channels, out_channels):" in code
    assert "self.enc2 = DoubleConv(in_channels=4, out_channels=8)" in code
    assert "nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)" in code


def test_instances_that_differ_in_more_than_numbers_get_classes_of_their_own():
    code = export_code(ResNet())
    assert "class BasicBlock(nn.Module):" in code
    assert "class BasicBlock2(nn.Module):" in code


def test_subclasses_of_containers_stay_what_they_are():
    assert "class ConvBNReLU(nn.Sequential):" in export_code(MobileNetV2())
    code = export_code(DenseNet())
    assert "class DenseBlock(nn.ModuleDict):" in code
    assert 'self["denselayer1"]' in code


def test_forward_reads_like_the_user_s():
    text = export_code(ResNet()).split("class ResNet(nn.Module):")[1]
    lines = text.split("def forward(self, x):")[1].strip().splitlines()
    assert [line.strip() for line in lines] == [
        "x = self.conv1(x)",
        "x = self.bn1(x)",
        "x = self.relu(x)",
        "x = self.maxpool(x)",
        "x = self.layer1(x)",
        "x = self.layer2(x)",
        "x = self.avgpool(x)",
        "x = torch.flatten(x, 1)",
        "return self.fc(x)",
    ]


def test_basic_units_bring_along_what_they_use():
    code = export_code(clash_net())
    assert "basic_unit" not in code
    assert "class Clashing2(" in code
    assert "FACTORS = {" in code


def test_mutated_models_export_too():
    model = mutated_resnet()
    assert "OrderedDict([" in export_code(model)
    assert "layer1.extra_norm.weight" in build_module(model).state_dict()


def test_a_unit_that_needs_retiarii_is_refused():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.unit = UsesChoices()

        def forward(self, x):
            return self.unit(x)

    with pytest.raises(GraphError, match=r"uses nn\.ValueChoice, which needs retiarii to run"):
        export_code(Net(), {"rate": 0.5})


def test_double_precision_and_frozen_layers_stay_so():
    net = ResNet()
    net.conv1.requires_grad_(False)
    net.double()
    code = export_code(net)
    assert ".to(torch.float64).requires_grad_(False)" in code
    exported = executed(code, "ResNet")
    exported.load_state_dict(net.state_dict())
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    assert torch.equal(exported.eval()(x), net.eval()(x))
    assert not exported.conv1.weight.requires_grad


def test_an_architecture_is_part_of_the_file():
    net = nn.Sequential(nn.LayerChoice({"a": nn.Linear(2, 2), "b": nn.ReLU()}, label="op"))
    assert '"op": "b"' in export_code(net, {"op": "b"})
    with pytest.raises(GraphError, match="a graph Model and an architecture"):
        export_code(convert_to_graph(net), {"op": "b"})
