"""`freeze(in_place=True)` makes the model the network that `freeze` returns, with the same parameters."""

import copy

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import ArchitectureError, ConfigError, FreezeError
from retiarii.nn.pytorch import extract_space, freeze, model_wrapper
from retiarii.space import rng_for


@model_wrapper
class Wrapped(nn.Module):
    """The constructor computes with a choice, so that it has to run again."""

    def __init__(self):
        super().__init__()
        width = nn.ModelParameterChoice([4, 2], label="width")
        self.inner = nn.Linear(3, width)
        self.outer = nn.Linear(width, 3)

    def forward(self, x):
        return self.outer(self.inner(x))


class Net(nn.Module):
    """One of everything."""

    def __init__(self):
        super().__init__()
        self.op = nn.LayerChoice({"linear": nn.Linear(3, 3), "skip": nn.Identity()}, label="op")
        self.blocks = nn.Repeat(lambda index: nn.Linear(3, 3), (1, 3), label="depth")
        self.resized = nn.Sequential(
            nn.Linear(3, nn.ValueChoice([8, 4], label="size")), nn.Linear(nn.ValueChoice([8, 4], label="size"), 3)
        )
        self.cell = nn.Cell([lambda *place: nn.Linear(3, 3), lambda *place: nn.Identity()], 1, 1, 1, label="cell")
        self.wrapped = Wrapped()
        self.rate = nn.ValueChoice([0.5, 0.25], label="rate")
        self.kept = nn.Linear(3, 3)

    def forward(self, x):
        x = self.resized(self.blocks(self.op(x)))
        return self.kept(self.wrapped(self.cell([x]))) * self.rate()


@pytest.mark.parametrize("number", range(8))
def test_the_model_becomes_the_network_that_freeze_returns(number):
    model = Net()
    architecture = extract_space(model).sample(rng_for(0, number))
    x = torch.randn(2, 3)
    expected = freeze(model, architecture, weights="keep")
    kept, bias = model.kept, model.resized[1].bias
    assert freeze(model, architecture, in_place=True) is model
    assert list(model.state_dict()) == list(expected.state_dict())
    assert torch.equal(model(x), expected(x))
    assert len(extract_space(model)) == 0
    assert model.kept is kept
    assert model.resized[1].bias is bias  # its size does not depend on the choice


@pytest.mark.parametrize("change", [{"op": "other"}, {"depth": None}, {"unknown": 1}, {"rate": 3}])
def test_after_an_error_the_model_is_as_it_was(change):
    model = Net()
    x = torch.randn(2, 3)
    before, space, modules = model(x), extract_space(model), list(model.modules())
    architecture = {key: value for key, value in {**space.default(), **change}.items() if value is not None}
    with pytest.raises(ArchitectureError):
        freeze(model, architecture, in_place=True)
    assert torch.equal(model(x), before)
    assert extract_space(model) == space
    assert list(model.modules()) == modules
    assert freeze(copy.deepcopy(model), space.default(), in_place=True)(x).shape == (2, 3)


def test_a_model_whose_constructor_has_to_run_again_takes_over_its_result():
    model = Wrapped()
    weight, bias = model.inner.weight, model.outer.bias
    freeze(model, {"width": 2}, in_place=True)
    assert torch.equal(model.inner.weight, weight[:2])
    assert model.outer.bias is bias
    assert model(torch.ones(1, 3)).shape == (1, 3)


def test_what_cannot_be_done_in_place_is_refused():
    with pytest.raises(FreezeError, match="is itself a choice"):
        freeze(nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="op"), {"op": 0}, in_place=True)
    with pytest.raises(ConfigError, match="weights='fresh' is not possible"):
        freeze(Net(), {}, weights="fresh", in_place=True)
