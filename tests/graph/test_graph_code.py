"""Exported code: how it reads, and that it runs where retiarii is not installed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch
from graph_models import ZOO, DenseNet, MobileNetV2, ResNet, UNet, randomized
from graph_units import Clashing, Configured, UsesChoices, make_clash

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError
from retiarii.graph import convert_to_graph, export_code

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "retiarii":
            raise ImportError("retiarii is blocked here")
sys.meta_path.insert(0, Block())
import torch
torch.set_num_threads(1)
"""


def run_alone(code, name, model, x, folder):
    """Run exported code in a fresh interpreter without retiarii, and return what the model returned there."""
    (folder / "exported.py").write_text(code)
    torch.save(model.state_dict(), folder / "weights.pt")
    torch.save(x, folder / "x.pt")
    script = BLOCKED + textwrap.dedent(f"""
        from exported import {name}
        model = {name}()
        model.load_state_dict(torch.load("weights.pt"))
        torch.save(model.eval()(torch.load("x.pt")), "y.pt")
    """)
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "y.pt")


@pytest.mark.parametrize("name", ["efficientnet", "lstm"])
def test_runs_in_a_fresh_interpreter_without_retiarii(name, tmp_path):
    make, inputs = ZOO[name]
    model, x = randomized(make()).eval(), inputs()
    with torch.no_grad():
        expected = model(x)
    assert torch.equal(run_alone(export_code(model), type(model).__name__, model, x, tmp_path), expected)


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


def test_basic_units_bring_along_what_they_use(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.unit = Configured(3, mode="wide")
            self.clash = Clashing(2.0)
            self.other = make_clash()(3.0)

        def forward(self, x):
            return self.other(self.clash(self.unit(x)))

    net, x = Net(), torch.randn(2, 3)
    code = export_code(net)
    assert "basic_unit" not in code
    assert "class Clashing2(" in code
    assert "FACTORS = {" in code
    assert torch.equal(run_alone(code, "Net", net, x, tmp_path), net(x))


def test_mutated_models_export_too(tmp_path):
    model = convert_to_graph(ResNet())
    edge = model.get_node_by_name("layer1.1").outgoing_edges[0]
    edge.graph.insert_node_on_edge(edge, "extra norm", nn.BatchNorm2d, {"num_features": 8})
    code = model.to_code()
    assert "OrderedDict([" in code
    built, x = model.to_module().eval(), torch.randn(1, 3, 16, 16)
    assert "layer1.extra_norm.weight" in built.state_dict()
    with torch.no_grad():
        assert torch.equal(run_alone(code, "ResNet", built, x, tmp_path), built(x))


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
    namespace = {"__name__": "exported"}
    exec(code, namespace)
    exported = namespace["ResNet"]()
    exported.load_state_dict(net.state_dict())
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    assert torch.equal(exported.eval()(x), net.eval()(x))
    assert not exported.conv1.weight.requires_grad


def test_an_architecture_is_part_of_the_file():
    net = nn.Sequential(nn.LayerChoice({"a": nn.Linear(2, 2), "b": nn.ReLU()}, label="op"))
    assert '"op": "b"' in export_code(net, {"op": "b"})
    with pytest.raises(GraphError, match="a graph and an architecture"):
        export_code(convert_to_graph(net), {"op": "b"})
