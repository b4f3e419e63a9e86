"""The shares of mutations, crossovers and random architectures in a generation, and which architectures are parents."""

import pytest

from retiarii.errors import SearchExhausted
from retiarii.space import Categorical, SearchSpace
from retiarii.strategy import GenerationalEvolution

LABELS = [f"layer{number}" for number in range(12)]
SPACE = SearchSpace([Categorical(label, values=tuple(range(6))) for label in LABELS])


def total(architecture):
    return float(sum(architecture.values()))


def generations(strategy, evaluate=total, seed=0):
    search = strategy.search(SPACE, seed=seed)
    found = []
    for proposal in search:
        found.append(proposal.architecture)
        search.tell_metric(proposal, evaluate(proposal.architecture))
    size = strategy.population_size
    return search, [found[start : start + size] for start in range(0, len(found), size)]


def differences(architecture, parent):
    return sum(architecture[label] != parent[label] for label in LABELS)


def is_crossover(architecture, parents):
    return any(
        all(architecture[label] in (first[label], second[label]) for label in LABELS)
        for first in parents
        for second in parents
    )


def test_a_generation_has_its_shares_of_mutations_crossovers_and_random_architectures():
    strategy = GenerationalEvolution(4, 20, num_select=4, num_mutation=8, num_crossover=7, mutation_prob=0.1)
    search, populations = generations(strategy)
    assert [len(population) for population in populations] == [20] * 4
    assert len({architecture for population in populations for architecture in population}) == 80
    for number in range(1, 4):
        before = [architecture for population in populations[:number] for architecture in population]
        parents = sorted(before, key=total, reverse=True)[:4]
        assert [total(parent) for parent in search.parents(number)] == [total(parent) for parent in parents]
        parents = search.parents(number)
        mutations, crossovers, rest = (populations[number][slice(*part)] for part in ((0, 8), (8, 15), (15, 20)))
        assert all(min(differences(one, parent) for parent in parents) <= 6 for one in mutations)
        assert all(is_crossover(one, parents) for one in crossovers)
        assert not any(is_crossover(one, parents) for one in rest)


def test_a_mutation_changes_each_choice_with_its_probability():
    strategy = GenerationalEvolution(2, 400, num_select=1, num_mutation=400, num_crossover=0, mutation_prob=0.25)
    search, (_, mutations) = generations(strategy)
    (parent,) = search.parents(1)
    changed = sum(differences(architecture, parent) for architecture in mutations) / (400 * len(LABELS))
    assert 0.22 < changed < 0.30  # 0.25, and a little more: those without a change are drawn again


def test_the_parents_are_the_best_of_all_generations_so_far():
    """Algorithm 1 of the paper keeps the best from generation to generation."""
    strategy = GenerationalEvolution(6, 10, num_select=3, num_mutation=5, num_crossover=5)
    search, populations = generations(strategy)
    found = [architecture for population in populations[:5] for architecture in population]
    best = sorted((total(architecture) for architecture in found), reverse=True)[:3]
    assert [total(parent) for parent in search.parents(5)] == best
    means = [sum(map(total, population)) / 10 for population in populations]
    assert means[-1] > means[0] + 5


def test_a_generation_waits_for_the_results_of_the_one_before():
    search = GenerationalEvolution(2, 4, num_select=2, num_mutation=2, num_crossover=2).search(SPACE, seed=0)
    first = search.ask(10)
    assert len(first) == 4
    for proposal in first[:3]:
        search.tell_metric(proposal, 1.0)
        assert search.ask(1) == []
    search.tell_metric(first[3], None)  # a failure
    second = search.ask(10)
    assert len(second) == 4
    with pytest.raises(SearchExhausted, match="All 2 generations"):
        search.ask(1)


def test_a_generation_of_failures_is_followed_by_random_architectures():
    _, populations = generations(
        GenerationalEvolution(2, 6, num_select=2, num_mutation=3, num_crossover=3), lambda _: None
    )
    assert len(populations[1]) == 6
