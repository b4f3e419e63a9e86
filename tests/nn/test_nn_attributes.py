"""What `freeze` does with the flags, devices, hooks and attributes of the base model."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.nn.pytorch import WeightsLostWarning


def widths():
    return nn.ValueChoice([4, 8], label="width")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = widths()
        self.stem = nn.Linear(3, 4)
        self.wide = nn.Linear(4, width)
        self.norm = nn.BatchNorm1d(width)
        self.op = nn.LayerChoice([nn.Linear(2, 2), nn.Identity()], label="op")


def build(cls, architecture):
    with nn.fixed_arch(architecture):
        return cls()


def test_training_mode_and_gradients():
    base = Net()
    base.eval()
    base.stem.train()
    base.wide.weight.requires_grad_(False)
    base.stem.bias.requires_grad_(False)
    frozen = nn.freeze(base, {"width": 8, "op": 0})
    assert not frozen.training
    assert not frozen.wide.training
    assert frozen.stem.training
    assert [name for name, parameter in frozen.named_parameters() if not parameter.requires_grad] == [
        "stem.bias",
        "wide.weight",
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_data_type(dtype):
    base = Net().to(dtype)
    frozen = nn.freeze(base, {"width": 4, "op": 0})
    assert {tensor.dtype for tensor in frozen.state_dict().values()} == {dtype, torch.int64}
    assert torch.equal(frozen.stem.weight, base.stem.weight)


def test_data_type_of_a_layer_that_gets_another_shape():
    with pytest.warns(WeightsLostWarning):
        frozen = nn.freeze(Net().double(), {"width": 8, "op": 0})
    assert frozen.wide.weight.dtype is torch.float64


def test_memory_format():
    base = nn.Sequential(nn.Conv2d(3, 4, 3)).to(memory_format=torch.channels_last)
    assert nn.freeze(base, {})[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_base_model_without_memory():
    with torch.device("meta"):
        base = Net()
    frozen = nn.freeze(base, {"width": 8, "op": 0})
    assert not any(tensor.is_meta for tensor in frozen.state_dict().values())


def test_lazy_layers_are_new():
    base = nn.Sequential(nn.Linear(3, widths()), nn.LazyLinear(2))
    base(torch.ones(1, 3))
    frozen = nn.freeze(base, {"width": 8})
    assert frozen(torch.ones(1, 3)).shape == (1, 2)
    assert frozen[1].in_features == 8


def test_hooks_come_along():
    class Hooked(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = []
            self.layer = nn.Linear(2, 2)
            self.layer.register_forward_hook(self.record)
            self.layer.register_forward_hook(lambda module, args, output: self.calls.append("lambda"))

        def record(self, module, args, output):
            self.calls.append("method")

        def forward(self, x):
            return self.layer(x)

    base = Hooked()
    frozen = nn.freeze(base, {})
    frozen(torch.ones(1, 2))
    assert frozen.calls == ["method", "lambda"]
    assert base.calls == []


def test_attributes_are_copied_and_refer_to_copies():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.lock = threading.Lock()
            self.cache = {"list": [1, 2], "layer": self.layer, "set": {1}}
            self.same_cache = self.cache
            self.method = self.helper
            self.function = lambda: self.layer
            self.kind = nn.Conv2d
            self.kinds = [nn.Conv2d]
            self.tensor = torch.ones(2)
            self.data = torch.utils.data.TensorDataset(torch.ones(2))
            object.__setattr__(self, "parent", self)

        def helper(self):
            return self

    base = Holder()
    frozen = nn.freeze(base, {})
    assert frozen.cache["layer"] is frozen.layer
    assert frozen.cache is frozen.same_cache
    assert frozen.cache["list"] == [1, 2]
    assert frozen.cache["list"] is not base.cache["list"]
    assert frozen.cache["set"] is not base.cache["set"]
    assert frozen.method() is frozen
    assert frozen.function() is frozen.layer
    assert base.function() is base.layer
    assert frozen.lock is base.lock
    assert frozen.kind is torch_nn.Conv2d
    assert frozen.kinds == [torch_nn.Conv2d]
    assert type(frozen.kinds[0]) is type
    assert frozen.tensor is not base.tensor
    assert frozen.parent is frozen
    assert frozen.data is base.data


def test_references_to_candidates():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.all = [nn.Linear(1, 1), nn.Linear(1, nn.ValueChoice([1, 2], label="width"))]
            self.op = nn.LayerChoice(self.all, label="op")

    base = Holder()
    assert dict(nn.extract_space(base).default()) == {"op": 0}
    frozen = nn.freeze(base, {"op": 0})
    assert frozen.all == [frozen.op, None]


def test_choices_that_nobody_registered():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.picks = [nn.InputChoice(2, label="a"), nn.InputChoice(2, label="b")]

        def forward(self, x):
            return [pick(x) for pick in self.picks]

    assert len(nn.extract_space(Holder())) == 2
    assert nn.freeze(Holder(), {"a": 1, "b": 0})([1, 2]) == [2, 1]
    assert build(lambda: nn.Sequential(Holder()), {"a": 1, "b": 0})[0]([1, 2]) == [2, 1]


def test_recurrent_layers_with_loaded_weights():
    base = nn.Sequential(nn.LSTM(2, 3))
    for parameter in base.parameters():
        parameter.data.fill_(0.1)
    frozen = nn.freeze(base, {})
    x = torch.ones(4, 1, 2)
    assert torch.equal(frozen(x)[0], base(x)[0])
    for parameter in frozen.parameters():
        parameter.data.zero_()
    assert not frozen(x)[0].any()
    assert base(x)[0].any()


def test_a_forget_gate_that_was_set_by_hand():
    base = nn.Sequential(nn.LSTM(2, 3))
    base[0].bias_hh_l0.data[3:6].fill_(1)
    assert torch.equal(nn.freeze(base, {})[0].bias_hh_l0, base[0].bias_hh_l0)


def test_weight_norm_is_kept():
    base = nn.Sequential(torch_nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)))
    frozen = nn.freeze(base, {})
    x = torch.ones(1, 2)
    assert torch.equal(frozen(x), base(x))
    assert list(frozen.state_dict()) == list(base.state_dict())
    frozen[0].parametrizations.weight.original0.data.zero_()
    assert not torch.equal(frozen(x), base(x))


def test_traced_modules_are_copied_as_a_whole():
    traced = torch.fx.symbolic_trace(torch_nn.Sequential(torch_nn.Linear(2, 2)))
    base = nn.Sequential(traced, nn.Linear(2, widths()))
    frozen = nn.freeze(base, {"width": 8})
    assert torch.equal(frozen[0](torch.ones(1, 2)), traced(torch.ones(1, 2)))


def test_the_base_model_stays_as_it_is():
    base = Net()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    text = repr(base)
    for width in (4, 8):
        frozen = nn.freeze(base, {"width": width, "op": 0})
        for parameter in frozen.parameters():
            parameter.data.zero_()
    assert repr(base) == text
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())
