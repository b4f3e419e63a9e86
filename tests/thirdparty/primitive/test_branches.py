import random

import pytest
import torch
from branches import RULES, Branches, BranchSum

import retiarii.nn.pytorch as nn
from retiarii.errors import SupernetError
from retiarii.oneshot import DARTS, SearchLoop, subnet
from retiarii.testing.oneshot_rules import SAMPLING
from retiarii.testing.primitives import PrimitiveConformance


def branches(at_most=None):
    """A choice among three branches, two of which have choices inside."""
    inner = nn.LayerChoice([nn.Tanh(), nn.Linear(4, 4)], label="inner")
    width = nn.ValueChoice([2, 3], label="width")
    named = {
        "plain": nn.Linear(4, 4),
        "nested": nn.Sequential(inner, nn.BatchNorm1d(4)),
        "wide": nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 4)),
    }
    return Branches(named, at_most, label="branches")


class TestBranches(PrimitiveConformance):
    rules = RULES

    @pytest.fixture
    def make(self):
        return branches

    @pytest.fixture
    def inputs(self):
        return (torch.randn(8, 4, generator=torch.Generator().manual_seed(0)),)


class TestAtMostTwo(TestBranches):
    @pytest.fixture
    def make(self):
        return lambda: branches(at_most=2)


class TestWithoutARule(TestBranches):
    """Without an operator of its own it can be sampled, as every primitive."""

    rules = {}  # noqa: RUF012 - read only
    strategies = SAMPLING


@nn.model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*[Branches({"a": nn.Linear(4, 4), "b": nn.Tanh()}) for _ in range(2)])
        self.op = nn.LayerChoice([nn.ReLU(), branches()], label="op")

    def forward(self, x):
        return self.op(self.blocks(x))


def test_labels_are_numbered_and_conditions_nest():
    space = nn.extract_space(Net())
    assert [choice.label for choice in space] == ["model_1", "model_2", "op", "branches", "inner", "width"]
    assert space.size == 9 * (1 + 17)  # one branch: 1 + 2 + 2, two: 2 + 2 + 4, three: 4
    frozen = nn.freeze(Net(), {"model_1": ["b"], "model_2": ["a", "b"], "op": 1, "branches": ["plain"]})
    assert list(frozen.state_dict()) == [
        "blocks.1.branches.a.weight",
        "blocks.1.branches.a.bias",
        "op.branches.plain.weight",
        "op.branches.plain.bias",
    ]


def test_a_search_learns_which_branch_is_good():
    torch.manual_seed(0)
    bad = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())
    model = nn.Sequential(Branches({"good": nn.Identity(), "bad": bad}, label="branches"))
    x = torch.randn(64, 4)
    search = DARTS(arc_learning_rate=0.1, rules=RULES).search(model, seed=0)
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.01)
    SearchLoop(search, lambda network, batch: (network(batch) - batch).square().mean(), optimizer).run([x] * 20, [x], 2)
    assert dict(search.export()) == {"branches": ("good",)}
    assert torch.equal(subnet(search, search.export())(x), x)


def many_branches():
    return Branches({f"branch{number}": nn.Linear(4, 4) for number in range(14)}, label="branches")


class TestMoreSubsetsThanCanBeListed(TestBranches):
    @pytest.fixture
    def make(self):
        return many_branches


def test_a_strategy_without_the_rule_says_what_to_do():
    search = DARTS().search(nn.Sequential(branches()), seed=0)
    search.reset()
    with pytest.raises(SupernetError, match=r"Branches, which has no mixture.*give build_supernet a rule"):
        search.supernet(torch.randn(8, 4))


def test_sampling_covers_all_branches():
    space = nn.extract_space(nn.Sequential(branches()))
    rng = random.Random(0)
    seen = {name for _ in range(50) for name in space.sample(rng)["branches"]}
    assert seen == {"plain", "nested", "wide"}
    assert isinstance(nn.freeze(nn.Sequential(branches()), space.default())[0], BranchSum)
