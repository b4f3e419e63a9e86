"""The distribution of a policy, against enumeration of small spaces."""

import math
import random
from collections import Counter

import pytest
import torch

from retiarii.errors import ConfigError
from retiarii.space import Categorical, Float, Integer, SearchSpace, Subset, rng_for, when
from retiarii.strategy import PolicyBasedRL
from retiarii.strategy._reinforcement.policy import Policy, taken
from retiarii.testing.spaces import SPACES

ENUMERATED = ["flat", "nested", "prior", "single_point", "subset", "tiny"]  # no constraints: the policy ignores them
NUMBERS = [
    Integer("n", 0, 9),
    Integer("n", 3, 1_000, step=7),
    Integer("n", 1, 12, log=True),
    Integer("n", 1, 10_000, log=True),
    Integer("n", -(2**80), 2**80),
    Float("n", -1.0, 3.0),
    Float("n", 1e-5, 0.1, log=True),
]


def trained(space, seed=0):
    """Return a policy whose probabilities are far from the prior."""
    policy = Policy(space, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return policy


@pytest.mark.parametrize("name", ENUMERATED)
@pytest.mark.parametrize("make", [lambda space: Policy(space, seed=0), trained])
def test_probabilities_of_all_architectures_sum_to_one(name, make):
    space = SPACES[name]()
    total = make(space).log_probabilities(list(space.grid())).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", ["flat", "tiny", "subset"])
def test_a_new_policy_is_uniform_where_the_space_is(name):
    space = SearchSpace([choice for choice in SPACES[name]() if choice.label != "stem_op"])
    probabilities = Policy(space, seed=3).log_probabilities(list(space.grid())).exp()
    torch.testing.assert_close(probabilities, torch.full_like(probabilities, 1 / space.size), rtol=1e-12, atol=0)


def test_a_new_policy_has_the_priors_of_the_space():
    space = SPACES["prior"]()
    share = dict(zip("abc", (0.999, 0.001, 0.0), strict=True))
    grid = list(space.grid())
    probabilities = Policy(space, seed=3).log_probabilities(grid).exp().tolist()
    assert probabilities == pytest.approx([math.prod(share[v] for v in found.values()) for found in grid], rel=1e-9)


@pytest.mark.parametrize("name", ["nested", "subset"])
def test_architectures_are_drawn_with_their_probabilities(name):
    """Each frequency within 5 standard deviations: 23 architectures fail with a probability of 1.4e-5 at most."""
    space, count = SPACES[name](), 20_000
    policy = trained(space)
    drawn = Counter(policy.sample(rng_for(1, number)) for number in range(count))
    grid = list(space.grid())
    for architecture, share in zip(grid, policy.log_probabilities(grid).exp().tolist(), strict=True):
        assert abs(drawn[architecture] / count - share) <= 5 * math.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("choice", NUMBERS, ids=lambda choice: choice.domain())
def test_numbers_are_drawn_from_all_of_their_range(choice):
    """The mean position is that of the space itself, within 5 standard deviations of the difference (6e-7)."""
    space, count = SearchSpace([choice]), 4_000
    policy = Policy(space, seed=0)
    ours, theirs = (
        [choice.encode(sample(rng_for(2, number))["n"])[0] for number in range(count)]
        for sample in (policy.sample, space.sample)
    )
    assert abs(sum(ours) - sum(theirs)) / count <= 5 * 0.5 * math.sqrt(2 / count)
    assert len({round(value, 2) for value in ours}) >= min(choice.cardinality, 60)


@pytest.mark.parametrize("choice", NUMBERS, ids=lambda choice: choice.domain())
def test_a_learned_range_of_numbers_is_drawn_more_often(choice):
    space = SearchSpace([choice])
    policy = Policy(space, seed=0)
    favourite = policy.sample(rng_for(5, 0))
    before = policy.log_probabilities([favourite]).exp().item()
    [option] = policy.steps.episode(favourite).options
    with torch.no_grad():
        policy.logits_bias_TK[0, option] = 3.0
    after = policy.log_probabilities([favourite]).exp().item()
    assert after > 2 * before
    drawn = [policy.sample(rng_for(6, number)) for number in range(2_000)]
    hits = sum(int(policy.steps.episode(architecture).options[0]) == option for architecture in drawn)
    assert abs(hits / 2_000 - after) <= 5 * math.sqrt(after * (1 - after) / 2_000)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_decisions_of_an_architecture_lead_to_it_again(name):
    space = SPACES[name]()
    steps = trained(space).steps
    for number in range(50):
        architecture = space.sample(rng_for(8, number))
        options = steps.episode(architecture).options
        again = steps.decide(lambda step, log_prior, options=options: int(options[step]), random.Random(0))
        assert (steps.episode(again).options == options).all()
        if all(not isinstance(choice, Float) and choice.cardinality <= 16 for choice in space):
            assert again == architecture


def test_probabilities_depend_on_earlier_decisions_only():
    space = SearchSpace([Categorical(label, ("a", "b", "c")) for label in "xyz"])
    policy = trained(space)
    first, other = (space.architecture({"x": "b", "y": y, "z": "c"}) for y in "ac")
    episodes = policy.episodes([first, other])
    one, two = policy(episodes)[0].detach()
    assert torch.equal(one[:2], two[:2])
    assert not torch.allclose(one[2], two[2])
    assert taken(policy(episodes)[0], episodes).shape == (2, 3)


def test_inactive_choices_are_not_decided():
    space = SearchSpace(
        [Categorical("op", ("conv", "skip")), Categorical("size", (3, 5), condition=when("op", "conv"))]
    )
    policy = trained(space)
    episodes = policy.episodes([space.architecture({"op": "skip"}), space.architecture({"op": "conv", "size": 5})])
    assert episodes.is_active.tolist() == episodes.is_open.tolist() == [[True, False], [True, True]]


def test_what_is_forced_is_no_decision():
    """Of two of three candidates, the last is forced once two were taken, or one was left out."""
    space = SearchSpace([Subset("inputs", ("a", "b", "c"), 2, 2), Integer("fixed", 4, 4)])
    policy = trained(space)
    episodes = policy.episodes(
        [space.architecture({"inputs": chosen, "fixed": 4}) for chosen in (["a", "b"], ["b", "c"])]
    )
    assert episodes.is_open.tolist() == [[True, True, False], [True, False, False]]


def test_too_many_candidates_are_refused():
    space = SearchSpace([Categorical("width", tuple(range(2_000)), declared_at="model.layer")])
    with pytest.raises(ConfigError, match=r"'width' \(declared at model.layer\): it has 2,000 candidates.*an Integer"):
        PolicyBasedRL().search(space)


@pytest.mark.parametrize("most_points", [7, 10_000])
@pytest.mark.parametrize("name", ENUMERATED)
def test_a_sampler_draws_what_the_policy_draws(monkeypatch, most_points, name):
    monkeypatch.setattr("retiarii.strategy._reinforcement.policy._MOST_POINTS", most_points)
    policy = trained(SPACES[name]())
    sampler = policy.sampler()
    for number in range(200):
        assert sampler.sample(rng_for(2, number)) == policy.sample(rng_for(2, number))
