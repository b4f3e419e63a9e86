"""Hyperband against Algorithm 1 of arXiv:1603.06560."""

import math
import pickle
import random
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest

from retiarii.errors import SearchExhausted
from retiarii.strategy import Hyperband
from retiarii.testing.searches import ask, finished, run, score, spoilt
from retiarii.testing.spaces import darts, tiny

FIVE_BRACKETS = (
    ((81, 1), (27, 3), (9, 9), (3, 27), (1, 81)),  # ceil(5/5 * 81) = 81
    ((34, 3), (11, 9), (3, 27), (1, 81)),  # ceil(5/4 * 27) = 34
    ((15, 9), (5, 27), (1, 81)),  # ceil(5/3 * 9) = 15
    ((8, 27), (2, 81)),  # ceil(5/2 * 3) = 8
    ((5, 81),),  # ceil(5/1 * 1) = 5
)


def test_brackets_of_the_paper_by_hand():
    assert Hyperband(max_fidelity=81).brackets == FIVE_BRACKETS


@pytest.mark.parametrize("factor", [2, 3, 4, 7])
def test_brackets_by_the_formula(factor):
    """``n = ceil(B / R * eta^s / (s + 1))`` with ``B = (s_max + 1) R``; ``floor(n / eta^i)`` in rung ``i``."""
    for s_max in range(7):
        brackets = Hyperband("epochs", 5, 5 * factor**s_max, factor).brackets
        assert len(brackets) == s_max + 1
        for s, bracket in zip(range(s_max, -1, -1), brackets, strict=True):
            n = math.ceil(Fraction(s_max + 1, s + 1) * factor**s)
            assert bracket == tuple((n // factor**i, 5 * factor ** (s_max - s + i)) for i in range(s + 1))


def test_the_highest_fidelity_is_a_power_up_to_the_limit():
    assert Hyperband(max_fidelity=80).brackets == Hyperband(max_fidelity=27).brackets
    assert Hyperband(min_fidelity=4, max_fidelity=4).brackets == (((1, 4),),)


class Driver:
    """Runs a search with several trials at a time, which end in a random order.

    Attributes:
        results: By number, what each trial was told; None where it failed.
        proposals: By number.
    """

    def __init__(self, search, *, at_once, seed=0, fail=0.0):
        self.search, self.at_once, self.rng, self.fail = search, at_once, random.Random(seed), fail
        self.results, self.proposals = {}, []

    def run(self):
        while True:
            self.proposals += ask(self.search, self.at_once - len(self.search.pending))
            if not self.search.pending:
                return self
            number = self.rng.choice(list(self.search.pending))
            self.results[number] = None if self.rng.random() < self.fail else self.rng.randrange(20)
            self.search.tell(finished(number, self.search.pending[number], self.results[number]))

    def brackets(self, plans):
        """Return the numbers of the trials in each rung of each bracket."""
        fresh = [number for number, proposal in enumerate(self.proposals) if proposal.parent is None]
        found = []
        for plan in plans:
            first, fresh = fresh[: plan[0][0]], fresh[plan[0][0] :]
            rungs = [first]
            for _ in plan[1:]:
                above = [n for n, proposal in enumerate(self.proposals) if proposal.parent in rungs[-1]]
                rungs.append(above)
            found.append(rungs)
        assert not fresh
        return found


@pytest.mark.parametrize("at_once", [1, 2, 7, 100])
def test_each_rung_promotes_exactly_its_top(at_once):
    """Three cycles with several trials at a time, equal results among them: the earlier one goes first."""
    strategy = Hyperband(max_fidelity=9, cycles=3)
    driver = Driver(strategy.search(darts(), seed=1), at_once=at_once).run()
    plans = strategy.brackets * 3
    for plan, rungs in zip(plans, driver.brackets(plans), strict=True):
        for place, ((size, amount), rung) in enumerate(zip(plan, rungs, strict=True)):
            assert len(rung) == size
            assert {driver.proposals[number].fidelity["epochs"] for number in rung} == {amount}
            if place:
                below = sorted(rungs[place - 1], key=lambda number: (-driver.results[number], number))
                parents = [driver.proposals[number].parent for number in rung]
                assert parents == below[:size]
                assert [driver.proposals[number].architecture for number in rung] == [
                    driver.proposals[number].architecture for number in parents
                ]


def test_a_cycle_of_the_paper_takes_206_trials():
    driver = Driver(Hyperband(max_fidelity=81, cycles=1).search(darts()), at_once=4).run()
    assert Counter(proposal.fidelity["epochs"] for proposal in driver.proposals) == {
        1: 81,
        3: 27 + 34,
        9: 9 + 11 + 15,
        27: 3 + 3 + 5 + 8,
        81: 1 + 1 + 1 + 2 + 5,
    }
    for _ in range(2):
        with pytest.raises(SearchExhausted, match="All 5 brackets are done"):
            driver.search.ask(1)


def test_without_cycles_it_goes_on():
    assert len(list(run(Hyperband(max_fidelity=9).search(tiny()), score, 500, at_once=3))) == 500


@pytest.mark.parametrize("at_once", [1, 5])
def test_what_failed_is_not_promoted_and_the_best_of_the_rest_is(at_once):
    strategy = Hyperband(max_fidelity=9, cycles=6)
    driver = Driver(strategy.search(darts(), seed=3), at_once=at_once, fail=0.8).run()
    plans = strategy.brackets * 6
    num_short = 0
    for plan, rungs in zip(plans, driver.brackets(plans), strict=True):
        for (size, _), (below, rung) in zip(plan[1:], pairwise(rungs), strict=True):
            good = [number for number in below if driver.results[number] is not None]
            ranking = sorted(good, key=lambda number: (-driver.results[number], number))
            assert [driver.proposals[number].parent for number in rung] == ranking[:size]
            num_short += len(rung) < size
    assert num_short > 3  # enough failed


def test_a_rung_in_which_everything_fails_ends_its_bracket():
    driver = Driver(Hyperband(max_fidelity=3, cycles=2).search(darts()), at_once=2, fail=1.0).run()
    assert len(driver.proposals) == 2 * (3 + 2)
    assert {proposal.parent for proposal in driver.proposals} == {None}


def test_pruned_trials_are_not_promoted():
    search = Hyperband(max_fidelity=3).search(darts())
    for number, proposal in enumerate(search.ask(3)):
        trial = finished(number, proposal, number)
        search.tell(spoilt(trial, "pruned") if number == 2 else trial)
    assert search.ask(1)[0].parent == 1


def test_workers_go_on_with_the_next_bracket_while_a_rung_waits():
    """Brackets of 9 and 5 trials (with 3 epochs), then 3 (with 9)."""
    search = Hyperband(max_fidelity=9).search(darts())
    assert [proposal.fidelity["epochs"] for proposal in search.ask(18)] == [1] * 9 + [3] * 5 + [9] * 3 + [1]
    for number in range(8):
        search.tell(finished(number, search.pending[number], number))
    assert search.ask(1)[0].parent is None  # the ninth may be better
    search.tell(finished(8, search.pending[8], 6.5))
    assert [proposal.parent for proposal in search.ask(4)] == [7, 8, 6, None]


def test_the_end_waits_for_results_that_may_be_promoted():
    search = Hyperband(max_fidelity=3, cycles=1).search(darts())
    asked = search.ask(10)
    assert len(asked) == 3 + 2
    assert search.ask(1) == []
    for number, proposal in enumerate(asked):
        search.tell(finished(number, proposal, number))
    assert [proposal.parent for proposal in search.ask(5)] == [2]
    assert search.ask(1) == []
    search.tell(finished(5, search.pending[5], 1.0))
    with pytest.raises(SearchExhausted):
        search.ask(1)


def test_only_as_many_checkpoints_are_kept_as_go_on():
    """Nine trials, of which three go on: the best three so far are kept, and none once they have gone on."""
    search = Hyperband(max_fidelity=9).search(darts())
    asked = search.ask(9)
    kept = []
    for number, metric in enumerate([5, 3, 4, 1, 6, 2, 9, 4.5, 0]):
        search.tell(finished(number, asked[number], metric))
        kept.append(sorted(search.continuable))
    assert kept == [[0], [0, 1], [0, 1, 2], [0, 1, 2], [0, 2, 4], [0, 2, 4], [0, 4, 6], [0, 4, 6], [0, 4, 6]]
    assert [proposal.parent for proposal in search.ask(3)] == [6, 4, 0]
    assert set(search.continuable) == set()


def test_a_removed_checkpoint_keeps_its_place_among_the_best():
    search = Hyperband(max_fidelity=9).search(darts())
    for number, proposal in enumerate(search.ask(9)):
        search.tell(finished(number, proposal, number))
    search.forget_checkpoint(7)
    assert [proposal.parent for proposal in search.ask(3)] == [8, 6, None]


def test_a_bracket_whose_checkpoints_are_all_removed_is_over():
    search = Hyperband(max_fidelity=3, cycles=1).search(darts())
    for number, proposal in enumerate(search.ask(5)):
        search.tell(finished(number, proposal, number))
    search.forget_checkpoint(2)
    with pytest.raises(SearchExhausted):
        search.ask(1)


def test_what_is_remembered_does_not_grow_with_the_cycles():
    sizes = []
    search = Hyperband(max_fidelity=9).search(darts())
    for _ in range(10):
        list(run(search, score, 220, at_once=4))
        sizes.append(len(pickle.dumps(search)))
    assert max(sizes[5:]) < 1.5 * max(sizes[:5])


def test_model_filter_is_a_constraint():
    search = Hyperband(model_filter=lambda architecture: architecture["width"] == 16).search(darts())
    assert {proposal.architecture["width"] for proposal in run(search, score, 50)} == {16}


def test_minimising_promotes_the_smallest():
    search = Hyperband(max_fidelity=3, optimize_mode="minimize").search(darts())
    for number, proposal in enumerate(search.ask(3)):
        search.tell(finished(number, proposal, number))
    assert search.ask(1)[0].parent == 0
