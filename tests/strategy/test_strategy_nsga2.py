"""NSGA-II: its order of a population against the definitions of Deb et al. 2002, and searches with it."""

import math
import random
from collections import Counter
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.space import Architecture, Integer, SearchSpace
from retiarii.strategy import NSGA2
from retiarii.strategy._nsga2 import crowded_order, crowding, fronts
from retiarii.testing.searches import TWO_OBJECTIVES, architectures, finished, run, score, spoilt, two_metrics
from retiarii.testing.spaces import darts, nas_bench_201
from retiarii.testing.tables import nas_bench_201_table
from retiarii.trial import Objectives, Proposal, hypervolume, pareto_front

NUMBERS = st.integers(0, 4).map(float)
POINTS = st.integers(1, 4).flatmap(lambda axes: st.lists(st.tuples(*[NUMBERS] * axes), min_size=1, max_size=25))


def dominates(left, right):
    return left != right and all(a <= b for a, b in zip(left, right, strict=True))


def sorted_by(better, count):
    """Return the front of each of ``count`` things, by removing again and again those that none left is better than."""
    front_of, left = {}, set(range(count))
    while left:
        front = {j for j in left if not any(better(i, j) for i in left)}
        front_of.update(dict.fromkeys(front, max(front_of.values(), default=-1) + 1))
        left -= front
    return [front_of[place] for place in range(count)]


@given(POINTS)
@settings(deadline=None)  # the first one imports moocore
def test_fronts_are_those_of_the_definition(points):
    found = fronts(points)
    assert [found[point] for point in points] == sorted_by(lambda i, j: dominates(points[i], points[j]), len(points))


@given(POINTS, st.data())
@settings(deadline=None)  # the first one imports moocore
def test_constraints_dominate(points, data):
    """Deb et al., definition 1: what is feasible beats what is not; of the latter the smaller violation wins."""
    violation = st.sampled_from([0.0, 0.0, 0.5, 1.0, math.inf])
    broken = data.draw(st.lists(violation, min_size=len(points), max_size=len(points)))

    def better(i, j):
        if broken[i] or broken[j]:
            return broken[i] < broken[j]
        return dominates(points[i], points[j])

    assert [front for front, _ in crowded_order(points, broken)] == sorted_by(better, len(points))


def test_crowding_by_hand():
    """Extents 4 and 8. Point (1, 6): (2 - 0) / 4 + (8 - 3) / 8; point (2, 3): (4 - 1) / 4 + (6 - 0) / 8."""
    assert crowding([(1, 6), (4, 0), (0, 8), (2, 3)]) == [0.5 + 0.625, math.inf, math.inf, 0.75 + 0.75]
    assert crowding([(1, 6)]) == [math.inf]
    assert crowding([(1, 6), (2, 3)]) == [math.inf, math.inf]
    assert crowding([(1, 2, 3)] * 3).count(0.0) == 1  # equal points have no room between them


@given(st.integers(1, 4).flatmap(lambda axes: st.lists(st.tuples(*[st.floats(-9, 9)] * axes), min_size=3, max_size=12)))
@settings(deadline=None)  # the first one imports moocore
def test_crowding_is_the_distance_of_the_neighbours(points):
    """For points that differ in each coordinate."""
    axes = range(len(points[0]))
    if any(len({point[axis] for point in points}) < len(points) for axis in axes):
        return
    for point, distance in zip(points, crowding(points), strict=True):
        expected = 0.0
        for axis in axes:
            values = [other[axis] for other in points]
            above = [value for value in values if value > point[axis]]
            below = [value for value in values if value < point[axis]]
            gap = min(above) - max(below) if above and below else math.inf
            expected += gap / (max(values) - min(values))
        assert distance == pytest.approx(expected)


def of_population(metrics, members, *, objectives="maximize", violations=(), space=None, **options):
    """Return a search whose population is given."""
    search = NSGA2(**{"population_size": len(members), **options}).search(space or SPACE, objectives=objectives)
    proposals = [Proposal(architecture) for architecture in members]
    told = [finished(number, proposals[number], metric) for number, metric in enumerate(metrics)]
    told = [trial.evolve(violation=v) for trial, v in zip(told, violations or [0.0] * len(told), strict=True)]
    search.replay(proposals, told)
    return search


UP_AND_DOWN = {"up": "maximize", "down": "minimize"}
SPACE = SearchSpace([Integer(label, 0, 9) for label in "abc"])
MEMBERS = [Architecture(dict.fromkeys("abc", number)) for number in range(10)]
"""Recognised by three labels with the same value, of which a mutation changes one."""


def parents(search, count):
    return Counter(Counter(child.values()).most_common(1)[0][0] for child in architectures(search.ask(count)))


def chi_squared(won, expected):
    assert sum(won.values()) == pytest.approx(sum(expected))
    return sum((won[member] - expected[member]) ** 2 / expected[member] for member in range(len(expected)))


class TestTournament:
    """Chi-squared with 9 degrees of freedom: 33.7 is exceeded by chance with 1e-4; the seeds are fixed."""

    def test_the_better_front_wins(self):
        """Of two draws with replacement from 10, the better has rank r with (2 (10 - r) + 1) / 100."""
        metrics = random.Random(1).sample(range(100), 10)
        search = of_population(metrics, MEMBERS, crossover_prob=0, dedup=False)
        ranks = {member: sorted(metrics, reverse=True).index(metrics[member]) + 1 for member in range(10)}
        expected = [5_000 * (2 * (10 - ranks[member]) + 1) / 100 for member in range(10)]
        assert chi_squared(parents(search, 5_000), expected) < 33.7

    def test_within_a_front_the_less_crowded_wins(self):
        """Ten points of one front: both ends are infinitely far, the others the farther the larger their number."""
        points = [{"up": n * n, "down": n * n} for n in range(10)]
        search = of_population(points, MEMBERS, objectives=UP_AND_DOWN, crossover_prob=0, dedup=False)
        pairs = [18 if member in (0, 9) else 2 * member - 1 for member in range(10)]  # of 100, in which each wins
        assert chi_squared(parents(search, 5_000), [50 * count for count in pairs]) < 33.7

    def test_what_breaks_constraints_wins_only_among_itself(self):
        search = of_population([0.0, *[1.0] * 9], MEMBERS, violations=[0, *[1.0] * 9], crossover_prob=0, dedup=False)
        assert abs(parents(search, 2_000)[0] - 2_000 * (1 - 0.9**2)) < 5 * (2_000 * 0.19 * 0.81) ** 0.5  # chance 6e-7


class TestPopulation:
    def members(self, points, violations=(), size=3):
        metrics = [None if point is None else {"up": point[0], "down": point[1]} for point in points]
        search = of_population(
            metrics, MEMBERS[: len(points)], objectives=UP_AND_DOWN, violations=violations, population_size=size
        )
        return [trial.number for trial in search.population]

    def test_the_last_front_leaves_first(self):
        assert self.members([(1, 1), (2, 2), (0, 1), (3, 3)]) == [0, 1, 3]

    def test_in_the_last_front_the_most_crowded_leaves(self):
        """Of 0, 5, 6 and 10, the neighbours of 5 are 6 apart, and those of 6 are 5."""
        assert self.members([(0, 0), (10, 10), (5, 5), (6, 6)]) == [0, 1, 2]
        assert self.members([(0, 0), (10, 10), (6, 6), (5, 5)]) == [0, 1, 3]

    def test_what_breaks_constraints_most_leaves_first(self):
        points = [(9, 0), (8, 0), (0, 9), (1, 9), (2, 9)]
        assert self.members(points, [0.5, 0.7, 0, 0, 0]) == [2, 3, 4]
        assert self.members(points[:4], [0.5, 0.7, 0, 0]) == [0, 2, 3]

    @pytest.mark.parametrize("outcome", ["failed", "pruned", "nan", "no metrics"])
    def test_what_has_no_result_does_not_enter(self, outcome):
        search = NSGA2(population_size=4).search(darts(), objectives=TWO_OBJECTIVES)
        for number, proposal in enumerate(search.ask(4)):
            trial = finished(number, proposal, two_metrics(proposal.architecture))
            search.tell(spoilt(trial, outcome) if number % 2 else trial)
        assert [trial.number for trial in search.population] == [0, 2]

    def test_a_trial_that_lacks_an_objective_does_not_enter(self):
        search = NSGA2().search(darts(), objectives=TWO_OBJECTIVES)
        [proposal] = search.ask(1)
        search.tell(finished(0, proposal, {"accuracy": 0.5}))
        assert search.population == ()

    @pytest.mark.parametrize("seed", range(5))
    def test_the_front_of_all_trials_is_never_lost(self, seed):
        """As long as it is no larger than the population; of equal points any one may stand for all."""
        search = NSGA2(population_size=30).search(darts(), seed=seed, objectives=TWO_OBJECTIVES)
        objectives, told = Objectives.of(TWO_OBJECTIVES), []
        for number, proposal in enumerate(run(search, two_metrics, 300)):
            told.append(finished(number, proposal, two_metrics(proposal.architecture)))
        front = pareto_front(told, objectives)
        assert 2 < len(front) < 30
        assert {trial.number for trial in front} <= {trial.number for trial in search.population}
        assert len(search.population) == 30


class TestPhases:
    def test_children_follow_the_random_population(self):
        search = NSGA2(population_size=30, crossover_prob=0).search(darts(), seed=1)
        proposed = architectures(run(search, score, 40))
        distances = [min(distance(old, new) for old in proposed[:n]) for n, new in enumerate(proposed) if n]
        assert min(distances[:29]) > 10
        assert distances[29:] == [1] * 10

    def test_no_worker_waits(self):
        assert len(NSGA2(population_size=4).search(darts()).ask(50)) == 50

    @pytest.mark.parametrize(("crossover_prob", "low", "high"), [(0, 0, 0), (0.5, 30, 70), (1, 60, 140)])
    def test_crossover_takes_from_both_winners(self, crossover_prob, low, high):
        """Half of the pairs are of two different parents, whose child has eight fair draws."""
        space = SearchSpace([Integer(label, 0, 9) for label in "abcdefgh"])
        pair = [Architecture(dict.fromkeys("abcdefgh", number)) for number in (0, 9)]
        search = of_population([0.5, 0.5], pair, space=space, crossover_prob=crossover_prob, dedup=False)
        mixed = [child for child in architectures(search.ask(200)) if {0, 9} <= set(drop_one(child.values()))]
        assert low <= len(mixed) <= high


def distance(left, right):
    return sum(left[label] != right[label] for label in left)


def drop_one(values):
    """Return values without those that occur once: what a mutation changed."""
    counts = Counter(values)
    return [value for value, count in counts.items() if count > 1]


def test_hard_constraints_are_never_broken():
    search = NSGA2(population_size=5, model_filter=lambda a: a["0>1"] != "none").search(nas_bench_201())
    assert all(architecture["0>1"] != "none" for architecture in architectures(run(search, score, 100)))


def test_more_hypervolume_than_random_search_on_real_results(pytestconfig):
    """Accuracy and parameters of the cells of NAS-Bench-201 on CIFAR-100, 500 trials, 6 searches.

    As a share of the hypervolume of all cells (reference: 50 % and 1.6 million parameters), random search reaches
    0.9563 with a standard deviation of 0.0125 (200 searches), so that the mean of 6 passes with a probability of 6e-5
    (3.8 standard deviations). NSGA2 reaches 0.9881 with 0.0058 (100 searches) and fails with 2e-7 (5.1). The seeds are
    fixed, so a result stays what it is.
    """
    accuracy = nas_bench_201_table(pytestconfig.rootpath)
    params = nas_bench_201_table(pytestconfig.rootpath, "cifar100_params")
    objectives, reference = Objectives.of(TWO_OBJECTIVES), {"accuracy": 50, "params": 1.6e6}

    def measure(architecture):
        return {"accuracy": accuracy(architecture), "params": params(architecture)}

    def volume(proposals):
        trials = [finished(number, p, measure(p.architecture)) for number, p in enumerate(proposals)]
        return hypervolume(trials, objectives, reference)

    whole = volume(Proposal(architecture) for architecture in nas_bench_201().grid())
    searches = [NSGA2().search(nas_bench_201(), seed=seed, objectives=objectives) for seed in range(6)]
    assert fmean(volume(run(search, measure, 500)) for search in searches) / whole > 0.976
