"""ONNX files and torch.export programs."""

from __future__ import annotations

import sys

import pytest
import torch
from graph_models import ResNet, images, randomized

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError, MissingExtraError
from retiarii.graph import convert_to_graph, export_onnx, export_program


def test_programs_compute_the_same(tmp_path):
    model = randomized(ResNet()).eval()
    path = export_program(model, tmp_path / "deep" / "net.pt2", images())
    with torch.no_grad():
        assert torch.allclose(torch.export.load(path).module()(images()), model(images()), atol=1e-6)


def test_graphs_and_fixed_spaces_are_exported(tmp_path):
    net = nn.Sequential(nn.LayerChoice({"a": nn.Linear(2, 3), "b": nn.Linear(2, 4)}, label="op"))
    x = torch.randn(1, 2)
    program = torch.export.load(export_program(net, tmp_path / "b.pt2", x, {"op": "b"}))
    assert program.module()(x).shape == (1, 4)
    model = convert_to_graph(nn.Sequential(nn.Linear(2, 3)))
    assert torch.export.load(export_program(model, tmp_path / "g.pt2", x)).module()(x).shape == (1, 3)


def test_onnx_files_are_valid(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    pytest.importorskip("onnxscript", reason="needs onnxscript")
    path = export_onnx(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), tmp_path / "net.onnx", torch.randn(1, 2))
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert {node.op_type for node in model.graph.node} >= {"Relu"}


def test_a_missing_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match="pip install onnx onnxscript"):
        export_onnx(nn.Sequential(nn.ReLU()), tmp_path / "net.onnx", torch.randn(1, 2))


def test_what_cannot_be_exported_says_so(tmp_path):
    @nn.basic_unit
    class Loop(nn.Module):
        def forward(self, x):
            while x.sum() > 0:
                x = x - 1
            return x

    with pytest.raises(GraphError, match=r"torch\.export cannot export this network"):
        export_program(nn.Sequential(Loop()), tmp_path / "net.pt2", torch.randn(1, 2))
