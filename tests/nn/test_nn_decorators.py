from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import sys
import types

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.graph import GraphEngine, check, convert_to_graph
from retiarii.nn.pytorch._recording.module_call import Role
from retiarii.space.construction import call_of


def width():
    return nn.ValueChoice([1, 2], label="width")


@nn.basic_unit
class Unit(nn.Module):
    """A unit."""

    def __init__(self, width, *, note="x"):
        super().__init__()
        self.width = width
        self.note = note


@nn.basic_unit
class Forgetful(nn.Module):
    def __init__(self, const):
        self.const = const

    def forward(self, x):
        return x + self.const


@nn.basic_unit
class ForgetfulWithLayers(nn.Module):
    def __init__(self, width):
        self.layer = nn.Linear(1, width)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.layer(x)


@nn.model_wrapper
class Model(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(1, width)


def test_a_unit_gets_values_and_remembers_choices():
    choice = width()
    unit = Unit(choice, note=["a", choice])
    assert (unit.width, unit.note) == (1, ["a", 1])
    call = call_of(unit)
    assert call.cls is Unit
    assert call.args == (choice,) or call.args[0] is choice
    assert call.kwargs["note"][1] is choice
    assert call.role is Role.UNIT
    frozen = nn.freeze(unit, {"width": 2})
    assert (frozen.width, frozen.note) == (2, ["a", 2])
    assert type(frozen) is Unit
    assert call_of(frozen) is None


def test_the_class_stays_the_same_class():
    assert Unit.__name__ == "Unit"
    assert Unit.__doc__ == "A unit."
    assert list(inspect.signature(Unit).parameters) == ["width", "note"]
    assert pickle.loads(pickle.dumps(Unit(3))).width == 3
    assert copy.deepcopy(Unit(3)).width == 3
    assert nn.is_basic_unit(Unit)
    assert not nn.is_basic_unit(Model)


def test_a_unit_may_forget_to_call_super():
    unit = Forgetful(nn.ValueChoice([1.0, 2.0], label="const"))
    x = torch.zeros(1)
    assert unit(x) == 1
    assert nn.freeze(unit, {"const": 2.0})(x) == 2
    layers = nn.Sequential(ForgetfulWithLayers(width()))
    assert nn.freeze(layers, {"width": 2})(x).shape == (2,)


def test_the_tag():
    cls = nn.basic_unit(type("Open", (torch_nn.Module,), {}), basic_unit_tag=False)
    assert not nn.is_basic_unit(cls)
    assert not nn.is_basic_unit(type("Derived", (Unit,), {}))
    assert nn.basic_unit(nn.Conv2d) is nn.Conv2d


def test_a_subclass_is_on_its_own():
    class Derived(Unit):
        def __init__(self, width):
            super().__init__(width)

    choice = width()
    derived = Derived(choice)
    assert derived.width is choice
    assert call_of(derived) is None
    nn.basic_unit(Derived)
    assert Derived(choice).width == 1
    assert call_of(Derived(choice)).cls is Derived


def test_a_class_without_a_constructor_of_its_own():
    class Derived(Unit):
        pass

    nn.basic_unit(Derived)
    assert Derived(width()).width == 1
    assert Unit(width()).width == 1


def test_decorating_twice_is_decorating_once():
    cls = nn.basic_unit(nn.basic_unit(type("Twice", (Unit,), {})))
    assert cls(width()).width == 1
    call = call_of(nn.model_wrapper(cls)(3))
    assert call.role is Role.MODEL


def test_a_model_gets_its_arguments_as_they_are():
    choice = width()
    model = Model(choice)
    assert call_of(model).args[0] is choice
    assert nn.freeze(model, {"width": 2}).layer.out_features == 2


@pytest.mark.parametrize("decorate", [nn.basic_unit, nn.model_wrapper])
@pytest.mark.parametrize("thing", [dict, 3, lambda: None, torch_nn.Linear(1, 1)])
def test_only_module_classes_can_be_decorated(decorate, thing):
    with pytest.raises(TypeError, match=r"nn\.Module"):
        decorate(thing)


def test_the_call_of_another_library_s_class():
    cls = type("Foreign", (torch_nn.Linear,), {})
    layer = nn.basic_unit(cls)(3, width())
    assert nn.freeze(nn.Sequential(layer), {"width": 2})[0].out_features == 2


def test_no_record_is_left_in_what_is_built_inside_fixed_arch():
    with nn.fixed_arch({"width": 2}):
        model = Model(width())
    assert call_of(model) is None
    assert call_of(model.layer) is None


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A module of somebody else, with a class that knows nothing of us."""
    (tmp_path / "somebody_elses.py").write_text(
        "import torch\n"
        "class Scale(torch.nn.Module):\n"
        "    def __init__(self, size, factor=1.0):\n"
        "        super().__init__()\n"
        "        self.factor = float(factor)\n"
        "        self.weight = torch.nn.Parameter(torch.ones(int(size)))\n"
        "    def forward(self, x):\n"
        "        return x * self.weight * self.factor\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("somebody_elses")
    sys.modules.pop("somebody_elses")


def test_classes_of_torch_stay_as_they_are():
    before = dict(vars(torch_nn.Conv2d))
    Conv = nn.basic_unit(torch_nn.Conv2d)
    assert dict(vars(torch_nn.Conv2d)) == before
    assert Conv is nn.Conv2d
    assert nn.freeze(nn.Sequential(Conv(1, width(), 3)), {"width": 2})[0].out_channels == 2
    assert not nn.is_basic_unit(torch_nn.Conv2d)
    plain = torch_nn.Sequential(torch_nn.Conv2d(1, 2, 3))
    check(convert_to_graph(plain), torch.zeros(1, 1, 5, 5))
    with pytest.raises(TypeError, match=r"PyTorch's own class.*Derive"):
        nn.model_wrapper(torch_nn.Transformer)


def test_classes_of_other_libraries_stay_as_they_are(library):
    before = dict(vars(library.Scale))
    Scale = nn.basic_unit(library.Scale)
    assert dict(vars(library.Scale)) == before
    assert call_of(library.Scale(2)) is None
    base = nn.Sequential(nn.Linear(3, width()), Scale(width(), factor=nn.ValueChoice([1.0, 2.0], label="factor")))
    assert type(base[1]) is library.Scale
    assert isinstance(base[1], Scale)
    assert [choice.label for choice in nn.extract_space(base)] == ["width", "factor"]
    for model in (
        nn.freeze(base, {"width": 2, "factor": 2.0}),
        GraphEngine(base).build({"width": 2, "factor": 2.0}),
    ):
        assert type(model[1]) is library.Scale
        assert (len(model[1].weight), model[1].factor) == (2, 2.0)
    with nn.fixed_arch({"width": 2, "factor": 2.0}):
        fixed = nn.Sequential(nn.Linear(3, width()), Scale(width(), nn.ValueChoice([1.0, 2.0], label="factor")))
    assert fixed[1].factor == 2.0
    again = pickle.loads(pickle.dumps(Scale))
    assert again == Scale
    assert type(again(3)) is library.Scale
    assert issubclass(types.new_class("Mine", (Scale,)), library.Scale)


def test_a_decorator_keeps_the_class_wherever_it_stands():
    namespace = {"__name__": "a_module_of_mine", "nn": nn}
    exec("@nn.basic_unit\nclass Mine(nn.Module):\n    def __init__(self, x):\n        self.x = x\n", namespace)
    assert isinstance(namespace["Mine"], type)
    assert namespace["Mine"](width()).x == 1
