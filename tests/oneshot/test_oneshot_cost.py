"""Search under a limit: expected costs and their gradients, hard filters, exports that keep constraints."""

from __future__ import annotations

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import ConfigError, ConstraintError
from retiarii.oneshot import DARTS, ENAS, CostLimit, ExpectedCost, Proxyless, RandomOneShot, build_supernet
from retiarii.oneshot._searches.expected_cost import CostEstimator
from retiarii.oneshot._searches.most_probable import most_probable

COSTS = {"big": 5.0, "small": 1.0, "nested": 2.0, "a": 0.5, "b": 3.0}


def space():
    nested = nn.LayerChoice({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)}, label="inner")
    outer = nn.LayerChoice({"big": nn.Linear(3, 3), "small": nn.Identity(), "nested": nested}, label="outer")
    return nn.Sequential(outer, nn.LayerChoice({"big": nn.Linear(3, 3), "small": nn.Identity()}, label="last"))


def cost(architecture):
    return sum(COSTS[value] for value in architecture.values()) ** 1.5  # not a sum over labels


def shares_of(supernet, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        label: torch.randn(len(d.values), generator=generator, dtype=torch.float64).softmax(0).requires_grad_()
        for label, d in supernet.decisions.items()
    }


def expected_by_hand(supernet, shares):
    total = 0
    for architecture in supernet.space.grid():
        share = 1.0
        for label, value in architecture.items():
            share = share * shares[label][supernet.decisions[label].values.index(value)]
        total = total + share * cost(architecture)
    return total


def test_the_expected_cost_is_exact_in_small_spaces_with_its_gradient():
    supernet = build_supernet(space())
    shares = shares_of(supernet)
    estimator = CostEstimator(ExpectedCost(cost, baseline=4.0), supernet)
    ours = estimator.expected(shares, torch.Generator())
    exact = expected_by_hand(supernet, shares)
    torch.testing.assert_close(ours, exact)
    torch.testing.assert_close(
        torch.autograd.grad(ours, list(shares.values())), torch.autograd.grad(exact, list(shares.values()))
    )


def test_the_estimate_in_large_spaces_is_unbiased_with_its_gradient():
    supernet = build_supernet(space())
    shares = shares_of(supernet)
    logits = {label: share.detach().log().requires_grad_() for label, share in shares.items()}
    estimator = CostEstimator(ExpectedCost(cost, baseline=4.0, num_samples=4, exact_up_to=0), supernet)
    exact = expected_by_hand(supernet, {label: logit.softmax(0) for label, logit in logits.items()})
    gradients = torch.autograd.grad(exact, list(logits.values()))
    generator = torch.Generator().manual_seed(0)
    values, totals, repeats = [], [torch.zeros_like(g) for g in gradients], 1500
    for _ in range(repeats):
        estimate = estimator.expected({label: logit.softmax(0) for label, logit in logits.items()}, generator)
        values.append(estimate.detach())
        parts = torch.autograd.grad(estimate, list(logits.values()), allow_unused=True)
        for total, part in zip(totals, parts, strict=True):
            total += 0 if part is None else part / repeats  # None: the label was inactive in all samples
    assert torch.stack(values).mean().item() == pytest.approx(exact.item(), rel=0.03)
    for total, gradient in zip(totals, gradients, strict=True):
        torch.testing.assert_close(total, gradient, rtol=0.1, atol=0.25)


@pytest.mark.parametrize(
    ("shape", "values"), [("positive", [0.0, 0.5]), ("linear", [-0.5, 0.5]), ("absolute", [0.5, 0.5])]
)
def test_shapes_of_the_term(shape, values):
    supernet = build_supernet(nn.LayerChoice([nn.Identity(), nn.Tanh()], label="a"))
    for price, value in zip((1.0, 3.0), values, strict=True):
        options = ExpectedCost(lambda architecture, price=price: price, baseline=2.0, weight=2.0, shape=shape)
        term = CostEstimator(options, supernet).penalty({"a": torch.tensor([0.3, 0.7])}, torch.Generator())
        assert float(term) == pytest.approx(2.0 * value)


@pytest.mark.parametrize("strategy", [DARTS, Proxyless])
@pytest.mark.parametrize("exact_up_to", [0, 100])
def test_a_penalty_makes_differentiable_strategies_choose_what_is_cheap(strategy, exact_up_to):
    penalty = ExpectedCost(cost, baseline=1.5, weight=1.0, exact_up_to=exact_up_to)
    search = strategy(arc_learning_rate=0.1, penalty=penalty).search(space())
    x = torch.randn(4, 3)
    for _ in range(30):
        search.architecture_step(lambda: search.supernet(x).sum() * 0)
    assert dict(search.export()) == {"outer": "small", "last": "small"}


@pytest.mark.parametrize("strategy", [RandomOneShot, ENAS])
def test_a_filter_keeps_every_sample_within_bounds(strategy):
    limit = CostLimit(cost, at_most=15.0, at_least=3.0)
    search = strategy(filter=limit).search(space(), seed=1)
    seen = set()
    for epoch in range(2):
        search.begin_epoch(epoch, 2)
        for _ in range(20):
            search.reset()
            seen.add(search.supernet.architecture)
            search.reset_for_validation()
            seen.add(search.supernet.architecture)
    assert all(3.0 <= cost(architecture) <= 15.0 for architecture in seen)
    assert len(seen) > 1
    assert limit(search.export())


def test_an_impossible_filter_is_an_error():
    for strategy in (RandomOneShot(filter=CostLimit(cost, 0.0)), ENAS(filter=CostLimit(cost, 0.0))):
        with pytest.raises(ConstraintError):
            strategy.search(space()).reset()


def test_exports_keep_the_constraints_of_the_space():
    supernet = build_supernet(space(), constraints=[CostLimit(cost, 4.0)])
    probabilities = {
        "outer": {"big": 0.6, "nested": 0.3, "small": 0.1},
        "inner": {"a": 0.9, "b": 0.1},
        "last": {"small": 0.8, "big": 0.2},
    }
    # outer=big costs 6 ** 1.5; with nested and a it is 3.5 ** 1.5 = 6.5; small and small are 2 ** 1.5 = 2.8
    assert dict(most_probable(supernet.space, probabilities)) == {"outer": "small", "last": "small"}
    free = build_supernet(space())
    assert dict(most_probable(free.space, probabilities)) == {"outer": "big", "last": "small"}


@pytest.mark.parametrize(
    "options", [{"baseline": 0.0}, {"baseline": 1.0, "num_samples": 1}, {"baseline": 1.0, "shape": "square"}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError):
        ExpectedCost(cost, **options)
