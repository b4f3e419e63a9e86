"""Samples of Gumbel softmax, binary gates, Dirichlet and controller against their distributions and gradients."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from oneshot_tools import batch, loss, recorded, small, written_out
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.errors import ConfigError
from retiarii.oneshot import ENAS, DrNAS, GumbelDARTS, Proxyless, build_supernet
from retiarii.oneshot._decisions.relaxations import BinaryGates, GumbelSoftmax
from retiarii.oneshot._searches.controller import Controller

# Gumbel softmax: the largest weight falls on a value with its softmax probability, at every temperature (Gumbel-max).


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_gumbel_samples_have_their_distribution(temperature):
    supernet = build_supernet(nn.LayerChoice([nn.Identity() for _ in range(4)], label="a"))
    decision = supernet.decisions["a"]
    logits = torch.tensor([0.0, 1.0, -0.5, 0.3], dtype=torch.float64)
    relaxation = GumbelSoftmax(temperature, temperature)
    generator = torch.Generator().manual_seed(7)
    counts = torch.zeros(4)
    for _ in range(4000):
        relaxation.apply(decision, logits, generator, learning=False)
        counts[decision.weights.argmax()] += 1
    expected = logits.softmax(0) * 4000
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert chi_squared < 16.27  # the 0.999 quantile with 3 degrees of freedom; the seed is fixed


def test_the_temperature_changes_how_sharp_samples_are_and_falls_over_the_epochs():
    supernet = small()
    search = GumbelDARTS(gumbel_temperature=5.0, use_temp_anneal=True, min_temp=0.1).search(supernet)
    sharpness, temperatures = [], []
    for epoch in range(3):
        search.begin_epoch(epoch, 3)
        temperatures.append(search.temperature)
        largest = []
        for _ in range(50):
            search.reset()
            largest.append(float(supernet.decisions["a"].weights.max()))
        sharpness.append(sum(largest) / len(largest))
    assert temperatures == pytest.approx([5.0, 2.55, 0.1])
    assert sharpness[0] < sharpness[1] < 0.7 < 0.9 < sharpness[2]
    assert GumbelDARTS(gumbel_temperature=2.0).search(small()).temperature == 2.0


def test_gumbel_samples_differentiate_as_the_sample_written_out():
    supernet = small()
    search, optimizer = recorded(GumbelDARTS, supernet, gumbel_temperature=0.7)
    data = batch(1)
    search.architecture_step(lambda: loss(supernet, data))
    weights = {label: decision.weights.detach() for label, decision in supernet.decisions.items()}
    alphas = {label: alpha.detach().clone().requires_grad_() for label, alpha in search.parameters.by_label.items()}
    # A sample is softmax((alpha + noise) / tau): the noise follows from the sample up to a constant.
    noisy = {label: weights[label].log() * 0.7 - alphas[label].detach() for label in alphas}
    samples = {label: ((alphas[label] + noisy[label]) / 0.7).softmax(0) for label in alphas}
    expected = torch.autograd.grad(
        F.cross_entropy(written_out(supernet, None, data[0], samples), data[1]), list(alphas.values())
    )
    torch.testing.assert_close(optimizer.seen, list(expected))


# Proxyless.


def test_gates_run_one_active_path_and_pass_the_gradient_of_both():
    supernet = small()
    relaxation = BinaryGates()
    generator = torch.Generator().manual_seed(0)
    decision = supernet.decisions["a"]
    logits = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    relaxation.apply(decision, logits, generator, learning=True)
    assert len(decision.support) == 2
    assert sorted(decision.weights.tolist()) == [0.0, 0.0, 1.0]
    outer = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)  # dL/dg
    (gradient,) = torch.autograd.grad((decision.weights * outer).sum(), logits)
    two = list(decision.support)
    p = logits.detach()[two].softmax(0)
    expected = torch.zeros(3, dtype=torch.float64)
    for i, j in itertools.product(range(2), repeat=2):  # eq. 4 with two paths
        expected[two[i]] += outer[two[j]] * p[j] * (float(i == j) - p[i])
    torch.testing.assert_close(gradient, expected)


def test_gates_differentiate_as_the_outputs_of_both_paths_say():
    supernet = small()
    search, optimizer = recorded(Proxyless, supernet)
    data = batch(1)
    search.architecture_step(lambda: loss(supernet, data))
    gates = {
        label: decision.weights.detach().clone().requires_grad_() for label, decision in supernet.decisions.items()
    }
    pairs = {label: list(decision.support) for label, decision in supernet.decisions.items()}
    by_gate = torch.autograd.grad(
        F.cross_entropy(written_out(supernet, None, data[0], gates), data[1]), list(gates.values())
    )
    for label, outer, ours in zip(gates, by_gate, optimizer.seen, strict=True):
        p = search.parameters.by_label[label].detach()[pairs[label]].softmax(0)
        inner = outer[pairs[label]]
        expected = torch.zeros_like(outer)
        expected[pairs[label]] = p * (inner - (p * inner).sum())
        torch.testing.assert_close(ours, expected)


def test_the_gate_gradient_on_average_is_that_of_the_expected_loss_for_two_candidates():
    # With two candidates the pair is always sampled, and a loss linear in the gates has d E[loss] / d alpha.
    supernet = build_supernet(nn.LayerChoice([nn.Identity(), nn.Identity()], label="a"))
    decision = supernet.decisions["a"]
    relaxation, generator = BinaryGates(), torch.Generator().manual_seed(0)
    logits = torch.tensor([0.4, -0.3], dtype=torch.float64, requires_grad=True)
    losses = torch.tensor([3.0, 1.0], dtype=torch.float64)
    (expected,) = torch.autograd.grad((logits.softmax(0) * losses).sum(), logits)
    relaxation.apply(decision, logits, generator, learning=True)
    (ours,) = torch.autograd.grad((decision.weights * losses).sum(), logits)
    torch.testing.assert_close(ours, expected)


def test_paths_that_were_not_sampled_keep_their_probability():
    supernet = build_supernet(nn.LayerChoice([nn.Linear(3, 3) for _ in range(5)], label="a").double())
    search = Proxyless(arc_learning_rate=0.1).search(supernet)
    for step in range(5):
        before = search.parameters.by_label["a"].detach().softmax(0)
        search.architecture_step(lambda step=step: supernet(batch(step)[0]).square().mean())
        after = search.parameters.by_label["a"].detach().softmax(0)
        others = [at for at in range(5) if at not in supernet.decisions["a"].support]
        torch.testing.assert_close(after[others], before[others])
        assert not torch.allclose(after, before)


def test_proxyless_trains_weights_of_one_path_sampled_by_its_probability():
    supernet = build_supernet(nn.LayerChoice([nn.Linear(3, 3) for _ in range(3)], label="a"))
    search = Proxyless().search(supernet)
    with torch.no_grad():
        search.parameters.by_label["a"].copy_(torch.tensor([0.0, 1.0, -1.0]))
    counts = torch.zeros(3)
    for _ in range(2000):
        search.reset()
        assert supernet.decisions["a"].weights is None
        counts[supernet.decisions["a"].index] += 1
    expected = torch.tensor([0.0, 1.0, -1.0]).softmax(0) * 2000
    assert float(((counts - expected) ** 2 / expected).sum()) < 13.8  # 0.999 quantile, 2 degrees of freedom, fixed seed


# DrNAS.


def test_dirichlet_samples_have_the_moments_of_their_distribution():
    supernet = build_supernet(nn.LayerChoice([nn.Identity() for _ in range(3)], label="a"))
    search = DrNAS().search(supernet)
    with torch.no_grad():
        search.parameters.by_label["a"].copy_(torch.tensor([0.5, -1.0, 2.0]))
    beta = F.elu(torch.tensor([0.5, -1.0, 2.0])) + 1
    samples = []
    for _ in range(4000):
        search.reset()
        samples.append(supernet.decisions["a"].weights)
    samples = torch.stack(samples).double()
    mean = beta / beta.sum()
    variance = mean * (1 - mean) / (beta.sum() + 1)
    # Standard error of the mean is below 0.27 / sqrt(4000) = 0.0043: four of them.
    torch.testing.assert_close(samples.mean(0), mean.double(), rtol=0, atol=0.017)
    torch.testing.assert_close(samples.var(0), variance.double(), rtol=0.15, atol=0)
    shares = search.probabilities()["a"]
    assert list(shares.values()) == pytest.approx(mean.tolist())


def test_dirichlet_samples_are_differentiable_on_average_as_the_mean():
    # E[w] = beta / sum(beta), so the mean gradient of a linear function of samples is that of the mean.
    supernet = build_supernet(nn.LayerChoice([nn.Identity() for _ in range(3)], label="a"))
    search = DrNAS().search(supernet)
    search.parameters.by_label["a"].data = torch.tensor([0.5, 0.0, 1.0], dtype=torch.float64)
    alpha = search.parameters.by_label["a"]
    factor = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    beta = F.elu(alpha) + 1
    (expected,) = torch.autograd.grad((beta / beta.sum() * factor).sum(), alpha)
    total = torch.zeros(3, dtype=torch.float64)
    for _ in range(3000):
        search._apply(learning=True)
        total += torch.autograd.grad((supernet.decisions["a"].weights * factor).sum(), alpha)[0]
    torch.testing.assert_close(total / 3000, expected, rtol=0, atol=0.06)


def test_the_divergence_pulls_the_concentration_to_one():
    supernet = build_supernet(nn.LayerChoice([nn.Linear(3, 3) for _ in range(3)], label="a").double())
    search, optimizer = recorded(DrNAS, supernet, kl_weight=2.0)
    with torch.no_grad():
        search.parameters.by_label["a"].copy_(torch.tensor([1.0, -1.0, 0.0]))
    search.architecture_step(lambda: supernet(batch(0)[0]).sum() * 0.0)
    # KL(Dir(b) || Dir(1)) by hand
    alpha = search.parameters.by_label["a"].detach().clone().requires_grad_()
    b = F.elu(alpha) + 1
    divergence = (
        torch.lgamma(b.sum())
        - torch.lgamma(b).sum()
        - math.lgamma(3)
        + ((b - 1) * (torch.digamma(b) - torch.digamma(b.sum()))).sum()
    )
    (expected,) = torch.autograd.grad(2.0 * divergence, alpha)
    torch.testing.assert_close(optimizer.seen[0], expected)


def test_concentrations_of_very_small_logits_stay_above_zero():
    search = DrNAS().search(nn.LayerChoice([nn.Identity(), nn.Identity()], label="a"))
    with torch.no_grad():
        search.parameters.by_label["a"].copy_(torch.tensor([-30.0, 0.0]))  # elu(-30) is -1 in single precision
    assert all(share > 0 for share in search.probabilities()["a"].values())
    search._apply(learning=True)
    weights = search.supernet.decisions["a"].weights
    assert float(weights.detach().sum()) == pytest.approx(1.0)
    (gradient,) = torch.autograd.grad(weights[0], search.parameters.by_label["a"])
    assert gradient.isfinite().all()


# ENAS.


def tiny_space():
    inner = nn.LayerChoice([nn.Linear(3, 3), nn.Tanh()], label="inner")
    return build_supernet(
        nn.Sequential(
            nn.LayerChoice({"x": inner, "y": nn.Identity(), "z": nn.ReLU()}, label="outer"),
            nn.Dropout(nn.ValueChoice([0.1, 0.2], label="p")),
        )
    )


@pytest.mark.parametrize("decay", [1.0, 0.5, 0.0])
def test_the_policy_gradient_is_that_of_the_expected_reward(decay):
    supernet = tiny_space()
    search = ENAS(entropy_weight=0.0, baseline_decay=decay).search(supernet)
    search.controller.double()
    parameters = list(search.controller.parameters())
    architectures = list(supernet.space.grid())
    rewards = torch.arange(1.0, len(architectures) + 1, dtype=torch.float64).sqrt()
    samples = [search.controller.evaluate(architecture) for architecture in architectures]
    shares = torch.stack([sample.log_probability.exp() for sample in samples])
    assert shares.detach().sum().item() == pytest.approx(1.0)
    expected = torch.autograd.grad((shares * rewards).sum(), parameters, retain_graph=True, allow_unused=True)
    surrogate = 0.0
    for share, sample, reward in zip(shares, samples, rewards, strict=True):
        search.baseline = 0.7  # any constant: it must not change the expectation
        surrogate = surrogate + share.detach() * search.policy_loss(sample, float(reward))
        assert search.baseline == pytest.approx(decay * 0.7 + (1 - decay) * float(reward))
    ours = torch.autograd.grad(surrogate, parameters, allow_unused=True)
    for one, other in zip(ours, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, -other)


def test_entropy_is_part_of_the_reward_and_the_skip_penalty_of_the_loss():
    supernet = build_supernet(nn.InputChoice(3, None, label="skip"))
    search = ENAS(entropy_weight=0.5, skip_weight=0.8).search(supernet)
    sample = search.controller.evaluate(supernet.space.default())
    search.baseline = 0.25
    expected = -sample.log_probability * (2.0 + 0.5 * sample.entropy.detach() - 0.25) + 0.8 * sample.skip_penalty
    ours = search.policy_loss(sample, 2.0)
    torch.testing.assert_close(ours, expected)
    parameters = list(search.controller.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(ours, parameters, retain_graph=True, allow_unused=True),
        torch.autograd.grad(expected, parameters, allow_unused=True),
    )


@pytest.mark.parametrize("reward", [math.nan, math.inf])
def test_a_reward_that_is_no_number_is_refused_before_it_gets_into_the_baseline(reward):
    search = ENAS().search(tiny_space())
    with pytest.raises(ConfigError, match=r"The reward of \{'outer'.* is (nan|inf)"):
        search.architecture_step(lambda: reward)
    assert search.baseline is None


def test_the_controller_samples_with_the_probabilities_it_claims():
    supernet = tiny_space()
    controller = Controller(supernet.space, supernet.decisions, seed=3, tanh_constant=None)
    with torch.no_grad():
        for head in controller.heads:
            head.weight.mul_(4)
    architectures = list(supernet.space.grid())
    expected = torch.stack([controller.evaluate(a).log_probability.exp() for a in architectures]).detach() * 3000
    generator = torch.Generator().manual_seed(1)
    counts = torch.zeros(len(architectures))
    with torch.no_grad():
        for _ in range(3000):
            counts[architectures.index(controller.sample(generator).architecture)] += 1
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert len(architectures) == 8
    assert chi_squared < 24.32  # 0.999 quantile, 7 degrees of freedom, fixed seed


def test_the_entropy_is_that_of_the_decisions_made():
    supernet = tiny_space()
    controller = Controller(supernet.space, supernet.decisions, seed=0)
    with torch.no_grad():
        for head in controller.heads:
            head.weight.zero_()
    by_labels = {frozenset(a): float(controller.evaluate(a).entropy.detach()) for a in supernet.space.grid()}
    assert by_labels[frozenset({"outer", "p"})] == pytest.approx(math.log(3) + math.log(2))
    assert by_labels[frozenset({"outer", "inner", "p"})] == pytest.approx(math.log(3) + 2 * math.log(2))


def test_the_skip_penalty_is_zero_at_its_target_and_moves_towards_it():
    supernet = build_supernet(nn.InputChoice(3, None, label="skip"))
    architecture = supernet.space.default()
    for target, expected in ((0.5, 0.0), (0.2, 3 * (0.5 * math.log(2.5) + 0.5 * math.log(0.625)))):
        controller = Controller(supernet.space, supernet.decisions, seed=0, skip_target=target)
        with torch.no_grad():
            controller.heads[0].weight.zero_()
        assert float(controller.evaluate(architecture).skip_penalty.detach()) == pytest.approx(expected, abs=1e-6)


def test_baseline_follows_rewards_and_updates_come_after_the_aggregate():
    supernet = tiny_space()
    search = ENAS(baseline_decay=0.5, ctrl_steps_aggregate=2, entropy_weight=0.0).search(supernet)
    before = copy.deepcopy(search.controller.state_dict())
    search.architecture_step(lambda: 1.0)
    assert search.baseline == 1.0
    assert all(torch.equal(value, before[name]) for name, value in search.controller.state_dict().items())
    search.architecture_step(lambda: 3.0)
    assert search.baseline == 2.0
    assert not all(torch.equal(value, before[name]) for name, value in search.controller.state_dict().items())
