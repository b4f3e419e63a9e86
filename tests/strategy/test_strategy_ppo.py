"""PPO, against numbers by hand and against the formulas of the paper written out one decision at a time."""

import math

import pytest
import torch

from retiarii.space import rng_for
from retiarii.strategy import PolicyBasedRL
from retiarii.strategy._reinforcement.policy import Policy
from retiarii.strategy._reinforcement.ppo import PPO, advantages, normalised, ppo_loss
from retiarii.testing.searches import score
from retiarii.testing.spaces import nested, tiny

OPTIONS = PolicyBasedRL(clip_range=0.1, entropy_weight=0.03, value_weight=0.7, gamma=0.9, gae_lambda=0.8)


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def policy_and_episodes(count=12):
    """Return a policy away from its start, architectures of a space with conditions, and their decisions."""
    space = nested()
    policy = Policy(space, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    architectures = [space.sample(rng_for(3, number)) for number in range(count)]
    return policy, architectures, policy.episodes(architectures)


def test_advantages_are_those_by_hand():
    # errors, from the last: 1 - 0.4 = 0.6; 0.9 * 0.4 - 0.2 = 0.16; 0.9 * 0.2 - 0.5 = -0.32
    # advantages: 0.6; 0.16 + 0.72 * 0.6 = 0.592; -0.32 + 0.72 * 0.592 = 0.10624
    gained = advantages(tensor(1.0)[0:1], tensor([0.5, 0.2, 0.4]), torch.tensor([[True] * 3]), OPTIONS)
    torch.testing.assert_close(gained, tensor([0.10624, 0.592, 0.6]))


def test_advantages_pass_over_what_was_not_decided():
    is_open = torch.tensor([[False, True, False, True, True, False]])
    values = tensor([9.0, 0.5, 9.0, 0.2, 0.4, 9.0])
    gained = advantages(tensor(1.0)[0:1], values, is_open, OPTIONS)
    torch.testing.assert_close(gained, tensor([0.0, 0.10624, 0.0, 0.592, 0.6, 0.0]))


def test_with_lambda_1_advantages_are_returns_less_values():
    options = PolicyBasedRL(gamma=0.9, gae_lambda=1.0)
    values, rewards = tensor([0.5, 0.2], [0.1, -0.3]), torch.tensor([1.0, -2.0], dtype=torch.float64)
    gained = advantages(rewards, values, torch.ones(2, 2, dtype=torch.bool), options)
    torch.testing.assert_close(gained, torch.stack([0.9 * rewards, rewards], dim=1) - values)


def test_normalised_advantages_have_mean_0_and_deviation_1_over_decisions():
    is_open = torch.tensor([[True, True, False], [True, False, False]])
    normal = normalised(tensor([1.0, 2.0, 0.0], [6.0, 0.0, 0.0]), is_open)[is_open]
    torch.testing.assert_close(normal, tensor([-2.0, -1.0, 3.0])[0] / math.sqrt(14 / 3))


def loss_by_hand(policy, architectures, old, advantage, target):
    """Return the loss of eq. 9, one decision after the other, from the parameters of the policy alone."""
    bias, weights, logits_bias = policy.hidden_bias_TH, policy.logits_THK, policy.logits_bias_TK
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row, architecture in enumerate(architectures):
        before = torch.zeros(bias.shape[1], dtype=torch.float64)
        position = 0
        for step, choice in enumerate(policy.steps.space):
            if choice.label in architecture:
                option = choice.index_of(architecture[choice.label])
                hidden = torch.tanh(before + bias[step])
                logits = hidden @ weights[step][:, : choice.cardinality] + logits_bias[step][: choice.cardinality]
                shares = logits.exp() / logits.exp().sum()
                ratio = (shares[option].log() - old[row][step]).exp()
                gain = advantage[row][step]
                clipped = min(max(ratio, 1 - OPTIONS.clip_range), 1 + OPTIONS.clip_range)
                objective = min(ratio * gain, clipped * gain)
                value = hidden @ policy.value_TH[step] + policy.value_bias_T[step]
                entropy = -sum(share * share.log() for share in shares)
                total = total - objective + OPTIONS.value_weight * (value - target[row][step]) ** 2
                total = total - OPTIONS.entropy_weight * entropy
                count += 1
                before = before + policy.embeddings_NH[position + option]
            position += choice.cardinality
    return total / count


def test_the_loss_and_its_gradient_are_those_of_the_paper():
    policy, architectures, episodes = policy_and_episodes()
    shape = episodes.options.shape
    generator = torch.Generator().manual_seed(4)
    old, advantage, target = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    current = policy(episodes)[0].detach().gather(-1, episodes.options.unsqueeze(-1)).squeeze(-1)
    old = current + 0.15 * old  # ratios on both sides of the clip range

    loss = ppo_loss(*policy(episodes), episodes, old, advantage, target, OPTIONS)
    gradients = torch.autograd.grad(loss, list(policy.parameters()))
    expected = loss_by_hand(policy, architectures, old, advantage, target)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, list(policy.parameters())))
    ratios = (current - old).exp()[episodes.is_open]
    assert (ratios > 1.1).any()
    assert (ratios < 0.9).any()
    assert ((ratios > 0.9) & (ratios < 1.1)).any()


def test_an_update_makes_good_architectures_more_probable_and_values_better():
    space = tiny()
    policy, architectures = Policy(space, seed=0), list(space.grid())
    rewards = [score(architecture) for architecture in architectures]
    best, worst = (architectures[rewards.index(pick(rewards))] for pick in (max, min))
    episodes = policy.episodes(architectures)
    before, error = policy.log_probabilities([best, worst]).tolist(), _value_error(policy, episodes, rewards)
    PPO(policy, PolicyBasedRL()).update(architectures, rewards, rng_for(0))
    after = policy.log_probabilities([best, worst]).tolist()
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert _value_error(policy, episodes, rewards) < error


def _value_error(policy, episodes, rewards):
    values = policy(episodes)[1].detach()[:, 0]
    return (values - torch.tensor(rewards, dtype=torch.float64)).square().mean().item()


def test_equal_rewards_teach_no_preference():
    policy, architectures, _ = policy_and_episodes()
    with torch.no_grad():
        policy.value_TH.zero_()
        policy.value_bias_T.zero_()
    before = policy.log_probabilities(architectures).detach()
    PPO(policy, PolicyBasedRL(gae_lambda=1.0)).update(architectures, [0.0] * len(architectures), rng_for(0))
    torch.testing.assert_close(policy.log_probabilities(architectures).detach(), before)


@pytest.mark.parametrize("minibatch_size", [1, 5, 100])
def test_minibatches_of_any_size_are_learned_from(minibatch_size):
    policy, architectures, _ = policy_and_episodes()
    before = policy.log_probabilities(architectures).detach()
    rewards = [score(architecture) for architecture in architectures]
    PPO(policy, PolicyBasedRL(minibatch_size=minibatch_size)).update(architectures, rewards, rng_for(0))
    assert not torch.allclose(policy.log_probabilities(architectures).detach(), before)


def test_the_number_of_threads_changes_no_number():
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            policy, architectures, _ = policy_and_episodes()
            PPO(policy, PolicyBasedRL()).update(architectures, [score(a) for a in architectures], rng_for(0))
            assert torch.get_num_threads() == count
            found.append(torch.cat([parameter.detach().flatten() for parameter in policy.parameters()]))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)
