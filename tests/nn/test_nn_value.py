from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError
from retiarii.nn.pytorch import FloatRange, IntegerRange, ValueChoice
from retiarii.space import Categorical, Float, Integer


def test_candidates_prior_and_label():
    choice = ValueChoice([1, 2], prior=[0.25, 0.75], label="size")
    assert choice.candidates == [1, 2]
    assert choice.prior == [0.25, 0.75]
    assert choice.label == "size"
    assert choice.choice() == Categorical("size", values=(1, 2), prior=(0.25, 0.75))
    assert ValueChoice([1]).prior is None


@pytest.mark.parametrize("candidates", [[1, 2.5, "a", True, None, (1, 2)], range(3), (x for x in "ab")])
def test_all_kinds_of_plain_values(candidates):
    assert ValueChoice(candidates, label="x")() in (1, 0, "a")


@pytest.mark.parametrize("candidates", [[], [1, 1], [[1], (1,)], "abc", None, 5])
def test_bad_candidates(candidates):
    with pytest.raises(DomainError, match="'x'"):
        ValueChoice(candidates, label="x")


@pytest.mark.parametrize("label", ["", 3, b"x"])
def test_bad_label(label):
    with pytest.raises(DomainError):
        ValueChoice([1, 2], label=label)


def test_default_when_called():
    assert ValueChoice([3, 5])() == 3
    assert IntegerRange(2, 8, 2)() == 2
    assert FloatRange(0.5, 1.0)() == 0.5


def test_ranges():
    assert IntegerRange(1, 9, 4, label="i").choice() == Integer("i", low=1, high=9, step=4)
    assert FloatRange(0.1, 1.0, log=True, label="f").choice() == Float("f", low=0.1, high=1.0, log=True)
    layer = nn.Linear(3, IntegerRange(2, 64, log=True, label="i"))
    assert layer.out_features == 2
    assert nn.freeze(layer, {"i": 33}).out_features == 33
    assert nn.freeze(nn.Dropout(FloatRange(0.1, 0.5, label="f")), {"f": 0.25}).p == 0.25


def test_static_methods_are_at_hand():
    a, b = ValueChoice([1, 5], label="a"), ValueChoice([3], label="b")
    layer = nn.Linear(ValueChoice.max(a, b), ValueChoice.condition(a > b, 10, 20))
    assert (layer.in_features, layer.out_features) == (3, 20)
    frozen = nn.freeze(layer, {"a": 5, "b": 3})
    assert (frozen.in_features, frozen.out_features) == (5, 10)


def test_a_copy_is_the_same_decision():
    choice = ValueChoice([1, 2])
    assert copy.copy(choice) is choice
    assert copy.deepcopy([choice])[0] is choice
    assert pickle.loads(pickle.dumps(choice)).label == choice.label


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = ValueChoice([1.0, 2.0], label="scale")

    def forward(self, x):
        return x * self.scale


class Called(nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = ValueChoice([0.0, 1.0], label="rate")

    def forward(self, x):
        return F.dropout(x, self.rate(), training=True)


class CalledInside(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = ValueChoice([1.0, 2.0], label="scale")

    def forward(self, x):
        return sum([x_i * self.scale() for x_i in x])


class CalledInHelper(CalledInside):
    def forward(self, x):
        return self.helper(x)

    @staticmethod
    def multiplied(x, module):
        return x * module.scale()

    def helper(self, x):
        return self.multiplied(x, self)


X = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("cls", "label", "values", "expected"),
    [
        (Scaled, "scale", [1.0, 2.0], [X, 2 * X]),
        (Called, "rate", [0.0, 1.0], [X, 0 * X]),
        (CalledInside, "scale", [1.0, 2.0], [2 * X[0], 4 * X[0]]),
        (CalledInHelper, "scale", [1.0, 2.0], [X, 2 * X]),
    ],
)
def test_read_in_forward_with_and_without_a_call(cls, label, values, expected):
    base = cls()
    if cls is not Scaled:  # which runs only when it is fixed
        assert torch.equal(base(X), expected[0])
    for value, result in zip(values, expected, strict=True):
        assert torch.equal(nn.freeze(base, {label: value})(X), result)
        with nn.fixed_arch({label: value}):
            model = nn.Sequential(cls())
        assert torch.equal(model(X), result)


def test_attribute_is_plain_unless_it_is_called():
    assert type(nn.freeze(Scaled(), {"scale": 2.0}).scale) is float
    rate = nn.freeze(Called(), {"rate": 1.0}).rate
    assert isinstance(rate, nn.ChosenValue)
    assert rate() == 1.0
    assert repr(rate) == "ChosenValue(1.0)"


def test_expressions_that_are_called():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.size = ValueChoice([1, 2], label="size") * 3

        def forward(self, x):
            return x * self.size()

    assert nn.freeze(Net(), {"size": 2})(1) == 6


def test_attributes_in_containers():
    class Config:
        pass

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            size = ValueChoice([1, 2], label="size")
            self.sizes = [size, (size * 2, "x"), {"deep": {"deeper": size + 1}}]
            self.plain = [1, 2]
            self.config = Config()

    base = Net()
    frozen = nn.freeze(base, {"size": 2})
    assert frozen.sizes == [2, (4, "x"), {"deep": {"deeper": 3}}]
    assert frozen.plain == base.plain
    assert frozen.plain is not base.plain
    assert isinstance(frozen.config, Config)
    assert frozen.config is not base.config


def test_inside_fixed_arch_a_call_gives_the_chosen_value():
    with nn.fixed_arch({"x": 2}, strict=False):
        assert ValueChoice([1, 2], label="x")() == 2
        assert ValueChoice([1, 2], label="unknown")() == 1
