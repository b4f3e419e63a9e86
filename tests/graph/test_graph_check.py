"""Shapes are checked before anything is built."""

from __future__ import annotations

import logging

import pytest
import torch
from graph_models import LSTMClassifier, ResNet, UNet, tokens

import retiarii.nn.pytorch as nn
from retiarii.errors import GraphError, InvalidMutation
from retiarii.graph import check, convert_to_graph, model_from_json, model_to_json

X = torch.zeros(2, 3, 16, 16)


def test_a_layer_that_does_not_fit_is_named_with_all_shapes():
    model = convert_to_graph(ResNet())
    node = model.get_node_by_name("layer2.0.conv1")
    node.operation.parameters["in_channels"] = 9
    with pytest.raises(InvalidMutation, match=r"layer2\.0\.conv1.*torch\.nn\.Conv2d") as caught:
        check(model, X)
    assert caught.value.node == "layer2.0.conv1"
    assert "shape (2, 8, 4, 4)" in str(caught.value)
    assert "weight has shape (16, 9, 3, 3)" in str(caught.value)


def test_functions_that_do_not_fit_are_named_with_both_shapes():
    model = convert_to_graph(UNet())
    model.get_node_by_name("pool").operation.parameters["stride"] = 1
    with pytest.raises(InvalidMutation, match=r"Node 'cat' \(torch\.cat\).*shape .* and shape"):
        check(model, X)


def test_nothing_is_trained_drawn_or_changed():
    net = ResNet()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.random.get_rng_state()
    check(convert_to_graph(net), torch.zeros(1, 3, 512, 512))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_units_that_look_at_values_run_on_zeros():
    shapes = check(convert_to_graph(LSTMClassifier()), tokens())
    assert shapes["encoder"] == (3, 12)


def test_the_example_must_have_as_many_tensors_as_the_model():
    with pytest.raises(GraphError, match="has 2 values, expected 1: x"):
        check(convert_to_graph(ResNet()), (X, X))


def test_choices_must_be_fixed():
    net = nn.Sequential(nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="act"))
    with pytest.raises(GraphError, match="LayerChoice that is not fixed"):
        check(convert_to_graph(net), X)


def test_a_misfit_says_where_the_values_come_from():
    model = convert_to_graph(ResNet())
    model.get_node_by_name("layer2.0.conv1").operation.parameters["out_channels"] = 5
    with pytest.raises(
        InvalidMutation, match=r"\(2, 5, 2, 2\) \(from 'layer2\.0\.conv1'\); its weight has shape \(16,\)"
    ):
        check(model, X)
    with pytest.raises(InvalidMutation, match=r"Node 'conv1'.*\(2, 4, 16, 16\) \(from input 'x'\).*\(8, 3, 7, 7\)"):
        check(convert_to_graph(ResNet()), torch.zeros(2, 4, 16, 16))


def test_a_misfit_is_raised_and_not_logged_as_well(caplog):
    model = convert_to_graph(ResNet())
    model.get_node_by_name("fc").operation.parameters["in_features"] = 5
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(InvalidMutation, match="fc"):
            check(model, X)
        assert not caplog.records
        logger.error("still heard")
        assert [record.message for record in caplog.records] == ["still heard"]
    finally:
        logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("example", [None, "image", 3])
def test_an_example_without_tensors_is_refused(example):
    with pytest.raises(GraphError, match=f"The example input is {example!r}, expected a tensor"):
        check(convert_to_graph(ResNet()), example)


def test_parts_of_results_that_do_not_exist_are_an_error():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(3, 3))

        def forward(self, x):
            return self.inner(x) * 2

    record = model_to_json(convert_to_graph(Net()))
    (node,) = (node for node in record["graphs"]["_model"]["nodes"] if node["name"] == "mul")
    node["inputs"][0][2] = 9
    with pytest.raises(InvalidMutation, match="Node 'mul' takes a part of a result that does not have this part"):
        check(model_from_json(record), torch.zeros(1, 3))
