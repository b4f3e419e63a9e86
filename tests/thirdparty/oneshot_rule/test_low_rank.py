import pytest
import torch
from low_rank import RULES, Gate, LowRank

import retiarii.nn.pytorch as nn
from retiarii.errors import SupernetError
from retiarii.oneshot import DEFAULT_RULES, Supernet, build_supernet
from retiarii.testing.oneshot_rules import SAMPLING, RuleConformance


def network(*ranks):
    rank, width = nn.ValueChoice(ranks, label="rank"), nn.ValueChoice([3, 5], label="width")
    block = nn.LayerChoice([LowRank(4, rank), nn.Identity()], label="block")
    return nn.Sequential(LowRank(4, rank), block, nn.Linear(4, width), Gate(width), nn.Linear(width, 2))


class TestRules(RuleConformance):
    rules = RULES

    @pytest.fixture
    def model(self):
        return network(1, 2, 4)

    @pytest.fixture
    def inputs(self):
        return (torch.randn(8, 4, generator=torch.Generator().manual_seed(0)),)


class TestLargestFirst(TestRules):
    """The model then has the weights that the supernet owns."""

    @pytest.fixture
    def model(self):
        return network(4, 2, 1)

    def test_weights_of_the_largest_layer_are_those_of_the_model(self, supernet, model):
        expected = dict(model.named_parameters())
        for name in ("down", "up"):
            assert torch.equal(getattr(supernet.module[0], name), expected[f"0.{name}"])


class TestWithoutRules(TestRules):
    """Each set of arguments has weights of its own, and inputs of a chosen width fit single paths only."""

    rules = {}  # noqa: RUF012 - read only
    strategies = SAMPLING


def test_ranks_share_weights():
    supernet = build_supernet(network(1, 2, 4), {**DEFAULT_RULES, **RULES})
    assert isinstance(supernet, Supernet)
    assert sum(weight.numel() for weight in supernet.module[0].parameters()) == 2 * 4 * 4


def test_what_a_rule_refuses_is_named():
    features = nn.ValueChoice([4, 6], label="features")
    model = nn.Sequential(nn.Linear(4, features), LowRank(features, 2))
    with pytest.raises(SupernetError, match="'1' is a LowRank with a choice of its features") as caught:
        build_supernet(model, {**DEFAULT_RULES, **RULES})
    assert caught.value.path == "1"
