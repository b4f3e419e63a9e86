"""The rules of this package pass the tests that rules of others have to pass."""

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.testing.oneshot_rules import RuleConformance


class TestConvolutions(RuleConformance):
    @pytest.fixture
    def model(self):
        width, kernel = nn.ValueChoice([2, 4], label="width"), nn.ValueChoice([1, 3], label="kernel")
        return nn.Sequential(
            nn.Conv2d(3, width, kernel, padding=kernel // 2),
            nn.BatchNorm2d(width),
            nn.Repeat(lambda index: nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU()), (0, 2), label="depth"),
            nn.Conv2d(width, 4, 1),
            nn.LayerChoice([nn.Conv2d(4, 4, 1), nn.Identity()], label="op"),
        )

    @pytest.fixture
    def inputs(self):
        return (torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)),)
