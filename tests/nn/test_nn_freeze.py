from __future__ import annotations

import gc
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError
from retiarii.nn.pytorch.primitives import Frozen
from retiarii.space import Architecture


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, nn.ValueChoice([4, 8], label="width"))
        self.op = nn.LayerChoice(
            {"skip": nn.Identity(), "wide": nn.Linear(1, nn.ValueChoice([1, 2], label="inner"))}, label="op"
        )


@pytest.fixture(params=["freeze", "fixed_arch"])
def fix(request):
    """Both ways to the fixed model, with the class and the architecture as arguments."""

    def fix(cls, architecture, **options):
        if request.param == "freeze":
            return nn.freeze(cls(), architecture, **options)
        with nn.fixed_arch(architecture, **options):
            return cls()

    return fix


ARCHITECTURE = {"width": 8, "op": "wide", "inner": 2}


@pytest.mark.parametrize("make", [dict, Architecture])
def test_mappings(fix, make):
    model = fix(Net, make(ARCHITECTURE))
    assert model.layer.out_features == 8
    assert model.op.out_features == 2
    assert type(model) is Net


@pytest.mark.parametrize("make", [str, lambda path: path])
def test_files(fix, make, tmp_path):
    path = tmp_path / "best.json"
    path.write_text(json.dumps({"width": 8, "op": [1], "inner": 2}))
    assert fix(Net, make(path)).op.out_features == 2


def test_a_file_that_is_not_there(fix):
    with pytest.raises(ArchitectureError, match=r"nowhere\.json"):
        fix(Net, "nowhere.json")


@pytest.mark.parametrize("text", ["", "[1]", "{", '"a"'])
def test_a_file_that_is_no_architecture(fix, tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ArchitectureError, match=r"bad\.json"):
        fix(Net, path)


def test_unknown_label(fix):
    with pytest.raises(ArchitectureError, match=r"'widht'.*Did you mean 'width'"):
        fix(Net, {**ARCHITECTURE, "widht": 3})


def test_unknown_labels_may_be_allowed(fix):
    assert fix(Net, {**ARCHITECTURE, "learning_rate": 3}, strict=False).layer.out_features == 8


def test_missing_label(fix):
    with pytest.raises(ArchitectureError, match=r"no value for the choice 'width' \(declared at .*layer\)") as caught:
        fix(Net, {"op": "skip"})
    assert caught.value.label == "width"


def test_missing_label_inside_the_chosen_candidate(fix):
    with pytest.raises(ArchitectureError, match="'inner'"):
        fix(Net, {"width": 4, "op": "wide"})


def test_labels_that_are_inactive_are_no_error(fix):
    model = fix(Net, {**ARCHITECTURE, "op": "skip"})
    assert type(model.op) is torch_nn.Identity
    assert type(fix(Net, {"width": 4, "op": "skip"}).op) is torch_nn.Identity


@pytest.mark.parametrize("width", [5, "8", None, [4], True])
def test_bad_value(fix, width):
    with pytest.raises(ArchitectureError, match="'width'") as caught:
        fix(Net, {**ARCHITECTURE, "width": width})
    assert caught.value.label == "width"


def test_values_of_inactive_labels_do_not_matter():
    assert type(nn.freeze(Net(), {"width": 4, "op": "skip", "inner": 77}).op) is torch_nn.Identity


def test_a_primitive_as_the_whole_model():
    choice = nn.LayerChoice([nn.Linear(1, 1), nn.ReLU()], label="op")
    assert type(nn.freeze(choice, {"op": 1})) is torch_nn.ReLU
    assert isinstance(nn.freeze(nn.InputChoice(2, label="x"), {"x": 1}), nn.ChosenInputs)
    frozen = nn.freeze(nn.Repeat(choice, (1, 2), label="n"), {"n": 2, "op": 0})
    assert [type(layer) for layer in frozen] == [torch_nn.Linear] * 2
    with nn.original_state_dict_hooks(frozen):
        assert list(frozen.state_dict()) == [f"blocks.{i}.0.{name}" for i in (0, 1) for name in ("weight", "bias")]


def test_a_frozen_model_can_be_frozen_again():
    frozen = nn.freeze(Net(), ARCHITECTURE)
    again = nn.freeze(frozen, {})
    assert repr(again) == repr(frozen)
    with pytest.raises(ArchitectureError):
        nn.freeze(frozen, ARCHITECTURE)


def test_a_model_around_a_frozen_model():
    class Around(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net
            self.head = nn.Linear(nn.ValueChoice([1, 2], label="head"), 1)

    frozen = nn.freeze(Around(nn.freeze(Net(), ARCHITECTURE)), {"head": 2})
    assert frozen.net.op.out_features == 2
    assert frozen.head.in_features == 2
    with nn.original_state_dict_hooks(frozen):
        assert "net.op.weight" in frozen.state_dict()  # its base model is the model around the frozen one


@pytest.mark.parametrize("function", [nn.extract_space, lambda model: nn.freeze(model, {})])
def test_a_class_is_no_model(function):
    with pytest.raises(TypeError, match=r"Build it first: Net\(\.\.\.\)"):
        function(Net)
    with pytest.raises(TypeError, match="expected a model"):
        function(None)


def test_freeze_inside_fixed_arch():
    base = Net()
    with nn.fixed_arch({}):
        assert nn.freeze(base, ARCHITECTURE).op.out_features == 2


def test_threads_may_freeze_one_base_model():
    base = Net()

    def fix(width):
        return [nn.freeze(base, {"width": width, "op": "skip"}).layer.out_features for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fix, [4, 8, 4, 8])) == [[4] * 20, [8] * 20, [4] * 20, [8] * 20]


def test_empty_slots_stay_empty():
    class Slots(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)
            self.register_module("downsample", None)

    assert nn.freeze(Slots(), {}).downsample is None


class Watching(nn.Mutable):
    """A primitive without choices that notes whether the garbage collector is on while it is fixed."""

    def __init__(self, fail=False):
        super().__init__()
        self.fail = fail
        self.seen = []

    def declare_choices(self, survey):
        pass

    def freeze_by(self, freezer):
        nn.freeze(Net(), ARCHITECTURE)
        self.seen.append(gc.isenabled())
        if self.fail:
            raise ValueError("fails")
        return Frozen(torch_nn.Identity())

    def forward(self, x):
        return x


@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.parametrize("is_on", [True, False])
def test_the_garbage_collector_is_off_while_a_model_is_fixed_and_afterwards_as_before(fail, is_on):
    base = torch_nn.Sequential(Watching(fail))
    (gc.enable if is_on else gc.disable)()
    try:
        with pytest.raises(ValueError, match="fails") if fail else nullcontext():
            nn.freeze(base, {})
        assert base[0].seen == [False]
        assert gc.isenabled() is is_on
    finally:
        gc.enable()
