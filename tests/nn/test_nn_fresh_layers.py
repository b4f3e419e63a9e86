"""Layers with other arguments than in the base model are built as the constructor would, in less time."""

from __future__ import annotations

import pytest
import torch
from torch import nn as torch_nn
from torch._subclasses import FakeTensor, FakeTensorMode

import retiarii.nn.pytorch as nn
from retiarii.errors import FreezeError
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


def _set(owner, name, make):
    def patch(monkeypatch):
        monkeypatch.setattr(owner, name, make(getattr(owner, name)))

    return patch


def _then(change):
    def make(usual):
        def replaced(self, *args, **kwargs):
            usual(self, *args, **kwargs)
            change(self)

        return replaced

    return make


def _filling(value):
    return lambda usual: lambda tensor, *args, **kwargs: tensor.data.fill_(value)


PATCHES = {
    "init.ones_": _set(torch_nn.init, "ones_", _filling(5)),
    "init.zeros_": _set(torch_nn.init, "zeros_", _filling(5)),
    "init.kaiming_uniform_": _set(torch_nn.init, "kaiming_uniform_", _filling(5)),
    "reset_running_stats": _set(
        torch_nn.modules.batchnorm._NormBase, "reset_running_stats", _then(lambda norm: norm.running_mean.fill_(5))
    ),
    "the constructor of a base class": _set(
        torch_nn.modules.batchnorm._NormBase, "__init__", _then(lambda norm: norm.running_mean.fill_(5))
    ),
    "register_parameter": _set(
        torch_nn.Module,
        "register_parameter",
        lambda usual: (
            lambda self, name, value: usual(self, name, None if value is None else torch_nn.Parameter(value.to("meta")))
        ),
    ),
}


@pytest.mark.parametrize("name", PATCHES)
def test_functions_that_a_user_replaced_count_only_meanwhile(name, monkeypatch):
    def same():
        for cls, args in ((torch_nn.BatchNorm1d, (4,)), (torch_nn.Linear, (3, 4))):
            torch.manual_seed(1)
            expected = cls(*args)
            for _ in range(2):
                torch.manual_seed(1)
                layer = fresh_layer(cls, args, {})
                for key, tensor in expected.state_dict().items():
                    other = layer.state_dict()[key]
                    assert other.device == tensor.device
                    assert tensor.is_meta or torch.equal(other, tensor), (cls, key)

    same()
    with monkeypatch.context() as patched:
        PATCHES[name](patched)
        same()
    same()


def test_hooks_on_new_parameters_are_called():
    fresh_layer(torch_nn.Linear, (3, 4), {})
    names = []
    hook = torch_nn.modules.module.register_module_parameter_registration_hook(
        lambda module, name, parameter: names.append(name)
    )
    try:
        fresh_layer(torch_nn.Linear, (3, 4), {})
    finally:
        hook.remove()
    assert names == ["weight", "bias"]


def test_gradients_are_needed_where_the_base_model_needs_them():
    assert [fresh_layer(torch_nn.Embedding, (3, 4), {"_freeze": True}).weight.requires_grad for _ in range(2)] == [
        False,
        False,
    ]
    base = nn.Sequential(nn.Embedding(nn.ValueChoice([3, 4], label="size"), 2, _freeze=True))
    base[0].weight.requires_grad_(True)
    assert [nn.freeze(base, {"size": 4})[0].weight.requires_grad for _ in range(2)] == [True, True]


def test_layers_that_are_built_on_the_meta_device_are_initialised_where_the_base_model_is():
    size = nn.ValueChoice([4, 8], label="size")
    base = nn.Sequential(nn.Linear(3, size), nn.BatchNorm1d(size), nn.LSTM(size, 2), nn.Linear(2, 2))
    with torch.device("meta"):
        torch.manual_seed(1)
        frozen = nn.freeze(base, {"size": 8})
    torch.manual_seed(1)
    expected = nn.freeze(base, {"size": 8})
    for name, tensor in expected.state_dict().items():
        assert torch.equal(frozen.state_dict()[name], tensor), name


def test_layers_without_initialisation():
    base = nn.Sequential(torch_nn.utils.skip_init(nn.Linear, 3, nn.ValueChoice([4, 8], label="size")))
    base[0].weight.data.fill_(7)
    assert bool((nn.freeze(base, {"size": 4}, weights="keep")[0].weight == 7).all())
    with pytest.warns(nn.WeightsLostWarning, match="weight, bias of 0"):
        frozen = nn.freeze(base, {"size": 8})
    assert frozen[0].weight.shape == (8, 3)
    assert frozen[0].weight.device.type == "cpu"


def test_a_unit_that_cannot_be_initialised_off_the_meta_device_is_an_error():
    @nn.basic_unit
    class Scale(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(size))

    base = nn.Sequential(Scale(nn.ValueChoice([4, 8], label="size")))
    with torch.device("meta"), pytest.raises(FreezeError, match="Scale was built anew on the meta device"):
        nn.freeze(base, {"size": 8})


def test_models_without_memory_are_built_and_frozen():
    with FakeTensorMode():
        size = nn.ValueChoice([4, 8], label="size")
        frozen = nn.freeze(nn.Sequential(nn.Linear(3, size), nn.BatchNorm1d(size), nn.Linear(2, 2)), {"size": 8})
        assert [tuple(parameter.shape) for parameter in frozen.parameters()] == [(8, 3), (8,), (8,), (8,), (2, 2), (2,)]
        assert all(isinstance(parameter, FakeTensor) for parameter in frozen.parameters())
