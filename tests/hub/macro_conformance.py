"""Conformance of spaces whose publications have sizes of their own; a share of the strategies is tried always."""

import pytest
import torch

from retiarii.nn.pytorch import extract_space
from retiarii.testing.hub_spaces import HubSpaceConformance
from retiarii.testing.oneshot_rules import ONE_SHOT

ALWAYS = ("RandomOneShot",)


class MacroSpaceConformance(HubSpaceConformance):
    def test_published_architectures_are_in_the_space(self, model, space):
        assert model.PUBLISHED
        for name, publication in model.PUBLISHED.items():
            assert publication.source
            with torch.device("meta"):
                published_in = extract_space(type(model)(**publication.options))
            assert published_in.architecture(model.published(name)) == model.published(name)

    @pytest.mark.parametrize(
        "name", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in ONE_SHOT]
    )
    def test_one_shot_strategies_search_it_or_say_why_not(self, model, inputs, name):
        super().test_one_shot_strategies_search_it_or_say_why_not(model, inputs, name)
