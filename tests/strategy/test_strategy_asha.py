"""ASHA against a literal implementation of Algorithm 2 of arXiv:1810.05934."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.errors import ConfigError, SearchExhausted
from retiarii.strategy import ASHA
from retiarii.testing.searches import architectures, ask, finished, run, score, spoilt
from retiarii.testing.spaces import darts, tiny


class Algorithm2:
    """The rungs of the paper, with every trial that ended in one, and who was promoted from it."""

    def __init__(self, num_rungs, factor):
        self.factor = factor
        self.losses = [{} for _ in range(num_rungs)]
        self.promoted = [set() for _ in range(num_rungs)]

    def get_job(self):
        """Return the trial to promote and the rung to which, or None for a random configuration."""
        for rung in reversed(range(len(self.losses) - 1)):
            losses = self.losses[rung]
            ranking = sorted(losses, key=lambda number: (losses[number], number))
            candidates = ranking[: len(losses) // self.factor]
            promotable = [number for number in candidates if number not in self.promoted[rung]]
            if promotable:
                return promotable[0], rung + 1
        return None, 0

    def continuable(self):
        below_the_top = zip(self.losses[:-1], self.promoted[:-1], strict=True)
        return {number for losses, promoted in below_the_top for number in losses.keys() - promoted}


PLACE = st.floats(0, 1, exclude_max=True)
STEPS = st.lists(
    st.one_of(
        st.just("ask"),
        st.tuples(PLACE, st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, "failed", "pruned"])),
        st.tuples(PLACE, st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])),
        st.tuples(PLACE, st.just("forget")),
    ),
    max_size=150,
)


@given(steps=STEPS, factor=st.integers(2, 4), num_rungs=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_promotions_are_those_of_the_paper(steps, factor, num_rungs, seed):
    """In any order of asking, telling and removing checkpoints, with equal results, failures and pruned trials."""
    search = ASHA("epochs", 2, 2 * factor ** (num_rungs - 1), factor).search(darts(), seed=seed)
    paper = Algorithm2(num_rungs, factor)
    rung_of, architecture_of, parents = {}, {}, []
    for step in steps:
        if step == "ask":
            parent, rung = paper.get_job()
            number = search.num_asked
            [proposal] = search.ask(1)
            assert (proposal.parent, proposal.fidelity) == (parent, {"epochs": 2 * factor**rung})
            if parent is not None:
                paper.promoted[rung - 1].add(parent)
                assert proposal.architecture == architecture_of[parent]
                parents.append(parent)
            rung_of[number], architecture_of[number] = rung, proposal.architecture
        elif step[1] == "forget":
            if search.continuable:
                number = sorted(search.continuable)[int(step[0] * len(search.continuable))]
                search.forget_checkpoint(number)
                paper.promoted[rung_of[number]].add(number)
        elif search.pending:
            number, proposal = list(search.pending.items())[int(step[0] * len(search.pending))]
            result = step[1]
            rung = rung_of[number]
            if result == "failed":
                search.tell(finished(number, proposal, None))
            elif result == "pruned":
                search.tell(spoilt(finished(number, proposal, 0.9), "pruned"))
                paper.losses[rung][number] = math.inf
                paper.promoted[rung].add(number)
            else:
                search.tell(finished(number, proposal, result))
                paper.losses[rung][number] = -result
        assert set(search.continuable) == paper.continuable()
    assert len(set(parents)) == len(parents)
    assert len({proposal.key for number, proposal in architecture_of.items() if not rung_of[number]}) == sum(
        not rung for rung in rung_of.values()
    )


def test_everything_that_is_kept_may_still_be_promoted():
    """When all that follows is worse, each checkpoint that is kept now is continued some day."""
    search = ASHA(max_fidelity=4, reduction_factor=2).search(darts(), seed=4)
    list(run(search, score, 20, at_once=3))
    kept = set(search.continuable)
    assert len(kept) > 3
    continued = {proposal.parent for proposal in run(search, lambda architecture: -1.0, 200)}
    assert kept <= continued


def test_one_trial_at_a_time_by_hand():
    """Factor 2, three rungs. Each line: what is proposed (fidelity, parent), and the result that is told."""
    search = ASHA(max_fidelity=4, reduction_factor=2).search(darts())
    script = [
        ((1, None), 0.5),  # 0
        ((1, None), 0.6),  # 1: the best of two
        ((2, 1), 0.7),  # 2: one trial alone in its rung, half of which is none
        ((1, None), 0.1),  # 3
        ((1, None), 0.9),  # 4: the two best of four are 4 and 1, which was promoted
        ((2, 4), 0.8),  # 5: the best of two in the middle rung
        ((4, 5), 0.85),  # 6: the highest rung is looked at first
        ((1, None), 0.2),  # 7
        ((1, None), 0.55),  # 8: of six the best three are 4, 1 and 8
        ((2, 8), 0.75),  # 9: of three in the middle rung the best one was promoted
        ((1, None), 0.0),  # 10
    ]
    for number, (expected, result) in enumerate(script):
        [proposal] = search.ask(1)
        assert (proposal.fidelity["epochs"], proposal.parent) == expected, number
        search.tell(finished(number, proposal, result))
    assert set(search.continuable) == {0, 3, 7, 10, 2, 9}


def test_no_worker_waits_while_the_space_lasts():
    search = ASHA().search(darts())
    assert len(search.ask(50)) == 50
    assert {proposal.fidelity["epochs"] for proposal in search.pending.values()} == {1}


def test_a_small_space_is_started_once_and_promoted_to_the_end():
    """Six architectures: a third of six go on, and a third of two are none."""
    search = ASHA(max_fidelity=9).search(tiny())
    proposed = search.ask(10)
    assert len(set(architectures(proposed))) == len(proposed) == 6
    assert search.ask(1) == []  # results may promote something
    for number, proposal in enumerate(proposed):
        search.tell(finished(number, proposal, score(proposal.architecture)))
    best = sorted(range(6), key=lambda number: score(proposed[number].architecture), reverse=True)
    assert [proposal.parent for proposal in search.ask(10)] == best[:2]
    assert search.ask(1) == []
    for number in (6, 7):
        search.tell(finished(number, search.pending[number], 0.5))
    for _ in range(2):
        with pytest.raises(SearchExhausted, match="All 6 architectures"):
            search.ask(1)


def test_so_many_architectures_are_started_and_promoted_to_the_end():
    """Seven: two of them go on, by three each time that are told; nine would lead to three, and those to one."""
    search = ASHA(max_fidelity=9, max_architectures=7).search(darts())
    proposed = list(run(search, score, 100, at_once=3))
    assert [proposal.parent for proposal in proposed].count(None) == 7
    assert 2 <= len(proposed) - 7 <= 4
    with pytest.raises(SearchExhausted, match="All 7 architectures were started, and promoted"):
        search.ask(1)


def test_the_end_waits_for_what_may_be_promoted():
    search = ASHA(max_architectures=3).search(darts())
    asked = search.ask(9)
    assert len(asked) == 3
    assert search.ask(1) == []
    for number, proposal in enumerate(asked):
        search.tell(finished(number, proposal, number))
    assert [proposal.parent for proposal in search.ask(9)] == [2]


def test_without_dedup_a_small_space_never_ends():
    assert len(list(run(ASHA(dedup=False).search(tiny()), score, 300))) == 300


def test_a_promoted_trial_that_fails_is_not_promoted_again():
    search = ASHA(max_fidelity=9).search(darts())
    for number, proposal in enumerate(search.ask(3)):
        search.tell(finished(number, proposal, number))
    [proposal] = search.ask(1)
    assert proposal.parent == 2
    search.tell(finished(3, proposal, None))
    assert [proposal.parent for proposal in search.ask(2)] == [None, None]


def test_results_that_break_constraints_are_promoted_last():
    search = ASHA(max_fidelity=9).search(darts())
    for number, proposal in enumerate(search.ask(6)):
        search.tell(finished(number, proposal, number).evolve(violation=max(0, number - 1)))
    assert [proposal.parent for proposal in search.ask(3)] == [1, 0, None]


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ({}, (1, 3, 9, 27)),
        ({"min_fidelity": 2, "max_fidelity": 35, "reduction_factor": 4}, (2, 8, 32)),
        ({"min_fidelity": 5, "max_fidelity": 5}, (5,)),
        ({"min_fidelity": 0.1, "max_fidelity": 0.9}, (0.1, pytest.approx(0.3), 0.9)),
    ],
)
def test_levels_are_powers_up_to_the_highest(options, levels):
    strategy = ASHA(**options)
    assert strategy.levels == levels
    assert max(strategy.levels) <= strategy.max_fidelity


def test_the_evaluator_is_told_the_name_of_the_fidelity():
    strategy = ASHA("samples", 100, 900)
    assert strategy.fidelities == ("samples",)
    assert strategy.search(darts()).ask(1)[0].fidelity == {"samples": 100}


def test_minimising_promotes_the_smallest():
    search = ASHA(optimize_mode="minimize").search(darts())
    for number, proposal in enumerate(search.ask(3)):
        search.tell(finished(number, proposal, number))
    assert search.ask(1)[0].parent == 0


def test_model_filter_is_a_constraint():
    search = ASHA(model_filter=lambda architecture: architecture["width"] == 16).search(darts())
    assert {proposal.architecture["width"] for proposal in run(search, score, 50)} == {16}


def test_a_direction_of_its_own_does_not_go_with_several_objectives():
    with pytest.raises(ConfigError, match="each with its own direction"):
        ASHA(optimize_mode="maximize").search(darts(), objectives={"accuracy": "maximize", "params": "minimize"})


def test_ten_thousand_results_at_once_are_promoted_in_order():
    search = ASHA(max_fidelity=9, dedup=False).search(darts())
    assert len(ask(search, 10_000)) == 10_000
    for number in range(10_000):
        search.tell(finished(number, search.pending[number], (number * 7919 % 10_007) / 10_007))
    promoted = ask(search, 4_000)
    parents = [proposal.parent for proposal in promoted if proposal.parent is not None]
    assert len(parents) == 3_333
    metrics = [(number * 7919 % 10_007) / 10_007 for number in parents]
    assert metrics == sorted(metrics, reverse=True)
