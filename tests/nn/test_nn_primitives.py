"""The primitives of this package pass the tests that primitives of others have to pass."""

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.testing.primitives import PrimitiveConformance

DATA = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0))


def conv(size=3):
    return nn.Conv2d(4, 4, size, padding=size // 2)


def conv_at(*place):
    return conv()


def nothing_at(*place):
    return nn.Identity()


def pointwise(inputs, outputs=None):
    return nn.Conv2d(inputs, outputs or inputs, 1)


class OnOneTensor(PrimitiveConformance):
    @pytest.fixture
    def inputs(self):
        return (DATA,)


class TestLayerChoice(OnOneTensor):
    @pytest.fixture
    def make(self):
        def make():
            inner = nn.LayerChoice([conv(), nn.Identity()], label="inner")
            return nn.LayerChoice({"conv": conv(1), "nested": nn.Sequential(inner, nn.ReLU())}, label="op")

        return make


class TestRepeat(OnOneTensor):
    @pytest.fixture
    def make(self):
        def block(index):
            return nn.LayerChoice([conv(), nn.Tanh()], label=f"op{index}")

        return lambda: nn.Repeat(block, (0, 2), label="depth")


class TestCell(OnOneTensor):
    @pytest.fixture
    def make(self):
        return lambda: nn.Cell({"conv": conv_at, "skip": nothing_at}, 2, 1, 1, label="cell")


class TestInputChoice(PrimitiveConformance):
    @pytest.fixture
    def make(self):
        return lambda: nn.InputChoice(3, 2, "mean", label="pick")

    @pytest.fixture
    def inputs(self):
        return ([DATA, DATA + 1, DATA * 2],)


class TestNasBench101Cell(OnOneTensor):
    strategies = ()  # widths depend on the whole graph, so that a supernet shares no weights

    @pytest.fixture
    def make(self):
        return lambda: nn.NasBench101Cell([pointwise], 4, 4, pointwise, 4, 5, label="cell")
