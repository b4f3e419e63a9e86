"""`PrimitiveConformance`: conformance tests of primitives, as a test class to inherit from.

::

    class TestMyPrimitive(PrimitiveConformance):
        rules = {MyPrimitive: choice_rule(MyOperator)}

        @pytest.fixture
        def make(self):
            return lambda: MyPrimitive(nn.Linear(4, 4), nn.Linear(4, 4), label="mine")

        @pytest.fixture
        def inputs(self):
            return (torch.randn(8, 4),)
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from retiarii.errors import ArchitectureError, SupernetError
from retiarii.graph import GraphEngine, build_module, export_code, lower
from retiarii.nn.pytorch import Mutable, extract_space, extract_state_dict, fixed_arch, freeze
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.oneshot import DEFAULT_RULES, Rule, build_supernet
from retiarii.space import Architecture, SearchSpace
from retiarii.testing._extra import pytest
from retiarii.testing.networks import (
    architectures_of,
    assert_path_equals_subnet,
    assert_same_outputs,
    executed,
    mix_with_certainty,
    outputs_of,
    remaining_choices,
    shapes_of,
)
from retiarii.testing.oneshot_rules import ONE_SHOT, SAMPLING, assert_searched_or_refused
from retiarii.testing.searches import MULTI_TRIAL, proposals_of

MakePrimitive = Callable[[], Mutable]


class PrimitiveConformance:
    """The contract of `Mutable`. A subclass supplies the fixtures ``make`` and ``inputs``.

    Attributes:
        rules: The primitive's rules for supernets, by class; empty if it has no mixture.
        strategies: The names of the one-shot strategies that support it; the others must refuse it. All by default.
        is_traceable: Whether its frozen networks can be traced to graphs.
        host: Makes a model with the primitive in it; use a class of your own if ``forward`` has several arguments.
    """

    rules: Mapping[type[nn.Module], Rule] = MappingProxyType({})
    strategies: Collection[str] = tuple(ONE_SHOT)
    is_traceable: bool = True
    host: Callable[[nn.Module], nn.Module] = nn.Sequential

    @pytest.fixture
    def make(self) -> MakePrimitive:
        """Return a function that builds the primitive, with the same labels each time; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `make`")

    @pytest.fixture
    def inputs(self) -> tuple[Any, ...]:
        """Return arguments of ``forward``, for every architecture; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `inputs`")

    @pytest.fixture
    def base(self, make: MakePrimitive) -> nn.Module:
        """Return a model with the primitive in it."""
        torch.manual_seed(0)
        return self.host(make())

    @pytest.fixture
    def space(self, base: nn.Module) -> SearchSpace:
        """Return the search space of the model."""
        return extract_space(base)

    # The space

    def test_its_choices_have_labels_and_places(self, base: nn.Module, space: SearchSpace) -> None:
        """It has choices, and each choice says where it is declared."""
        assert len(space) > 0
        assert space.size > 1
        for choice in space:
            assert choice.declared_at.startswith(type(base).__name__), choice

    def test_two_primitives_of_one_label_are_one_decision(self, make: MakePrimitive, space: SearchSpace) -> None:
        """Two primitives with the same labels in one model have the space of a single one."""
        twice = extract_space(nn.Sequential(make(), make()))
        assert [choice.label for choice in twice] == [choice.label for choice in space]
        assert twice.size == space.size

    def test_an_architecture_has_the_labels_that_freezing_asks_for(self, base: nn.Module, space: SearchSpace) -> None:
        """An architecture that lacks a label is refused, so each active choice is one that `freeze_by` reads."""
        for architecture in architectures_of(space):
            for label in architecture:
                rest = {other: value for other, value in architecture.items() if other != label}
                with pytest.raises(ArchitectureError) as caught:
                    freeze(base, rest)
                assert caught.value.label == label

    def test_wrong_values_are_refused(self, base: nn.Module, space: SearchSpace) -> None:
        """A value outside the choice's domain is an error that names the label."""
        architecture = space.default()
        for label in architecture:
            with pytest.raises(ArchitectureError) as caught:
                freeze(base, {**architecture, label: "no such value"})
            assert caught.value.label == label

    def test_labels_that_it_does_not_have_are_refused(
        self, make: MakePrimitive, base: nn.Module, space: SearchSpace
    ) -> None:
        """`freeze` and `fixed_arch` accept the labels of the primitive, and no others."""
        unknown = {**space.default(), "no such label": 0}
        with pytest.raises(ArchitectureError, match="no such label"):
            freeze(base, unknown)
        with pytest.raises(ArchitectureError, match="no such label"), fixed_arch(unknown, verbose=False):
            self.host(make())

    # Fixed models

    def test_the_model_computes_its_default_architecture(
        self, base: nn.Module, space: SearchSpace, inputs: tuple[Any, ...]
    ) -> None:
        """``forward`` of the primitive equals that of the frozen default architecture with the model's weights."""
        default = space.default()
        network = freeze(base, default)
        network.load_state_dict(extract_state_dict(base.state_dict(), base, default))
        assert_same_outputs(base, network, inputs)

    def test_every_way_gives_the_same_network(
        self, make: MakePrimitive, base: nn.Module, space: SearchSpace, inputs: tuple[Any, ...]
    ) -> None:
        """`freeze`, `fixed_arch`, both engines, graphs and exported code agree in names, shapes and outputs."""
        for architecture in architectures_of(space):
            frozen = freeze(base, architecture)
            assert not list(remaining_choices(frozen))
            for other in self._other_ways(make, base, architecture):
                assert not list(remaining_choices(other))
                assert shapes_of(other) == shapes_of(frozen)
                other.load_state_dict(frozen.state_dict())
                assert_same_outputs(other, frozen, inputs)

    def _other_ways(self, make: MakePrimitive, base: nn.Module, architecture: Architecture) -> Iterator[nn.Module]:
        with fixed_arch(architecture, verbose=False):
            built = self.host(make())
        yield built
        yield PythonEngine(base).build(architecture)
        if self.is_traceable:
            yield build_module(lower(base, architecture))
            yield GraphEngine(base).build(architecture)
            yield executed(export_code(base, architecture))

    def test_freezing_leaves_the_model_as_it_is(self, base: nn.Module, space: SearchSpace) -> None:
        """Freezing changes neither weights nor space, and frozen networks share no weights with the model."""
        before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
        mine = {id(weight) for weight in base.parameters()}
        for architecture in architectures_of(space):
            assert not mine & {id(weight) for weight in freeze(base, architecture).parameters()}
        after = base.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
        assert extract_space(base) == space

    @pytest.mark.parametrize("training", [True, False])
    def test_frozen_networks_are_in_the_mode_of_the_model(
        self, base: nn.Module, space: SearchSpace, training: bool
    ) -> None:
        """Every module of a frozen network has the training or evaluation mode of the model."""
        base.train(training)
        for architecture in architectures_of(space):
            assert {module.training for module in freeze(base, architecture).modules()} == {training}

    def test_models_and_frozen_networks_pickle_and_copy(
        self, base: nn.Module, space: SearchSpace, inputs: tuple[Any, ...]
    ) -> None:
        """Copies of the model have the same space; copies of a frozen network give the same outputs."""
        for copied in (pickle.loads(pickle.dumps(base)), copy.deepcopy(base)):
            assert extract_space(copied) == space
            assert_same_outputs(copied, base, inputs)
        for architecture in architectures_of(space):
            frozen = freeze(base, architecture)
            for other in (pickle.loads(pickle.dumps(frozen)), copy.deepcopy(frozen)):
                assert_same_outputs(other, frozen, inputs)

    # Searches

    @pytest.mark.parametrize("name", MULTI_TRIAL)
    def test_multi_trial_strategies_find_networks_that_run(
        self, base: nn.Module, space: SearchSpace, inputs: tuple[Any, ...], name: str
    ) -> None:
        """Proposed architectures can be frozen, and the networks run."""
        for proposal in proposals_of(name, space, 6):
            outputs_of(freeze(base, proposal.architecture), inputs)

    @pytest.mark.parametrize("name", ONE_SHOT)
    def test_one_shot_strategies_search_it_or_say_why_not(
        self, base: nn.Module, inputs: tuple[Any, ...], name: str
    ) -> None:
        """A supported strategy runs to its end; another one raises an error that names the module or the label."""
        assert_searched_or_refused(base, inputs, ONE_SHOT[name], is_promised=name in self.strategies, rules=self.rules)

    def test_a_supernet_set_to_an_architecture_is_the_frozen_network(
        self, base: nn.Module, space: SearchSpace, inputs: tuple[Any, ...]
    ) -> None:
        """Outputs and gradients are those of the standalone network with the weights of the supernet."""
        if not self.strategies:
            with pytest.raises(SupernetError):
                build_supernet(base, {**DEFAULT_RULES, **self.rules}).set_architecture(space.default())
            return
        supernet = build_supernet(base, {**DEFAULT_RULES, **self.rules})
        for architecture in architectures_of(space):
            assert_path_equals_subnet(supernet, architecture, *inputs, to_the_last_bit=False)

    def test_a_mixture_that_is_certain_is_the_path(
        self, base: nn.Module, space: SearchSpace, inputs: tuple[Any, ...]
    ) -> None:
        """With weight 1 on one value of each choice, a mixture gives the same outputs as the path of these values."""
        if set(self.strategies) <= set(SAMPLING):
            pytest.skip("it has no mixtures")
        supernet = build_supernet(base, {**DEFAULT_RULES, **self.rules})
        for architecture in architectures_of(space):
            supernet.set_architecture(architecture)
            expected = outputs_of(supernet.module, inputs)
            mix_with_certainty(supernet)
            for mixed, path in zip(outputs_of(supernet.module, inputs), expected, strict=True):
                torch.testing.assert_close(mixed, path)
