"""`HubSpaceConformance`: conformance tests of ready spaces, as a test class to inherit from.

::

    class TestMySpace(HubSpaceConformance):
        strategies = ()  # if one-shot strategies refuse it

        @pytest.fixture
        def model(self):
            return MySpace(width=4, depth=2)  # small, so that the tests take about a second

        @pytest.fixture
        def inputs(self):
            return (torch.randn(2, 3, 8, 8),)
"""

from __future__ import annotations

import itertools
import pickle
import random
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from retiarii.hub.pytorch import ReadySpace
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.oneshot import Rule
from retiarii.space import Architecture, SearchSpace
from retiarii.testing._extra import pytest
from retiarii.testing.networks import assert_same_outputs, loss_of, outputs_of, remaining_choices
from retiarii.testing.oneshot_rules import ONE_SHOT, assert_searched_or_refused
from retiarii.testing.searches import proposals_of

NUM_SAMPLES = 20
NUM_COUNTED = 4  # the engine builds each of them once more


class HubSpaceConformance:
    """The contract of `ReadySpace`. A subclass supplies the fixtures ``model`` and ``inputs``.

    Attributes:
        strategies: The names of the one-shot strategies that support the space; the others must refuse it.
        tried: The names of the one-shot strategies that the tests try; leave some out where they take long.
        rules: Rules for supernets that the space needs.
        output_shape: The shape of the output of every network.
    """

    strategies: Collection[str] = tuple(ONE_SHOT)
    tried: Collection[str] = tuple(ONE_SHOT)
    rules: Mapping[type[nn.Module], Rule] = MappingProxyType({})
    output_shape: tuple[int, ...] = (2, 10)

    @pytest.fixture
    def model(self) -> ReadySpace:
        """Return a small model of the space; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `model`")

    @pytest.fixture
    def inputs(self) -> tuple[Any, ...]:
        """Return arguments of ``forward`` for any architecture of the model; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `inputs`")

    @pytest.fixture
    def space(self, model: ReadySpace) -> SearchSpace:
        """Return the search space of the model."""
        return extract_space(model)

    def test_it_has_a_paper_and_a_size(self, model: ReadySpace, space: SearchSpace) -> None:
        """The paper is named, and the size counts the architectures of the space."""
        assert model.PAPER.title
        assert model.PAPER.where
        assert model.PAPER.url.endswith(model.PAPER.arxiv)
        assert 1 < model.size <= space.size
        assert model.size == space.size or space.constraints

    def test_sampled_networks_run_and_their_parameters_are_counted(
        self, model: ReadySpace, space: SearchSpace, inputs: tuple[Any, ...]
    ) -> None:
        """Networks of sampled architectures are plain PyTorch and run; the engine counts their parameters."""
        rng, cost = random.Random(0), PythonEngine(model).costs["params"]
        architectures = [space.default(), *(space.sample(rng) for _ in range(NUM_SAMPLES))]
        for architecture in architectures:
            network = freeze(model, architecture)
            assert not list(remaining_choices(network))
            assert [tuple(output.shape) for output in outputs_of(network, inputs)] == [self.output_shape]
            if architecture in architectures[:NUM_COUNTED]:
                assert cost(architecture) == sum(weight.numel() for weight in network.parameters())

    def test_models_and_networks_pickle(self, model: ReadySpace, space: SearchSpace, inputs: tuple[Any, ...]) -> None:
        """A copy of the model has the same space, and a copy of a network gives the same outputs."""
        assert extract_space(pickle.loads(pickle.dumps(model))) == space
        network = freeze(model, space.sample(random.Random(1)))
        assert_same_outputs(pickle.loads(pickle.dumps(network)), network, inputs)

    def test_published_architectures_are_in_the_space(self, model: ReadySpace, space: SearchSpace) -> None:
        """Each is valid once the choices that a publication fixes, such as width and depth, are added."""
        assert model.PUBLISHED
        default = space.default()
        for name, publication in model.PUBLISHED.items():
            assert publication.source
            published = model.published(name)
            sizes = {label: default[label] for label in model.SIZES if label in default and label not in published}
            assert space.architecture({**published, **sizes})

    @pytest.mark.parametrize("name", ["Random", "RegularizedEvolution"])
    def test_proposed_networks_can_be_trained(
        self, model: ReadySpace, space: SearchSpace, inputs: tuple[Any, ...], name: str
    ) -> None:
        """Multi-trial strategies propose networks that take a step of an optimizer."""
        for proposal in itertools.islice(proposals_of(name, space, 2), 2):
            _train(model, proposal.architecture, inputs)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Let pytest run the test of one-shot strategies for each of `tried`."""
        if "one_shot_name" in metafunc.fixturenames:
            metafunc.parametrize("one_shot_name", metafunc.cls.tried)

    def test_one_shot_strategies_search_it_or_say_why_not(
        self, model: ReadySpace, inputs: tuple[Any, ...], one_shot_name: str
    ) -> None:
        """A supported strategy runs to its end; another one raises an error that names the module or the label."""
        strategy, is_promised = ONE_SHOT[one_shot_name], one_shot_name in self.strategies
        assert_searched_or_refused(model, inputs, strategy, is_promised=is_promised, rules=self.rules)


def _train(model: ReadySpace, architecture: Architecture, inputs: tuple[Any, ...]) -> None:
    network = freeze(model, architecture).train()
    before = [weight.clone() for weight in network.parameters()]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    loss_of(network(*inputs)).backward()  # type: ignore[no-untyped-call]  # torch has no annotation for it
    optimizer.step()
    after = list(network.parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
