from collections import Counter

import pytest

from retiarii.errors import ConstraintError, SearchExhausted
from retiarii.space import Categorical, Float, Integer, SearchSpace, Test
from retiarii.strategy import Random
from retiarii.testing.searches import architectures
from retiarii.testing.spaces import constrained, flat, nas_bench_201, prior, single_point
from retiarii.trial import Proposal


def test_proposals_follow_the_prior():
    """Binomial with 4,000 draws: 5 standard deviations, exceeded by chance with 6e-7; the seed is fixed."""
    space = SearchSpace([Categorical("op", ("a", "b"), prior=(0.9, 0.1)), Integer("n", 1, 10**9)])
    drawn = Counter(proposal.architecture["op"] for proposal in Random(dedup=False).search(space, seed=0).ask(4_000))
    assert abs(drawn["b"] - 400) < 5 * (4_000 * 0.9 * 0.1) ** 0.5


def test_repetition_without_dedup():
    search = Random(dedup=False).search(single_point())
    assert search.ask(3) == [Proposal(single_point().default())] * 3


def test_the_last_architectures_of_a_larger_space_are_found():
    """The last 5 of 15,625 would need about 36,000 draws."""
    every = list(nas_bench_201().grid())
    search = Random().search(nas_bench_201(), seed=1)
    search.replay([Proposal(architecture) for architecture in every[:-5]], [])
    assert set(architectures(search.ask(10))) == set(every[-5:])
    with pytest.raises(SearchExhausted, match="All 15,625 architectures"):
        search.ask(1)


def test_leftovers_are_equally_likely():
    """Over 400 seeds, each of 4 leftovers comes first as often; chi-squared, 3 degrees of freedom, chance 1e-4."""
    space = SearchSpace(list(nas_bench_201())[:3])  # 125 architectures
    every = list(space.grid())
    left = [every[index] for index in (0, 1, 60, 124)]
    first = Counter()
    for seed in range(400):
        search = Random().search(space, seed=seed)
        search.replay([Proposal(architecture) for architecture in every if architecture not in left], [])
        first[search.ask(1)[0].architecture] += 1
    assert sum((first[architecture] - 100) ** 2 / 100 for architecture in left) < 21.1


def test_what_a_prior_makes_rare_or_impossible_is_still_found():
    assert len(set(Random().search(prior()))) == 27


def test_model_filter_is_a_constraint():
    search = Random(model_filter=lambda architecture: architecture["a"] == 1).search(constrained())
    proposed = architectures(search)
    assert set(proposed) == {architecture for architecture in constrained().grid() if architecture["a"] == 1}
    assert len(proposed) == 19


def test_a_constraint_that_rejection_cannot_meet_is_met_by_enumeration():
    space = SearchSpace([Integer("n", 0, 29_999)], constraints=[lambda architecture: architecture["n"] == 12_345])
    search = Random().search(space)
    assert [proposal.architecture["n"] for proposal in search] == [12_345]


def test_a_constraint_that_nothing_meets_is_an_error_not_an_end():
    space = SearchSpace([Integer("n", 0, 99)], constraints=[lambda architecture: False])
    with pytest.raises(ConstraintError, match="None of the 100 architectures"):
        Random().search(space).ask(1)


def test_a_constraint_that_nothing_meets_in_a_huge_space():
    space = SearchSpace([Integer("n", 0, 10**12)], constraints=[lambda architecture: False])
    with pytest.raises(ConstraintError, match="10,000"):
        Random().search(space).ask(1)


def test_a_huge_space_in_which_nothing_new_turns_up_ends():
    pairs = [Categorical(f"x{index}", ("a", "b"), prior=(1.0, 0.0)) for index in range(21)]
    search = Random().search(SearchSpace(pairs))
    assert len(search.ask(5)) == 1
    with pytest.raises(SearchExhausted, match="10,000 random architectures in a row"):
        search.ask(1)


def test_an_infinite_space_with_a_rare_continuous_branch_ends():
    when = frozenset({frozenset({Test("op", frozenset({"b"}))})})
    space = SearchSpace([Categorical("op", ("a", "b"), prior=(1.0, 0.0)), Float("lr", 0.0, 1.0, condition=when)])
    search = Random().search(space)
    assert len(search.ask(2)) == 1


def test_seeds_give_different_searches():
    starts = {tuple(Random().search(flat(), seed=seed).ask(3)) for seed in range(50)}
    assert len(starts) == 50


def test_none_as_a_value_is_not_an_inactive_choice():
    when = frozenset({frozenset({Test("use", frozenset({True}))})})
    space = SearchSpace([Categorical("use", (False, True)), Categorical("norm", (None, "batch"), condition=when)])
    assert len(list(Random().search(space))) == 3
