"""The interface of rules: sites, configurations, lookups, and operators around other modules."""

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import SupernetError
from retiarii.oneshot import (
    DARTS,
    DEFAULT_RULES,
    Configurations,
    Decision,
    Lookup,
    Operator,
    Site,
    SliceRule,
    active_tensor,
    build_supernet,
    joint_values,
    slice_rule,
    subnet,
)
from retiarii.space import Categorical, Subset


def lookup(**domains):
    decisions = {label: Decision(Categorical(label, values)) for label, values in domains.items()}
    return Lookup(decisions, 1), decisions


def test_a_lookup_finds_the_decisions_of_expressions():
    found, decisions = lookup(a=(1, 2), b=(3, 4))
    total = nn.ValueChoice([1, 2], label="a") + nn.ValueChoice([3, 4], label="b")
    assert found["a"] is decisions["a"]
    assert found.decisions_in([total, "text"]) == (decisions["a"], decisions["b"])
    decisions["a"].choose(2)
    assert total.evaluate(found.values(list(decisions.values()))) == 5


def test_values_of_an_expression_have_exact_probabilities():
    found, decisions = lookup(a=(1, 2), b=(1, 2))
    for decision, share in zip(decisions.values(), (0.25, 0.5), strict=True):
        decision.mix(torch.tensor([share, 1 - share]))
    total = nn.ValueChoice([1, 2], label="a") + nn.ValueChoice([1, 2], label="b")
    values, probabilities = joint_values(total, found)
    assert values == [2, 3, 4]
    torch.testing.assert_close(probabilities, torch.tensor([0.125, 0.5, 0.375]))


@pytest.mark.parametrize("number", [3, 14])
def test_a_candidate_has_the_weight_of_all_subsets_with_it(number):
    names = tuple(f"c{index}" for index in range(number))
    decision = Decision(Subset("s", names, min_chosen=0, max_chosen=number))
    decision.choose(("c0", "c2"))
    with pytest.raises(SupernetError, match="expected a Subset that is set to a mixture"):
        decision.inclusion()
    decision.be_certain(torch.device("cpu"))
    assert decision.inclusion().tolist() == [float(index in (0, 2)) for index in range(number)]
    if number == 3:
        decision.mix(torch.full((8,), 1 / 8))
        torch.testing.assert_close(decision.inclusion(), torch.full((3,), 0.5))


def test_a_site_of_a_primitive_has_no_constructor_arguments():
    site = Site("layers.0", lookup()[0], lambda module, path: module, None)
    with pytest.raises(SupernetError, match=r"'layers.0' is a primitive, .*choice_rule") as caught:
        site.configurations()
    assert caught.value.path == "layers.0"


@nn.basic_unit
class Twice(nn.Module):
    """A block that runs the block in its arguments twice, times a factor."""

    def __init__(self, block, factor):
        super().__init__()
        self.block = block
        self.factor = factor

    def forward(self, x):
        return self.block(self.block(x)) * self.factor


class TwiceOperator(Operator):
    def __init__(self, path, configurations, block):
        super().__init__(path)
        self.configurations, self.block = configurations, block
        self.decisions = configurations.decisions

    def forward(self, x):
        assert isinstance(self.configurations, Configurations)
        factors = torch.tensor([float(config["factor"]) for config in self.configurations.grid.configs])
        mixed = self.configurations.is_mixed
        factor = self.configurations.probabilities() @ factors if mixed else self.configurations.current()["factor"]
        return self.block(self.block(x)) * factor

    def active_tensor(self, name):
        return active_tensor(self.block, name.removeprefix("block."))


def twice_rule(module, site):
    assert isinstance(site, Site)
    return TwiceOperator(site.path, site.configurations(), site.convert(module.block, f"{site.path}.block"))


def test_an_operator_keeps_modules_with_choices_inside():
    block = nn.LayerChoice([nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.Tanh())], label="op")
    model = nn.Sequential(Twice(block, nn.ValueChoice([1, 3], label="factor")))
    x = torch.randn(4, 2)
    search = DARTS(rules={Twice: twice_rule}).search(model, seed=0)
    search.reset()
    assert search.supernet(x).shape == (4, 2)
    for architecture in search.supernet.space.grid():
        search.supernet.set_architecture(architecture)
        torch.testing.assert_close(search.supernet(x), subnet(search, architecture)(x))


class Narrow(torch.nn.Linear):
    """A layer of another library."""


def test_rules_of_a_strategy_come_before_those_of_the_package():
    width = nn.ValueChoice([2, 3], label="width")
    model = nn.Sequential(nn.basic_unit(Narrow)(4, width), nn.Linear(width, 1))
    assert build_supernet(model, DEFAULT_RULES).set_architecture({"width": 2}) is None

    def refuse(module, site):
        raise SupernetError(f"no {type(module).__name__} here", path=site.path)

    with pytest.raises(SupernetError, match="no Narrow here"):
        DARTS(rules={Narrow: refuse}).search(model)
    shared = DARTS(rules={Narrow: slice_rule(SliceRule(inputs="in_features", outputs="out_features"))}).search(model)
    assert sum(weight.numel() for weight in shared.supernet.module[0].parameters()) == 3 * 4 + 3
