from __future__ import annotations

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn as torch_nn

import retiarii.nn.pytorch as nn
from retiarii.nn.pytorch._construction import call_of
from retiarii.nn.pytorch._recording import Role


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
