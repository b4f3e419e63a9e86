"""`RuleConformance`: conformance tests of one-shot rules, as a test class to inherit from.

::

    class TestMyRule(RuleConformance):
        rules = {MyLayer: slice_rule(SliceRule(inputs="size", outputs="size"))}

        @pytest.fixture
        def model(self):
            return nn.Sequential(nn.Linear(4, width()), MyLayer(width()), nn.Linear(width(), 2))

        @pytest.fixture
        def inputs(self):
            return (torch.randn(8, 4),)
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.oneshot import (
    DARTS,
    DEFAULT_RULES,
    ENAS,
    PCDARTS,
    DrNAS,
    GumbelDARTS,
    OneShotSearch,
    OneShotStrategy,
    Proxyless,
    RandomOneShot,
    Rule,
    SearchLoop,
    Supernet,
    build_supernet,
    subnet,
)
from retiarii.testing._extra import pytest
from retiarii.testing.networks import (
    architectures_of,
    assert_path_equals_subnet,
    assert_same_outputs,
    loss_of,
    mix_with_certainty,
    outputs_of,
    shapes_of,
)

ONE_SHOT: Mapping[str, OneShotStrategy] = MappingProxyType(
    {
        "RandomOneShot": RandomOneShot(),
        "ENAS": ENAS(ctrl_steps_aggregate=1),
        "DARTS": DARTS(),
        "GumbelDARTS": GumbelDARTS(),
        "Proxyless": Proxyless(),
        "DrNAS": DrNAS(),
        "PCDARTS": PCDARTS(channel_share=2),
    }
)
"""Every one-shot strategy of the package, by name."""

SAMPLING = ("RandomOneShot", "ENAS")
"""The names of the strategies that compute single paths only, and need no mixture."""


class RuleConformance:
    """The contract of a rule of `retiarii.oneshot`. A subclass supplies the fixtures ``model`` and ``inputs``.

    Attributes:
        rules: The rules under test, by the class of module that they are for.
        strategies: The names of the strategies that support the rules; the others must refuse the model.
    """

    rules: Mapping[type[nn.Module], Rule] = MappingProxyType({})
    strategies: Collection[str] = tuple(ONE_SHOT)

    @pytest.fixture
    def model(self) -> nn.Module:
        """Return a new model with choices, among them modules that the rules are for; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `model`")

    @pytest.fixture
    def inputs(self) -> tuple[Any, ...]:
        """Return arguments of ``forward`` for any architecture of the model; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `inputs`")

    @pytest.fixture
    def supernet(self, model: nn.Module) -> Supernet:
        """Return the supernet of the model."""
        torch.manual_seed(0)
        return build_supernet(model, {**DEFAULT_RULES, **self.rules})

    def test_every_path_is_the_frozen_network_with_its_weights(
        self, supernet: Supernet, inputs: tuple[Any, ...]
    ) -> None:
        """Outputs, gradients and running statistics are those of the standalone network, in both modes."""
        for architecture in architectures_of(supernet.space):
            assert_path_equals_subnet(supernet, architecture, *inputs, to_the_last_bit=False)

    def test_subnets_have_the_names_and_shapes_of_frozen_models(self, supernet: Supernet, model: nn.Module) -> None:
        """A subnet equals the result of `freeze` except for its weights; the model itself stays unchanged."""
        before = shapes_of(model)
        for architecture in architectures_of(extract_space(model)):
            assert shapes_of(subnet(supernet, architecture)) == shapes_of(freeze(model, architecture))
        assert shapes_of(model) == before

    def test_a_mixture_that_is_certain_is_the_path(self, supernet: Supernet, inputs: tuple[Any, ...]) -> None:
        """With weight 1 on one value of each choice, a mixture gives the same outputs as the path of these values."""
        if set(self.strategies) <= set(SAMPLING):
            pytest.skip("it has no mixtures")
        supernet.check(for_mixtures=True)
        supernet.eval()
        for architecture in architectures_of(supernet.space):
            supernet.set_architecture(architecture)
            expected = outputs_of(supernet.module, inputs)
            mix_with_certainty(supernet)
            for mixed, path in zip(outputs_of(supernet.module, inputs), expected, strict=True):
                torch.testing.assert_close(mixed, path)

    def test_a_supernet_pickles_and_copies(self, supernet: Supernet, inputs: tuple[Any, ...]) -> None:
        """Copies share nothing with the original and give the same outputs."""
        architecture = architectures_of(supernet.space)[-1]
        for other in (pickle.loads(pickle.dumps(supernet)), copy.deepcopy(supernet)):
            for each in (supernet, other):
                each.set_architecture(architecture)
            assert_same_outputs(other.module, supernet.module, inputs)
            mine = {id(weight) for weight in supernet.parameters()}
            assert not mine & {id(weight) for weight in other.parameters()}

    @pytest.mark.parametrize("name", ONE_SHOT)
    def test_strategies_search_it_or_say_why_not(self, model: nn.Module, inputs: tuple[Any, ...], name: str) -> None:
        """A supported strategy runs to its end; another one raises an error that names the module or the label."""
        assert_searched_or_refused(model, inputs, ONE_SHOT[name], is_promised=name in self.strategies, rules=self.rules)


def assert_searched_or_refused(
    model: nn.Module,
    inputs: tuple[Any, ...],
    strategy: OneShotStrategy,
    *,
    is_promised: bool,
    rules: Mapping[type[nn.Module], Rule] = MappingProxyType({}),
) -> None:
    """Check that a one-shot strategy finds a network that runs, or raises a `SupernetError` with the place."""
    started = replace(strategy, rules=rules)  # type: ignore[type-var]  # all of ours are dataclasses
    if is_promised:
        search = _searched(started, model, inputs)
        assert search.supernet.space.architecture(search.export()) == search.export()
        assert outputs_of(subnet(search, search.export()), inputs)
        return
    with pytest.raises(SupernetError) as caught:
        _searched(started, model, inputs)
    labels = [repr(str(choice.label)) for choice in extract_space(model)]
    assert caught.value.path or any(label in str(caught.value) for label in labels), caught.value


def _searched(strategy: OneShotStrategy, model: nn.Module, inputs: tuple[Any, ...]) -> OneShotSearch:
    """Search for two steps; an additional weight ensures that every path has something to train."""
    scale = nn.Parameter(torch.ones(()))

    def loss(network: nn.Module, batch: tuple[Any, ...]) -> torch.Tensor:
        return (scale * loss_of(network(*batch))).square() * 1e-6

    torch.manual_seed(0)
    search = strategy.search(model, seed=0)
    optimizer = torch.optim.SGD([scale, *search.supernet.parameters()], lr=1e-3)
    SearchLoop(search, loss, optimizer).run([inputs, inputs], [inputs, inputs], 1)
    return search
