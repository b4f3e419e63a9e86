"""What `freeze` does with the weights and ties of the base model."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import FreezeError
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


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def values(layer):
    return layer.weight.detach().clone()


# Fresh or copied.


def test_untouched_layers_are_initialised_anew_by_torch_s_generator():
    base = Net()
    torch.manual_seed(1)
    one = nn.freeze(base, {"width": 8, "op": 0})
    torch.manual_seed(1)
    other = nn.freeze(base, {"width": 8, "op": 0})
    third = nn.freeze(base, {"width": 8, "op": 0})
    assert torch.equal(one.stem.weight, other.stem.weight)
    assert not torch.equal(one.stem.weight, third.stem.weight)
    assert not torch.equal(one.stem.weight, base.stem.weight)


def _load(layer):
    layer.load_state_dict({name: torch.full_like(value, 7) for name, value in layer.state_dict().items()})


def _data(layer):
    layer.weight.data.fill_(7)


def _part(layer):
    layer.weight.data[1, 1] = 7


def _init(layer):
    torch_nn.init.constant_(layer.weight, 7)


def _replace(layer):
    layer.weight = torch_nn.Parameter(torch.full_like(layer.weight, 7))


def _train(layer):
    layer(torch.ones(2, 3)).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=1.0).step()


@pytest.mark.parametrize("touch", [_load, _data, _part, _init, _replace, _train])
def test_touched_layers_keep_their_weights(touch):
    base = Net()
    touch(base.stem)
    frozen = nn.freeze(base, {"width": 8, "op": 1})
    assert torch.equal(frozen.stem.weight, base.stem.weight)
    assert frozen.stem.weight is not base.stem.weight
    frozen.stem.weight.data.zero_()
    assert bool(base.stem.weight.any())


@pytest.mark.parametrize("touch", [_load, _data, _part, _init, _replace, _train])
def test_touched_copies_keep_their_weights(touch):
    base = copy.deepcopy(Net())
    touch(base.stem)
    assert torch.equal(nn.freeze(base, {"width": 4, "op": 1}).stem.weight, base.stem.weight)
    untouched = copy.deepcopy(Net())
    assert not torch.equal(nn.freeze(untouched, {"width": 4, "op": 1}).stem.weight, untouched.stem.weight)


def test_a_forward_pass_touches_nothing():
    base = Net()
    base.norm(torch.randn(8, 4) + 5)
    assert bool(base.norm.running_mean.any())
    assert not nn.freeze(base, {"width": 4, "op": 1}).norm.running_mean.any()


def test_loaded_statistics_come_along():
    base = Net()
    _load(base.norm)
    frozen = nn.freeze(base, {"width": 4, "op": 1})
    assert torch.equal(frozen.norm.running_mean, torch.full((4,), 7.0))
    bare = nn.BatchNorm1d(2, affine=False)
    bare.running_mean.fill_(3)
    assert torch.equal(nn.freeze(bare, {}).running_mean, torch.full((2,), 3.0))


def test_weights_are_kept_where_the_architecture_is_that_of_the_base_model():
    base = Net()
    _load(base.wide)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(nn.freeze(base, {"width": 4, "op": 1}).wide.weight, base.wide.weight)


def test_lost_weights_are_named():
    base = Net()
    _load(base.wide)
    with pytest.warns(WeightsLostWarning, match=r"weight, bias of wide \(Linear\).*original_state_dict_hooks"):
        frozen = nn.freeze(base, {"width": 8, "op": 1})
    assert frozen.wide.weight.shape == (8, 4)


@pytest.mark.parametrize("options", [{}, {"weights": "keep"}, {"in_place": True}])
def test_the_warning_points_to_the_line_that_freezes(options):
    base = Net()
    _load(base.wide)
    with pytest.warns(WeightsLostWarning) as warned:
        nn.freeze(base, {"width": 8, "op": 1}, **options)
    assert {warning.filename for warning in warned} == {__file__}


@pytest.mark.parametrize("touch", [_load, lambda layer: layer.weight.detach()[0].fill_(7)])
def test_weights_that_are_changed_between_two_freezes(touch):
    base = Net()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.freeze(base, {"width": 8, "op": 1})
    touch(base.wide)
    with pytest.warns(WeightsLostWarning, match="wide"):
        nn.freeze(base, {"width": 8, "op": 1})


def test_modules_that_were_not_recorded_are_copied():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = torch_nn.Linear(2, 2)
            self.scale = nn.Parameter(torch.randn(3))
            self.register_buffer("table", torch.randn(3))
            self.register_buffer("scratch", torch.randn(3), persistent=False)
            self.nothing = None
            self.register_parameter("missing", None)

    base = Plain()
    frozen = nn.freeze(base, {})
    for name in ("backbone.weight", "scale", "table"):
        assert torch.equal(frozen.state_dict()[name], base.state_dict()[name])
    assert torch.equal(frozen.scratch, base.scratch)
    assert list(frozen.state_dict()) == list(base.state_dict())
    assert frozen.scale.data_ptr() != base.scale.data_ptr()
    assert frozen.missing is None


# Constructors that initialise.


def init(module):
    if type(module) == nn.Linear:  # noqa: E721 - as torch's own documentation writes it
        module.weight.data.fill_(0.5)


class Initialised(nn.Module):
    def __init__(self, width, bias=True):
        super().__init__()
        self.stem = nn.Linear(3, 4)
        self.wide = nn.Linear(4, widths() if width is None else width, bias=bias)
        self.apply(init)


def test_initialisation_in_a_wrapped_constructor_is_repeated():
    cls = nn.model_wrapper(type("Wrapped", (Initialised,), {}))
    frozen = nn.freeze(cls(None, bias=False), {"width": 8})
    assert frozen.wide.weight.shape == (8, 4)
    assert bool((frozen.wide.weight == 0.5).all())
    assert frozen.wide.bias is None
    assert type(frozen) is cls


def test_initialisation_in_a_constructor_that_was_not_recorded_is_lost_with_a_warning():
    with pytest.warns(WeightsLostWarning, match="@model_wrapper"):
        frozen = nn.freeze(Initialised(None), {"width": 8})
    assert bool((frozen.stem.weight == 0.5).all())
    assert not (frozen.wide.weight == 0.5).any()


def test_weights_that_were_loaded_later_are_carried_over_when_the_constructor_runs_again():
    cls = nn.model_wrapper(type("Wrapped", (Initialised,), {}))
    base = cls(None)
    base.stem.weight.data.fill_(9)
    base.stem.weight.requires_grad_(False)
    frozen = nn.freeze(base, {"width": 8})
    assert bool((frozen.wide.weight == 0.5).all())
    assert bool((frozen.stem.weight == 9).all())
    assert not frozen.stem.weight.requires_grad
    base.wide.weight.data.fill_(9)
    with pytest.warns(WeightsLostWarning, match=r"wide"):
        nn.freeze(base, {"width": 8})


def test_only_the_part_that_initialises_runs_again():
    built = []

    @nn.model_wrapper
    class Part(Initialised):
        def __init__(self):
            built.append("part")
            super().__init__(None)

    @nn.model_wrapper
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            built.append("whole")
            self.part = Part()
            self.other = nn.Linear(2, widths())

    base = Whole()
    built.clear()
    frozen = nn.freeze(base, {"width": 8})
    assert built == ["part"]
    assert bool((frozen.part.wide.weight == 0.5).all())
    assert frozen.other.out_features == 8


def test_a_basic_unit_that_initialises_is_initialised_anew():
    @nn.basic_unit
    class Unit(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.linear = nn.Linear(2, width)
            self.scale = nn.Parameter(torch.rand(width))
            torch_nn.init.uniform_(self.linear.weight, 10, 11)

    base = nn.Sequential(Unit(4), Unit(widths()))
    frozen = nn.freeze(base, {"width": 8})
    for old, new in zip(base, frozen, strict=True):
        assert bool((new.linear.weight >= 10).all())
        assert not torch.equal(new.linear.weight[:4], old.linear.weight)
        assert not torch.equal(new.scale[:4], old.scale)
    _load(base[0])
    assert bool((nn.freeze(base, {"width": 8})[0].scale == 7).all())
    _load(base[1])
    with pytest.warns(WeightsLostWarning, match="of 1"):
        nn.freeze(base, {"width": 8})


def test_changes_that_the_constructor_cannot_repeat_are_an_error():
    cls = nn.model_wrapper(type("Wrapped", (Initialised,), {}))
    base = cls(None)
    base.extra = nn.Linear(2, 2)
    with pytest.raises(FreezeError, match="children were changed"):
        nn.freeze(base, {"width": 8})
    assert nn.freeze(base, {"width": 4}).extra.out_features == 2


def test_attributes_that_a_constructor_sets_on_its_layers():
    class Modified(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = nn.Linear(4, widths())
            self.wide.note = "mine"
            self.stem = nn.Linear(2, 2)
            self.stem.note = "mine"

    frozen = nn.freeze(nn.model_wrapper(type("Wrapped", (Modified,), {}))(), {"width": 8})
    assert (frozen.wide.note, frozen.stem.note) == ("mine", "mine")
    with pytest.warns(WeightsLostWarning, match="changes to wide"):
        frozen = nn.freeze(Modified(), {"width": 8})
    assert frozen.stem.note == "mine"
    assert not hasattr(frozen.wide, "note")


# Sharing.


class Tied(nn.Module):
    def __init__(self, order):
        super().__init__()
        for name in order:
            setattr(self, name, nn.Embedding(6, widths()) if name == "embed" else nn.Linear(widths(), 6, bias=False))
        self.head.weight = self.embed.weight


@pytest.mark.parametrize("order", [("embed", "head"), ("head", "embed")])
@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("wrap", [False, True])
def test_tied_weights_stay_tied(order, width, wrap):
    cls = nn.model_wrapper(type("Wrapped", (Tied,), {})) if wrap else Tied
    base = cls(order)
    frozen = nn.freeze(base, {"width": width})
    assert frozen.head.weight is frozen.embed.weight
    assert frozen.head.weight.shape == (6, width)
    assert len(list(frozen.parameters())) == 1
    assert not torch.equal(frozen.head.weight[:, :4], base.head.weight)


@pytest.mark.parametrize("order", [("embed", "head"), ("head", "embed")])
def test_tied_and_loaded_weights(order):
    base = Tied(order)
    base.embed.weight.data.fill_(3)
    frozen = nn.freeze(base, {"width": 4})
    assert frozen.head.weight is frozen.embed.weight
    assert bool((frozen.head.weight == 3).all())
    with pytest.warns(WeightsLostWarning, match="weight of"):
        nn.freeze(base, {"width": 8})


def test_shared_modules_stay_shared():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, widths())
            self.b = self.a
            self.list = [self.a, {"choice": None}]
            self.op = nn.LayerChoice([nn.Linear(1, 1), nn.Identity()], label="op")
            self.same_op = self.op
            self.list[1]["choice"] = self.op

    base = Shared()
    for frozen in (nn.freeze(base, {"width": 8, "op": 0}), build(Shared, {"width": 8, "op": 0})):
        assert frozen.a is frozen.b
        assert frozen.list[0] is frozen.a
        assert frozen.op is frozen.same_op
        assert frozen.list[1]["choice"] is frozen.op
        assert type(frozen.op) is torch_nn.Linear


def build(cls, architecture):
    with nn.fixed_arch(architecture):
        return cls()


def _permuted(weight):
    weight.data = weight.data.flip(0)


def _permuted_in_place(weight):
    with torch.no_grad():
        weight.copy_(weight.flip(0))


@pytest.mark.parametrize("change", [_permuted, _permuted_in_place, lambda weight: weight.data.neg_()])
@pytest.mark.parametrize("is_second", [False, True])
def test_rearranged_weights_are_kept(change, is_second):
    @nn.basic_unit
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(6, 6))

    base = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), Scale(), nn.LayerChoice([nn.Identity()], label="x"))
    if is_second:
        nn.freeze(base, {"x": 0})  # a first look must not be believed for ever
    for layer in (base[0], base[2]):
        change(layer.weight)
    frozen = nn.freeze(base, {"x": 0})
    assert torch.equal(frozen[0].weight, base[0].weight)
    assert torch.equal(frozen[2].weight, base[2].weight)


def test_weights_written_past_the_version_counter_are_not_lost_silently():
    base = nn.Sequential(nn.Linear(4, nn.ValueChoice([4, 5], label="width")))
    nn.freeze(base, {"width": 5})
    base[0].weight.data.normal_()
    with pytest.warns(nn.WeightsLostWarning, match="Lost weight"):
        nn.freeze(base, {"width": 5})
