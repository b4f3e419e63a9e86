"""Choices of many inputs: what is computed from candidates is what listing all subsets would give."""

import itertools
import math

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.errors import SupernetError
from retiarii.oneshot import (
    DARTS,
    ENAS,
    PCDARTS,
    DifferentiableStrategy,
    DrNAS,
    ExpectedCost,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    Relaxation,
    SearchLoop,
    SearchRecord,
    build_supernet,
    subnet,
)
from retiarii.oneshot._decisions import decision as decisions
from retiarii.oneshot._decisions.relaxations import BinaryGates, DirichletSample, GumbelSoftmax
from retiarii.oneshot._decisions.subset_distribution import SubsetDistribution, WeightedSubsets
from retiarii.oneshot._searches.expected_cost import CostEstimator
from retiarii.space import Subset
from retiarii.testing.networks import assert_path_equals_subnet

SIZES = [(0, 6), (2, 2), (1, 4), (6, 6), (0, 3), (1, 1)]
REDUCED = [(None, "sum"), (None, "mean"), (2, "sum"), (2, "mean"), (2, "concat")]
STRATEGIES = [
    RandomOneShot(),
    ENAS(ctrl_steps_aggregate=1, arc_learning_rate=0.05),
    DARTS(arc_learning_rate=0.1),
    DARTS(arc_learning_rate=0.1, unrolled=True),
    GumbelDARTS(arc_learning_rate=0.1),
    Proxyless(arc_learning_rate=0.1),
    DrNAS(arc_learning_rate=0.1, kl_weight=1e-3),
    PCDARTS(arc_learning_rate=0.1),
]


def repr_of(strategy):
    return f"{type(strategy).__name__}{'-unrolled' if getattr(strategy, 'unrolled', False) else ''}"


class Sum(nn.Module):
    """Scaled inputs, of which the first few are near the target: a sum of these is best."""

    def __init__(self, num_inputs, n_chosen=None, reduction="sum"):
        super().__init__()
        self.scales = torch.nn.Parameter(torch.linspace(1.0, -1.0, num_inputs))
        self.pick = nn.InputChoice(num_inputs, n_chosen, reduction, label="pick")

    def forward(self, x):
        picked = self.pick([scale * x for scale in self.scales])
        return torch.zeros_like(x) if picked is None else picked


class Half(Relaxation):
    def apply(self, decision, logits, generator, *, learning):
        decision.mix(torch.full_like(logits, 1 / len(logits)))


class Undecided(DifferentiableStrategy):
    def relaxation(self):
        return Half()


def choice(least, most, count=6):
    return Subset("pick", values=tuple(range(count)), min_chosen=least, max_chosen=most)


def listed(subsets, logits):
    """Return all subsets, their rows of members and their probabilities, as differentiable tensors."""
    values = [subsets.value_at(index) for index in range(subsets.cardinality)]
    members = torch.tensor([subsets.encode(value) for value in values], dtype=logits.dtype)
    return values, members, (members @ logits).softmax(0)


def some_logits(seed=0, count=6):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(count, generator=generator, dtype=torch.float64)).requires_grad_()


def places_of(values, most, count=6):
    places = torch.zeros(len(values), most, count, dtype=torch.float64)
    for row, value in enumerate(values):
        for place, at in enumerate(value):
            places[row, place, at] = 1.0
    return places


def assert_same_with_gradient(ours, theirs, logits):
    torch.testing.assert_close(ours, theirs)
    direction = torch.randn(theirs.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradients = [
        torch.autograd.grad((value * direction).sum(), logits, retain_graph=True)[0] for value in (ours, theirs)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("least", "most"), SIZES)
def test_a_distribution_of_subsets_is_the_softmax_over_all_of_them(least, most):
    subsets, logits = choice(least, most), some_logits()
    values, members, shares = listed(subsets, logits)
    ours = SubsetDistribution(subsets, logits)
    sizes = members.sum(dim=1, keepdim=True).clamp(min=1)
    expected = {
        "inclusion": shares @ members,
        "mean_shares": shares @ (members / sizes),
        "places": torch.einsum("r,rpn->pn", shares, places_of(values, most)),
        "entropy": -(shares * shares.log()).sum(),
    }
    for name, theirs in expected.items():
        assert_same_with_gradient(getattr(ours, name)(), theirs, logits)
    assert_same_with_gradient(torch.stack([ours.log_probability(value) for value in values]), shares.log(), logits)
    weighted = WeightedSubsets(shares, members)
    for name in ("inclusion", "mean_shares", "places"):
        assert_same_with_gradient(getattr(weighted, name)(), expected[name], logits)


@pytest.mark.parametrize(("least", "most"), SIZES)
def test_subsets_are_ranked_from_the_most_probable_on_without_repetition(least, most):
    subsets, logits = choice(least, most), some_logits(seed=3)
    values, _, shares = listed(subsets, logits)
    by_loss = sorted(zip((-shares.detach().log()).tolist(), values, strict=True))
    ours = SubsetDistribution(subsets, logits)
    assert [value for value, _ in ours.ranked()] == [value for _, value in by_loss]
    assert [loss for _, loss in ours.ranked()] == pytest.approx([loss for loss, _ in by_loss])
    assert ours.most_probable() == by_loss[0][1]


@pytest.mark.parametrize(("least", "most"), SIZES)
def test_samples_come_as_often_as_their_probability_says(least, most):
    subsets, logits = choice(least, most), some_logits(seed=5) / 4
    values, _, shares = listed(subsets, logits.detach())
    ours, generator, count = SubsetDistribution(subsets, logits), torch.Generator().manual_seed(0), 3000
    drawn = [ours.sample(generator) for _ in range(count)]
    assert_frequencies(drawn, values, shares)
    if len(values) > 2:
        best = ours.most_probable()
        others = [ours.sample_other(best, generator) for _ in range(count)]
        rest = [(value, share) for value, share in zip(values, shares.tolist(), strict=True) if value != best]
        assert best not in others
        assert_frequencies(others, [value for value, _ in rest], torch.tensor([share for _, share in rest]))


def assert_frequencies(drawn, values, shares):
    """A chi-squared test at five standard deviations, with one class for all that is rarer than 5 expected draws."""
    expected = shares / shares.sum() * len(drawn)
    counts = torch.zeros(len(values), dtype=torch.float64)
    for value in drawn:
        counts[values.index(value)] += 1
    common = expected >= 5
    statistic = ((counts - expected) ** 2 / expected)[common].sum().item()
    rare, rare_expected = counts[~common].sum().item(), expected[~common].sum().item()
    degrees = max(int(common.sum()), 1)
    assert statistic <= degrees + 5 * math.sqrt(2 * degrees)
    assert abs(rare - rare_expected) <= 5 * math.sqrt(rare_expected + 1)


def test_extreme_logits_stay_finite():
    for least, most in SIZES:
        logits = torch.tensor([200.0, -300.0, 0.0, 80.0, -80.0, 5.0], requires_grad=True)
        ours = SubsetDistribution(choice(least, most), logits)
        results = (ours.inclusion(), ours.mean_shares(), ours.entropy())
        gradients = torch.autograd.grad(sum(result.sum() for result in results), logits)
        assert all(bool(result.isfinite().all()) for result in (*results, *gradients))
        drawn = ours.sample(torch.Generator().manual_seed(0))
        assert drawn in {value for value, loss in ours.ranked() if loss < 60}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr_of)
@pytest.mark.parametrize(
    ("n_chosen", "reduction"), [(None, "sum"), (None, "mean"), (6, "sum"), (6, "mean"), (6, "concat"), (6, "none")]
)
def test_every_strategy_searches_choices_of_20_inputs(strategy, n_chosen, reduction):
    torch.manual_seed(0)
    network = Sum(20, n_chosen, reduction)
    search = strategy.search(network, seed=0)
    batches = [torch.randn(4, 2) for _ in range(3)]

    def loss(module, x):
        output = module(x)
        parts = [output] if isinstance(output, torch.Tensor) else output
        return sum((part.sum() - 1).square() for part in parts)

    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=1e-4)
    (record,) = SearchLoop(search, loss, optimizer).run(batches, batches, 1)
    assert record.entropy["pick"] == pytest.approx(math.log(search.supernet.space.size), rel=0.1)
    assert record.max_entropy["pick"] == pytest.approx(math.log(search.supernet.space.size))
    assert list(record.probabilities["pick"]) == list(range(20))
    assert SearchRecord.from_json(record.to_json()) == record
    search.reset_for_validation()
    assert loss(search.supernet.module, batches[0]).isfinite()
    architecture = search.export()
    assert n_chosen in (None, len(architecture["pick"]))
    if reduction == "sum" and architecture["pick"]:
        assert_path_equals_subnet(search.supernet, architecture, batches[0])
    again = strategy.search(network, seed=0)
    again.load_state_dict(search.state_dict())
    assert again.export() == architecture
    assert again.probabilities() == search.probabilities()


@pytest.mark.parametrize("strategy", STRATEGIES[2:], ids=repr_of)
@pytest.mark.parametrize("n_chosen", [None, 3])
def test_gradients_find_the_inputs_whose_sum_is_the_target(strategy, n_chosen):
    """The scales are 1, 0.9, ..., -0.9; the sum of the largest is wanted, and all with the wrong sign are to go."""
    search = strategy.search(Sum(20, n_chosen), seed=0)
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.0)
    loop = SearchLoop(search, lambda module, x: -module(x).mean(), optimizer)
    batches = [torch.ones(2, 2)] * 100
    loop.run(batches, batches, 1)
    chosen = search.export()["pick"]
    if n_chosen is None:
        assert set(range(8)) <= set(chosen)
        assert not set(range(13, 20)) & set(chosen)
    else:
        assert sum(chosen) <= 9  # three of the first few


@pytest.mark.parametrize(
    ("n_chosen", "reduction"), [(None, "sum"), (None, "mean"), (2, "sum"), (2, "mean"), (2, "concat")]
)
@pytest.mark.parametrize("strategy", [DARTS(), PCDARTS(), DARTS(unrolled=True)])
def test_the_softmax_by_candidates_is_the_softmax_over_listed_subsets(strategy, n_chosen, reduction, monkeypatch):
    def searched():
        search = strategy.search(Sum(5, n_chosen, reduction).double(), seed=1)
        optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.1)
        batches = [torch.randn(4, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)] * 3
        weigh = torch.linspace(0.5, 1.5, 4 if reduction == "concat" else 2, dtype=torch.float64)
        history = SearchLoop(search, lambda net, x: (net(x) * weigh).square().mean(), optimizer).run(
            batches, batches, 2
        )
        alpha = search.parameters.by_label["pick"].detach()
        return alpha, search.supernet.module.scales.detach(), search.export(), history[-1].entropy["pick"]

    by_subset = searched()
    monkeypatch.setattr(decisions, "MAX_VALUES", 3)
    by_candidate = searched()
    torch.testing.assert_close(by_candidate[:2], by_subset[:2])
    assert by_candidate[2] == by_subset[2]
    assert by_candidate[3] == pytest.approx(by_subset[3])


@pytest.mark.parametrize("n_chosen", [None, 2])
def test_the_controller_by_candidates_is_the_controller_of_listed_subsets(n_chosen, monkeypatch):
    def numbers():
        search = ENAS().search(build_supernet(Sum(5, n_chosen)), seed=2)
        with torch.no_grad():
            search.controller.heads[0].weight.mul_(20)
        samples = [search.controller.evaluate(architecture) for architecture in search.supernet.space.grid()]
        terms = [(sample.log_probability, sample.entropy, sample.skip_penalty) for sample in samples]
        total = sum(sample.log_probability * (1 + at) for at, sample in enumerate(samples))
        total = total + samples[0].entropy + samples[0].skip_penalty
        gradients = torch.autograd.grad(total, list(search.controller.parameters()), allow_unused=True)
        return torch.tensor([[float(term.detach()) for term in row] for row in terms]), gradients, search.export()

    by_subset = numbers()
    monkeypatch.setattr(decisions, "MAX_VALUES", 3)
    by_candidate = numbers()
    torch.testing.assert_close(by_candidate[0], by_subset[0])
    for ours, theirs in zip(by_candidate[1], by_subset[1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert by_candidate[2] == by_subset[2]


def wide_decision(n_chosen, count=20):
    return build_supernet(Sum(count, n_chosen)).decisions["pick"]


def applied(relaxation, decision, logits, seed):
    relaxation.apply_subset(decision, logits, torch.Generator().manual_seed(seed), learning=True)
    return decision.weights


@pytest.mark.parametrize("n_chosen", [None, 4])
def test_gumbel_weights_have_the_gradient_of_their_finite_differences(n_chosen):
    decision, logits = wide_decision(n_chosen), some_logits(seed=1, count=20)
    relaxation = GumbelSoftmax(0.7, 0.7)
    assert torch.autograd.gradcheck(lambda alpha: applied(relaxation, decision, alpha, seed=4), (logits,))
    if n_chosen is not None:
        assert applied(relaxation, decision, logits, seed=4).sum().item() == pytest.approx(n_chosen)


def test_cold_gumbel_weights_are_samples():
    """Of independent decisions for any number, and for a fixed one those of drawing one candidate after the other."""
    cold = GumbelSoftmax(1e-6, 1e-6)
    logits = some_logits(seed=2, count=20) / 2
    repeats = 2000
    for n_chosen, expected in ((None, logits.sigmoid()), (13, None)):
        decision = wide_decision(n_chosen)
        counts = torch.zeros(20, dtype=torch.float64)
        for seed in range(repeats):
            weights = applied(cold, decision, logits.detach(), seed)
            assert torch.all((weights < 1e-6) | (weights > 1 - 1e-6))
            counts += weights
        if expected is None:
            generator = torch.Generator().manual_seed(0)
            shares = logits.detach().softmax(0).expand(20000, -1)
            drawn = torch.multinomial(shares, n_chosen, generator=generator)
            expected = torch.zeros(20000, 20).scatter(1, drawn, 1.0).mean(dim=0).double()
        torch.testing.assert_close(counts / repeats, expected.detach(), rtol=0, atol=5 * 0.5 / math.sqrt(repeats))


@pytest.mark.parametrize("n_chosen", [None, 4])
def test_gates_are_one_subset_with_the_gradient_of_the_softmax_of_two(n_chosen):
    decision, logits = wide_decision(n_chosen), some_logits(seed=3, count=20)
    coefficients = torch.linspace(-1.0, 1.0, 20, dtype=torch.float64)
    for seed in range(5):
        weights = applied(BinaryGates(), decision, logits, seed)
        ours = torch.autograd.grad((weights * coefficients).sum(), logits)[0]
        distribution = SubsetDistribution(decision.by_candidate, logits)
        generator = torch.Generator().manual_seed(seed)
        first = distribution.sample(generator)
        pair = torch.stack([distribution.members(s) for s in (first, distribution.sample_other(first, generator))])
        assert any(torch.allclose(row, weights.detach(), rtol=0, atol=1e-12) for row in pair)
        theirs = torch.autograd.grad(((pair @ logits).softmax(0) @ pair * coefficients).sum(), logits)[0]
        torch.testing.assert_close(ours, theirs)
        changed = (pair[0] != pair[1]).double()
        assert (ours * (1 - changed)).abs().max() < 1e-12  # candidates that both have, or neither


@pytest.mark.parametrize("n_chosen", [None, 4])
def test_the_weights_of_drnas_come_from_a_beta_or_a_dirichlet_distribution(n_chosen):
    decision, logits = wide_decision(n_chosen), some_logits(seed=4, count=20)
    beta = torch.where(logits > 0, logits + 1, logits.exp())
    relaxation, repeats = DirichletSample(kl_weight=1.0), 1500
    total, gradient = torch.zeros(20, dtype=torch.float64), torch.zeros(20, dtype=torch.float64)
    for seed in range(repeats):
        weights = applied(relaxation, decision, logits, seed)
        total += weights.detach() / repeats
        gradient += torch.autograd.grad(weights.sum() if n_chosen is None else weights[0], logits)[0] / repeats
    mean = relaxation.subset_distribution(decision.by_candidate, logits).inclusion()
    if n_chosen is None:
        torch.testing.assert_close(mean, beta / (beta + 1))
        torch.testing.assert_close(total, mean.detach(), rtol=0, atol=5 * 0.5 / math.sqrt(repeats))
        expected = torch.autograd.grad((beta / (beta + 1)).sum(), logits)[0]
        torch.testing.assert_close(gradient, expected, rtol=0.2, atol=0.03)
    else:
        torch.testing.assert_close(mean, SubsetDistribution(decision.by_candidate, beta.log()).inclusion())
        assert total.sum().item() == pytest.approx(n_chosen)
        assert gradient[0] > 0 > gradient[1:].sum()


def test_the_divergence_of_drnas_is_that_of_its_beta_distributions():
    search = DrNAS(kl_weight=0.5).search(Sum(20), seed=0)
    with torch.no_grad():
        search.parameters.by_label["pick"].copy_(torch.linspace(-2.0, 2.0, 20))
    alpha = search.parameters.by_label["pick"]
    beta = torch.where(alpha > 0, alpha + 1, alpha.exp())
    expected = 0.5 * (beta.log() + 1 / beta - 1).sum()  # of Beta(b, 1) from the uniform distribution
    torch.testing.assert_close(search._relaxation.penalty(search.parameters), expected)


def test_an_expected_cost_is_estimated_without_bias_for_choices_of_many_inputs():
    supernet = build_supernet(Sum(20, 4))
    choice = supernet.decisions["pick"].by_candidate
    logits = some_logits(seed=6, count=20)
    prices = torch.linspace(1.0, 3.0, 20, dtype=torch.float64)
    options = ExpectedCost(lambda a: sum(float(prices[at]) for at in a["pick"]), baseline=1.0, num_samples=4)
    estimator, generator, repeats = CostEstimator(options, supernet), torch.Generator().manual_seed(0), 800
    exact = (SubsetDistribution(choice, logits).inclusion() * prices).sum()
    expected = torch.autograd.grad(exact, logits)[0]
    total, gradient = 0.0, torch.zeros(20, dtype=torch.float64)
    for _ in range(repeats):
        estimate = estimator.expected({"pick": SubsetDistribution(choice, logits)}, generator)
        total += estimate.item() / repeats
        gradient += torch.autograd.grad(estimate, logits)[0] / repeats
    assert total == pytest.approx(exact.item(), rel=0.02)
    torch.testing.assert_close(gradient, expected, rtol=0.2, atol=0.06)


def test_the_best_architecture_that_constraints_allow_is_exported():
    supernet = build_supernet(Sum(20), constraints=[lambda architecture: len(architecture["pick"]) <= 9])
    search = DARTS().search(supernet, seed=0)
    with torch.no_grad():
        search.parameters.by_label["pick"].copy_(torch.linspace(1.0, -1.0, 20) + 0.1)
    assert search.export()["pick"] == tuple(range(9))


def test_a_setting_that_is_put_back_is_a_mixture_of_subsets_again():
    search = DARTS().search(Sum(20), seed=0)
    search.reset()
    supernet, x = search.supernet, torch.randn(3, 2)
    before = supernet(x)
    with supernet.temporarily({"pick": [0, 3]}):
        torch.testing.assert_close(supernet(x), (supernet.module.scales[0] + supernet.module.scales[3]) * x)
    torch.testing.assert_close(supernet(x), before)


def test_a_relaxation_without_a_form_for_candidates_says_what_to_implement():
    search = Undecided().search(Sum(20), seed=0)
    with pytest.raises(SupernetError, match=r"Half weighs each value .* 'pick' has 1,048,576 subsets.*apply_subset"):
        search.reset()
    Undecided().search(Sum(4), seed=0).reset()


def test_a_hundred_inputs_are_few():
    search = DARTS().search(Sum(100, 6), seed=0)
    search.reset()
    x = torch.randn(2, 2)
    assert subnet(search, search.export())(x).shape == search.supernet(x).shape == (2, 2)
    ranked = SubsetDistribution(choice(0, 100, 100), some_logits(count=100)).ranked()
    losses = [loss for _, loss in itertools.islice(ranked, 200)]
    assert losses == sorted(losses)
