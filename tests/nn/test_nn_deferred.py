"""Inside `fixed_arch`, layers are constructed when they are first used, with the same results."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn

LAYERS = {
    "linear": lambda layers: layers.Linear(7, 5),
    "one number": lambda layers: layers.Linear(1, 1, bias=False),
    "conv": lambda layers: layers.Conv2d(6, 4, 3, groups=2),
    "conv of other sizes": lambda layers: layers.Conv2d(3, 5, (3, 1), 2, bias=False),
    "conv1d": lambda layers: layers.Conv1d(3, 4, kernel_size=5, padding=2),
    "conv3d": lambda layers: layers.Conv3d(2, 2, 2),
    "norm": lambda layers: layers.BatchNorm2d(4),
    "no weights": lambda layers: layers.MaxPool2d(3, 1, 1),
    "large": lambda layers: layers.Linear(400, 301),
    "strings": lambda layers: layers.Conv2d(3, 3, 3, padding="same", padding_mode="reflect"),
    "other layers": lambda layers: layers.LSTM(3, 4),
    "double": lambda layers: layers.Linear(3, 3, dtype=torch.float64),
}


def in_architecture(make):
    with nn.fixed_arch({}):
        return make()


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_weights_and_later_random_numbers_are_those_of_torch(make):
    torch.manual_seed(3)
    expected, drawn = make(torch_nn), torch.rand(3)
    torch.manual_seed(3)
    with nn.fixed_arch({}):
        layer = make(nn)
        assert torch.equal(torch.rand(3), drawn)
        after = torch.get_rng_state()
        assert isinstance(layer, type(expected))
        assert type(layer) == type(expected)  # noqa: E721 - as torch's own documentation writes it
        assert repr(layer) == repr(expected)
    assert type(layer) is type(expected)
    assert vars(layer).keys() == vars(expected).keys() | (vars(layer).keys() & {"_retiarii_call"})
    assert torch.equal(torch.get_rng_state(), after)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(layer.state_dict()[name], tensor)


@pytest.mark.parametrize("look", [
    lambda layer: layer.weight,
    lambda layer: layer.weight.data.fill_(3),
    lambda layer: torch_nn.init.zeros_(layer.weight),
    lambda layer: setattr(layer, "note", 3),
    lambda layer: layer.register_buffer("extra", torch.ones(1)),
    lambda layer: layer(torch.ones(1, 2)),
    lambda layer: layer.apply(lambda module: module.weight.data.fill_(2)),
    lambda layer: vars(layer),
    lambda layer: copy.deepcopy(layer),
    lambda layer: pickle.loads(pickle.dumps(layer)),
    lambda layer: torch_nn.utils.parametrizations.weight_norm(layer),
])  # fmt: skip
def test_any_look_at_a_layer_constructs_it(look):
    def build(layers):
        torch.manual_seed(5)
        layer = layers.Linear(2, 2)
        layers.Linear(2, 2)
        look(layer)
        return torch_nn.Sequential(layer)

    expected = build(torch_nn).state_dict()
    found = in_architecture(lambda: build(nn)).state_dict()
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor)


def test_candidates_that_are_dropped_are_never_constructed(monkeypatch):
    made = []
    original = torch_nn.Linear.__init__

    def counting(self, *args, **kwargs):
        made.append(args)
        original(self, *args, **kwargs)

    with nn.fixed_arch({"op": 1}):
        candidates = [nn.Linear(2, size) for size in (3, 4, 5)]
        monkeypatch.setattr(torch_nn.Linear, "__init__", counting)
        choice = nn.Sequential(nn.LayerChoice(candidates, label="op"))
        assert choice[0].out_features == 4
        assert made == [(2, 4)]
        monkeypatch.undo()
    assert choice[0].weight.shape == (4, 2)


def test_a_constructor_that_a_user_replaced_runs_at_once(monkeypatch):
    made = []
    monkeypatch.setattr(torch_nn.Linear, "reset_parameters", lambda self: made.append(self))
    with nn.fixed_arch({}):
        nn.Linear(2, 2)
        assert len(made) == 1


def test_other_defaults_construct_at_once():
    with nn.fixed_arch({}):
        with torch.device("meta"):
            layer = nn.Linear(2, 2)
        torch.set_default_dtype(torch.float64)
        try:
            double = nn.Linear(2, 2)
        finally:
            torch.set_default_dtype(torch.float32)
    assert layer.weight.is_meta
    assert double.weight.dtype is torch.float64


def test_errors_of_arguments_are_raised_where_the_layer_is_written():
    with nn.fixed_arch({}):
        with pytest.raises(ValueError, match="divisible"):
            nn.Conv2d(3, 4, 1, groups=2)
        with pytest.raises(TypeError, match="kernel_size"):
            nn.MaxPool2d()
        with pytest.raises(TypeError, match="unknown"):
            nn.ReLU(unknown=3)
