"""`MutatorConformance`: conformance tests of mutators, as a test class to inherit from.

::

    class TestMyMutator(MutatorConformance):
        @pytest.fixture
        def mutators(self):
            return [MyMutator(option=3)]

        @pytest.fixture
        def base_model(self):
            return Net()

        @pytest.fixture
        def example_input(self):
            return torch.randn(2, 3, 8, 8)
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from retiarii.errors import ConfigError, InvalidMutation
from retiarii.graph import (
    GraphEngine,
    Mutator,
    build_module,
    model_from_json,
    model_to_json,
    structural_hash,
)
from retiarii.space import Architecture
from retiarii.testing._extra import pytest
from retiarii.testing.networks import architectures_of, assert_same_outputs, executed, outputs_of, shapes_of
from retiarii.testing.searches import MULTI_TRIAL, proposals_of


class MutatorConformance:
    """The contract of `Mutator`. A subclass supplies the fixtures ``mutators``, ``base_model`` and ``example_input``.

    Attributes:
        may_be_invalid: Whether the mutators may raise `InvalidMutation` for some of their choices.
        modules: The names of the Python modules whose classes the mutators put into graphs, besides layers of PyTorch;
            they are needed to read graphs from JSON.
    """

    may_be_invalid: bool = False
    modules: Sequence[str] = ()

    @pytest.fixture
    def mutators(self) -> Sequence[Mutator]:
        """Return new mutators, which are applied in this order; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `mutators`")

    @pytest.fixture
    def base_model(self) -> nn.Module:
        """Return a new model that they change; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `base_model`")

    @pytest.fixture
    def example_input(self) -> Any:
        """Return a batch, or a tuple of the arguments of ``forward``; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `example_input`")

    @pytest.fixture
    def engine(self, base_model: nn.Module, mutators: Sequence[Mutator], example_input: Any) -> GraphEngine:
        """Return the engine that applies the mutators."""
        torch.manual_seed(0)
        return GraphEngine(base_model, mutators, example_input=example_input)

    def test_its_choices_begin_with_its_label(self, engine: GraphEngine) -> None:
        """The mutator has choices, and each label begins with the mutator's label."""
        own = [choice.label for choice in engine.space if choice.label not in engine.inline_space]
        assert own
        labels = {mutator.label for mutator in engine.mutators}
        assert {label.rpartition("/")[0] for label in own} <= labels

    def test_the_same_decisions_give_the_same_graph(self, engine: GraphEngine) -> None:
        """A mutation depends only on the model and the chosen values."""
        for architecture in self._valid(engine):
            assert structural_hash(engine.graph(architecture)) == structural_hash(engine.graph(architecture))

    def test_the_base_graph_stays_as_it_is(self, base_model: nn.Module, engine: GraphEngine) -> None:
        """Mutations change copies of the base graph only."""
        default = engine.space.default()
        before = structural_hash(engine.base_graph(default))
        weights = {name: tensor.clone() for name, tensor in base_model.state_dict().items()}
        for architecture in self._valid(engine):
            engine.graph(architecture)
        assert structural_hash(engine.base_graph(default)) == before
        after = base_model.state_dict()
        assert all(torch.equal(after[name], tensor) for name, tensor in weights.items())

    def test_networks_run_and_exported_code_computes_the_same(self, engine: GraphEngine, example_input: Any) -> None:
        """Built from the graph, read from its JSON, and exported, a network is the same."""
        inputs = example_input if isinstance(example_input, tuple) else (example_input,)
        for architecture in self._valid(engine):
            network = engine.build(architecture)
            assert outputs_of(network, inputs)
            stored = json.loads(json.dumps(model_to_json(engine.graph(architecture))))
            again = build_module(model_from_json(stored, modules=[*self.modules]))
            for other in (again, executed(engine.code(architecture))):
                assert shapes_of(other) == shapes_of(network)
                other.load_state_dict(network.state_dict())
                assert_same_outputs(other, network, inputs)

    def test_engines_with_it_pickle(self, engine: GraphEngine) -> None:
        """Trials in other processes get a copy, which has the same space and the same graphs."""
        copied = pickle.loads(pickle.dumps(engine))
        assert [choice.label for choice in copied.space] == [choice.label for choice in engine.space]
        for architecture in self._valid(engine):
            assert structural_hash(copied.graph(architecture)) == structural_hash(engine.graph(architecture))

    @pytest.mark.parametrize("name", MULTI_TRIAL)
    def test_multi_trial_strategies_find_networks_that_run(
        self, engine: GraphEngine, example_input: Any, name: str
    ) -> None:
        """Proposed networks can be built and run; mutations that are impossible raise `InvalidMutation`.

        `GridSearch` refuses spaces of unknown size, and `PolicyBasedRL` spaces whose labels depend on choices.
        """
        is_endless, is_open = engine.space.size == math.inf, not engine.space.has_fixed_labels
        if (name == "GridSearch" and is_endless) or (name == "PolicyBasedRL" and is_open):
            with pytest.raises(ConfigError, match=r"cannot enumerate|mutators add choices"):
                MULTI_TRIAL[name].search(engine.space)
            return
        inputs = example_input if isinstance(example_input, tuple) else (example_input,)
        built = 0
        for proposal in proposals_of(name, engine.space, 8):
            try:
                network = engine.build(proposal.architecture)
            except InvalidMutation:
                if not self.may_be_invalid:
                    raise
                continue
            built += 1
            assert outputs_of(network, inputs)
        assert built, "all mutations were invalid"

    def _valid(self, engine: GraphEngine) -> list[Architecture]:
        """Return a few architectures whose mutations can be done."""
        found = []
        for architecture in architectures_of(engine.space):
            try:
                engine.graph(architecture)
            except InvalidMutation:
                assert self.may_be_invalid, f"{architecture} is invalid"
            else:
                found.append(architecture)
        return found
