import math
import random
from collections import Counter

import pytest

from retiarii.errors import SearchExhausted
from retiarii.space import Architecture, Categorical, Integer, SearchSpace
from retiarii.strategy import RegularizedEvolution
from retiarii.testing.searches import architectures, finished, run, score
from retiarii.testing.spaces import SPACES, constrained, darts, nas_bench_201, nested, single_point, tiny
from retiarii.trial import Failure, FailureKind, Proposal, TrialState


def of_population(metrics, space, members, *, objectives="maximize", seed=0, **options):
    """Return a search whose population is given, the oldest first."""
    proposals = [Proposal(architecture) for architecture in members]
    size = len(metrics)
    options = {"population_size": size, "sample_size": size, "cycles": 10**9, **options}
    search = RegularizedEvolution(**options).search(space, seed=seed, objectives=objectives)
    search.replay(proposals, [finished(n, proposals[n], metric) for n, metric in enumerate(metrics)])
    return search


def changed_labels(parent, child):
    """Return the labels of both that differ; ``True`` and ``1`` do."""
    return {label for label in parent.keys() & child.keys() if repr(parent[label]) != repr(child[label])}


class TestTournament:
    """Parents are recognised by three labels with the same value, of which a mutation changes one."""

    size = 10
    space = SearchSpace([Integer(label, 0, 9) for label in "abc"])
    members = tuple(Architecture(dict.fromkeys("abc", number)) for number in range(10))

    def winners(self, metrics, num_tournaments, **options):
        search = of_population(metrics, self.space, self.members, **options)
        return Counter(
            Counter(child.values()).most_common(1)[0][0] for child in architectures(search.ask(num_tournaments))
        )

    @pytest.mark.parametrize("sample_size", [1, 2, 3, 10])
    @pytest.mark.parametrize("direction", ["maximize", "minimize"])
    def test_selection_probabilities(self, sample_size, direction):
        """The best of S draws with replacement from P has rank r with ((P-r+1)^S - (P-r)^S) / P^S.

        Chi-squared over 5,000 tournaments with at most 9 degrees of freedom (ranks expected less than 5 times are
        pooled): 33.7 is exceeded by chance with 1e-4; the seed is fixed.
        """
        metrics = random.Random(1).sample(range(100), self.size)
        won = self.winners(metrics, 5_000, sample_size=sample_size, objectives=direction)
        ranking = sorted(range(self.size), key=metrics.__getitem__, reverse=direction == "maximize")
        cells = [[0.0, 0.0]]
        for rank, member in enumerate(ranking, start=1):
            better_or_same, worse = self.size - rank + 1, self.size - rank
            cells.append(
                [5_000 * (better_or_same**sample_size - worse**sample_size) / self.size**sample_size, won[member]]
            )
        large = [cell for cell in cells if cell[0] >= 5]
        rest = [sum(column) for column in zip(*(cell for cell in cells if cell[0] < 5), strict=True)]
        pooled = [*large, rest] if rest[0] >= 1 else large
        assert sum((observed - expected) ** 2 / expected for expected, observed in pooled) < 33.7
        assert sum(observed for _, observed in cells) == 5_000

    def test_equal_members_have_equal_chances(self):
        won = self.winners([0.5] * self.size, 5_000, sample_size=3)
        assert sum((won[member] - 500) ** 2 / 500 for member in range(self.size)) < 33.7

    def test_failures_counted_as_worst_win_only_among_themselves(self):
        won = self.winners([None, 0.1, *[None] * 8], 2_000, sample_size=2, on_failure="worst")
        assert abs(won[1] - 2_000 * (1 - 0.9**2)) < 5 * (2_000 * 0.19 * 0.81) ** 0.5  # chance 6e-7

    def test_infinities_do_not_enter(self):
        search = of_population([0.1, 0.2, math.inf, -math.inf], self.space, self.members[:4])
        assert [trial.number for trial in search.population] == [0, 1]


class TestMutation:
    @pytest.mark.parametrize("name", sorted(set(SPACES) - {"single_point"}))
    def test_changes_exactly_one_choice_and_what_it_activates(self, name):
        space = SPACES[name]()
        parent = next(iter(RegularizedEvolution().search(space, seed=1))).architecture
        search = of_population([1.0], space, [parent], seed=2)
        for child in architectures(search.ask(30)):
            assert len(changed_labels(parent, child)) == 1
            assert space.architecture(child) == child

    def test_every_neighbour_is_reached(self):
        space = nested()
        parent = space.default()
        children = set(architectures(of_population([1.0], space, [parent]).ask(600)))
        assert {tuple(changed_labels(parent, child)) for child in children} == {
            (label,) for label in parent if space[label].cardinality > 1
        }
        assert set(space.neighbours(parent)) <= children

    def test_probability_per_choice(self):
        """34 choices, each changed with 0.25: mean 8.5 with a standard error of 0.08 over 1,000 children."""
        parent = darts().default()
        search = of_population([1.0], darts(), [parent], mutation_prob=0.25)
        counts = [len(changed_labels(parent, child)) for child in architectures(search.ask(1_000))]
        assert abs(sum(counts) / len(counts) - 34 * 0.25) < 0.4  # 5 standard errors, by chance with 6e-7

    def test_crossover_takes_from_both_winners(self):
        low, high = (Architecture(dict.fromkeys("abcdefgh", number)) for number in (0, 9))
        space = SearchSpace([Integer(label, 0, 9) for label in "abcdefgh"])
        search = of_population([0.5, 0.5], space, [low, high], sample_size=1, crossover=True)
        mixed = [child for child in architectures(search.ask(200)) if {0, 9} <= set(child.values())]
        # Half of the pairs are two different parents, whose child has eight fair draws.
        assert 60 < len(mixed) < 140
        assert max(len(set(child.values())) for child in mixed) == 3  # and one mutation

    def test_a_parent_without_allowed_neighbours_gives_way_to_a_random_architecture(self):
        def is_diagonal(architecture):
            return len(set(architecture.values())) == 1

        space = SearchSpace([Categorical(label, (1, 2, 3)) for label in "abc"], constraints=[is_diagonal])
        search = of_population([1.0], space, [Architecture(dict.fromkeys("abc", 1))])
        assert all(is_diagonal(child) for child in architectures(search.ask(2)))

    def test_a_single_point_is_proposed_again_and_again(self):
        assert len(list(run(RegularizedEvolution().search(single_point()), score, 200))) == 200


class TestAging:
    def test_the_oldest_dies_however_good(self):
        """Population 3. Trials end in the order 1, 0, 2, 4, 3, 5; number 2 fails and is replaced."""
        search = RegularizedEvolution(population_size=3, sample_size=1).search(darts(), seed=0)
        asked = search.ask(3)
        lives = []
        for number, metric in [(1, 0.9), (0, 0.1), (2, None)]:
            search.tell(finished(number, asked[number], metric))
            lives.append([trial.number for trial in search.population])
        asked += search.ask(3)
        for number, metric in [(4, 0.2), (3, 0.3), (5, 0.4)]:
            search.tell(finished(number, asked[number], metric))
            lives.append([trial.number for trial in search.population])
        assert lives == [[1], [1, 0], [1, 0], [1, 0, 4], [0, 4, 3], [4, 3, 5]]
        assert search.best.number == 1  # dead, but not forgotten

    def test_dead_members_are_no_parents(self):
        space = SearchSpace([Integer(label, 0, 99) for label in "abc"])
        members = [Architecture(dict.fromkeys("abc", number)) for number in range(5)]
        search = of_population([9, 8, 7, 0, 1], space, members, population_size=2, sample_size=2)
        parents = {Counter(child.values()).most_common(1)[0][0] for child in architectures(search.ask(50))}
        assert parents == {3, 4}


class TestPhases:
    def test_with_one_trial_at_a_time_mutation_starts_after_the_random_population(self):
        search = RegularizedEvolution(population_size=30, sample_size=30).search(darts(), seed=1)
        proposed = architectures(run(search, score, 40))
        distances = [
            min(len(changed_labels(old, new)) for old in proposed[:index])
            for index, new in enumerate(proposed)
            if index
        ]
        assert min(distances[:29]) > 10
        assert distances[29:] == [1] * 10

    def test_the_population_is_asked_for_at_once_then_results_are_awaited(self):
        search = RegularizedEvolution(population_size=8, sample_size=3).search(darts())
        asked = search.ask(100)
        assert len(asked) == 8
        for number in range(3):
            assert search.ask(1) == []
            search.tell(finished(number, asked[number], 0.5))
        assert len(search.ask(4)) == 4  # five of the first are still running

    def test_failures_of_the_random_population_are_replaced(self):
        search = RegularizedEvolution(population_size=4, sample_size=4).search(darts())
        asked = search.ask(10)
        search.tell(finished(0, asked[0], None))
        asked += search.ask(10)
        assert len(asked) == 5
        for number in range(1, 5):
            search.tell(finished(number, asked[number], 0.1))
        assert len(search.population) == 4

    def test_failures_counted_as_worst_are_not_replaced(self):
        search = RegularizedEvolution(population_size=4, sample_size=4, on_failure="worst").search(darts())
        for number, proposal in enumerate(search.ask(10)):
            search.tell(finished(number, proposal, None))
        assert len(search.population) == 4
        assert search.best is None

    def test_cancelled_trials_are_never_counted_as_worst(self):
        search = RegularizedEvolution(population_size=4, sample_size=4, on_failure="worst").search(darts())
        [proposal] = search.ask(1)
        failure = Failure(FailureKind.CANCELLED, "stopped by the user")
        search.tell(finished(0, proposal, None).evolve(state=TrialState.FAILED, failure=failure))
        assert search.population == ()

    def test_cycles_count_what_enters_the_population(self):
        search = RegularizedEvolution(population_size=4, sample_size=2, cycles=10).search(darts())
        proposed = list(run(search, lambda architecture: None if search.num_told == 6 else score(architecture), 99))
        assert len(proposed) == 11
        with pytest.raises(SearchExhausted, match="All 10 cycles"):
            search.ask(1)

    def test_the_end_waits_for_trials_that_may_fail(self):
        search = RegularizedEvolution(population_size=2, sample_size=2, cycles=3).search(darts())
        asked = list(run(search, score, 2)) + search.ask(5)
        assert len(asked) == 3
        assert search.ask(1) == []
        search.tell(finished(2, asked[2], None))
        assert len(search.ask(5)) == 1


class TestDedup:
    def test_a_small_space_is_exhausted_while_mutating(self):
        search = RegularizedEvolution(population_size=3, sample_size=2, dedup=True).search(constrained(), seed=5)
        proposed = architectures(run(search, score, 100))
        assert set(proposed) == set(constrained().grid())
        assert len(proposed) == 53

    def test_a_space_smaller_than_the_population_is_exhausted(self):
        search = RegularizedEvolution(dedup=True).search(tiny())
        assert len(search.ask(100)) == 6
        with pytest.raises(SearchExhausted, match="All 6 architectures"):
            search.ask(1)

    def test_failed_architectures_are_not_tried_again(self):
        search = RegularizedEvolution(population_size=3, sample_size=2, dedup=True).search(tiny())
        proposed = list(run(search, lambda architecture: None, 99))
        assert len(proposed) == len(set(proposed)) == 6

    def test_repetition_without_dedup(self):
        search = RegularizedEvolution(population_size=3, sample_size=2).search(tiny())
        assert len(list(run(search, score, 99))) == 99

    def test_mutations_stay_preferred(self):
        search = RegularizedEvolution(population_size=2, sample_size=2, dedup=True).search(darts())
        proposed = architectures(run(search, score, 60))
        steps = [min(len(changed_labels(old, new)) for old in proposed[:i]) for i, new in enumerate(proposed) if i > 1]
        assert set(steps) == {1}


def test_model_filter_is_a_constraint():
    def keep(architecture):
        return architecture["0>1"] != "none"

    search = RegularizedEvolution(population_size=5, sample_size=2, model_filter=keep).search(nas_bench_201())
    assert all(keep(proposal.architecture) for proposal in run(search, score, 60))
