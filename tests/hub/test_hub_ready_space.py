"""A ready space of one's own."""

from types import MappingProxyType

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.hub.pytorch import Paper, Publication, ReadySpace
from retiarii.testing.hub_spaces import HubSpaceConformance


@nn.model_wrapper
class Wide(ReadySpace):
    PAPER = Paper("On Width", "0000.00000", 2026, "section 1")
    PUBLISHED = MappingProxyType({"best": Publication({"width": 8}, "table 1", {"num_labels": 3})})

    def __init__(self, num_labels=10):
        super().__init__()
        width = nn.ValueChoice([4, 8], label="width")
        self.layers = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, num_labels))

    def forward(self, x):
        return self.layers(x)


class TestWide(HubSpaceConformance):
    @pytest.fixture
    def model(self):
        return Wide()

    @pytest.fixture
    def inputs(self):
        return (torch.randn(2, 6),)


def test_the_published_network_is_built_with_the_arguments_of_its_publication():
    assert Wide().size == 2
    assert Wide.PAPER.url == "https://arxiv.org/abs/0000.00000"
    assert [tuple(weight.shape) for weight in Wide.load_searched_model("best").parameters()] == [
        (8, 6),
        (8,),
        (3, 8),
        (3,),
    ]
    assert Wide.load_searched_model("best", num_labels=5).layers[2].out_features == 5
