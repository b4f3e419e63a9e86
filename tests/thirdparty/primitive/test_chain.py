import pytest
import torch
from chain import RULES, Chain

import retiarii.nn.pytorch as nn
from retiarii.space import Expression
from retiarii.testing.primitives import PrimitiveConformance


def block(index):
    activation = nn.LayerChoice([nn.Tanh(), nn.Identity()], label=f"activation{index}")
    return nn.Sequential(nn.Linear(4, 4), activation)


class TestChain(PrimitiveConformance):
    rules = RULES

    @pytest.fixture
    def make(self):
        return lambda: Chain(block, [1, 2, 0], label="chain")

    @pytest.fixture
    def inputs(self):
        return (torch.randn(8, 4, generator=torch.Generator().manual_seed(0)),)


class TestDepthOfTwoChoices(TestChain):
    @pytest.fixture
    def make(self):
        def make():
            depth = nn.ValueChoice([0, 1], label="a") + nn.ValueChoice([1, 2], label="b")
            assert isinstance(depth, Expression)
            return Chain(block, depth, label="chain")

        return make


def test_blocks_beyond_the_depth_have_no_choices():
    space = nn.extract_space(nn.Sequential(Chain(block, [0, 1, 2], label="chain")))
    assert [choice.label for choice in space] == ["chain/depth", "chain/reduction", "activation0", "activation1"]
    assert space.size == 2 * (1 + 2 + 4)


@nn.model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = (Chain(block, [0, 1]) for _ in range(2))


def test_labels_that_are_not_given_are_numbered():
    labels = {choice.label for choice in nn.extract_space(Net())}
    assert labels == {f"model_{n}/{part}" for n in (1, 2) for part in ("depth", "reduction")} | {"activation0"}
