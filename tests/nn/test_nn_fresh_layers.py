"""Layers with other arguments than in the base model are built as the constructor would, in less time."""

from __future__ import annotations

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.nn.pytorch._freezing.fresh_layers import RESETTABLE, fresh_layer

ARGUMENTS = {
    torch_nn.Bilinear: (3, 4, 5),
    torch_nn.Embedding: (7, 3, 2),
    torch_nn.EmbeddingBag: (7, 3),
    torch_nn.GroupNorm: (2, 4),
    torch_nn.Linear: (3, 4),
}


def arguments(cls):
    return ARGUMENTS.get(cls, (4, 6, 3) if "Conv" in cls.__name__ else (4,))


@pytest.mark.parametrize("cls", sorted(RESETTABLE, key=lambda cls: cls.__name__))
def test_each_layer_is_what_the_constructor_builds(cls):
    torch.manual_seed(1)
    expected = [cls(*arguments(cls)) for _ in range(3)]
    drawn = torch.rand(3)
    torch.manual_seed(1)
    layers = [fresh_layer(cls, arguments(cls), {}) for _ in range(3)]
    assert torch.equal(torch.rand(3), drawn)
    for layer, same in zip(layers, expected, strict=True):
        assert type(layer) is cls
        assert list(vars(layer)) == list(vars(same))
        assert repr(layer) == repr(same)
        assert list(layer.state_dict()) == list(same.state_dict())
        assert all(torch.equal(tensor, same.state_dict()[name]) for name, tensor in layer.state_dict().items())
        assert [each.requires_grad for each in layer.parameters()] == [each.requires_grad for each in same.parameters()]


def test_layers_share_nothing():
    first, second = (fresh_layer(torch_nn.Conv2d, (2, 3, 5), {"padding_mode": "reflect"}) for _ in range(2))
    first.register_forward_hook(lambda *args: None)
    first.weight.data.fill_(3)
    first.register_buffer("note", torch.ones(1), persistent=False)
    first.extra = torch_nn.Linear(1, 1)
    third = fresh_layer(torch_nn.Conv2d, (2, 3, 5), {"padding_mode": "reflect"})
    for layer in (second, third):
        assert not layer._forward_hooks
        assert not bool((layer.weight == 3).any())
        assert not layer._non_persistent_buffers_set
        assert not list(layer.buffers())
        assert not list(layer.children())


def test_trained_norms_do_not_reach_later_ones():
    for _ in range(3):
        norm = fresh_layer(torch_nn.BatchNorm1d, (4,), {})
        assert bool((norm.weight == 1).all())
        assert bool((norm.running_mean == 0).all())
        norm.weight.data.fill_(5)
        norm(torch.randn(8, 4))


def test_arguments_that_are_equal_and_yet_differ():
    layers = [fresh_layer(torch_nn.Linear, (2, 2), {"bias": bias}) for bias in (True, 1, False, 0)]
    assert [layer.bias is None for layer in layers] == [False, False, True, True]
    norms = [fresh_layer(torch_nn.BatchNorm1d, (4,), {"momentum": momentum}) for momentum in (1, 1.0, True)]
    assert [type(norm.momentum) for norm in norms] == [int, float, bool]


@pytest.mark.parametrize(
    ("enter", "dtype", "device"),
    [
        (lambda: torch.device("meta"), torch.float32, "meta"),
        (torch.inference_mode, torch.float32, "cpu"),
    ],
)
def test_defaults_that_are_in_force_count(enter, dtype, device):
    fresh_layer(torch_nn.Linear, (3, 5), {})
    with enter():
        weight = fresh_layer(torch_nn.Linear, (3, 5), {}).weight
        assert weight.is_inference() == torch_nn.Linear(3, 5).weight.is_inference()
    assert (weight.dtype, weight.device.type) == (dtype, device)
    assert fresh_layer(torch_nn.Linear, (3, 5), {}).weight.device.type == "cpu"


def test_the_default_data_type_counts():
    fresh_layer(torch_nn.Linear, (3, 7), {})
    torch.set_default_dtype(torch.float64)
    try:
        assert fresh_layer(torch_nn.Linear, (3, 7), {}).weight.dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert fresh_layer(torch_nn.Linear, (3, 7), {}).weight.dtype is torch.float32
    assert fresh_layer(torch_nn.Linear, (3, 7), {"dtype": torch.float64}).weight.dtype is torch.float64


def test_a_constructor_that_a_user_replaced_is_called(monkeypatch):
    base = nn.Sequential(nn.Linear(2, nn.ValueChoice([3, 4], label="size")))
    nn.freeze(base, {"size": 4})

    def reset(self):
        torch_nn.init.zeros_(self.weight)

    monkeypatch.setattr(torch_nn.Linear, "reset_parameters", reset)
    assert not bool(nn.freeze(base, {"size": 4})[0].weight.any())
