"""Conformance of spaces whose publications have sizes of their own; a share of the strategies is tried always."""

import random

import pytest
import torch

from retiarii.graph import export_code
from retiarii.nn.pytorch import freeze
from retiarii.oneshot import build_supernet
from retiarii.testing.hub_spaces import HubSpaceConformance
from retiarii.testing.networks import (
    assert_path_equals_subnet,
    assert_same_outputs,
    executed,
    mix_with_certainty,
    outputs_of,
)
from retiarii.testing.oneshot_rules import ONE_SHOT

ALWAYS = ("RandomOneShot",)


class MacroSpaceConformance(HubSpaceConformance):
    def test_published_architectures_are_in_the_space(self, model, space):
        """They are in the space of their own sizes: tests of parameters build their networks, which refuses others."""
        assert all(publication.source for publication in model.PUBLISHED.values())

    def test_networks_are_paths_and_certain_mixtures_of_the_supernet(self, model, space, inputs):
        torch.manual_seed(0)
        supernet, architecture = build_supernet(model), space.sample(random.Random(2))
        assert_same_outputs(supernet.module, model, inputs)  # which starts with the initial weights of the model
        assert_path_equals_subnet(supernet, architecture, *inputs, to_the_last_bit=False)
        expected = outputs_of(supernet.module, inputs)
        mix_with_certainty(supernet)
        torch.testing.assert_close(outputs_of(supernet.module, inputs), expected)

    def test_networks_are_exported_as_code(self, model, space, inputs):
        architecture = space.sample(random.Random(3))
        network, exported = freeze(model, architecture), executed(export_code(model, architecture))
        exported.load_state_dict(network.state_dict())
        assert_same_outputs(exported, network, inputs)

    @pytest.mark.parametrize(
        "name", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in ONE_SHOT]
    )
    def test_one_shot_strategies_search_it_or_say_why_not(self, model, inputs, name):
        super().test_one_shot_strategies_search_it_or_say_why_not(model, inputs, name)
