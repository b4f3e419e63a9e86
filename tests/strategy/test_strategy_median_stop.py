"""The median rule against numbers computed by hand, and around each strategy."""

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.errors import ConfigError
from retiarii.strategy import (
    ASHA,
    DARTS,
    NSGA2,
    Given,
    GridSearch,
    Hyperband,
    MedianStop,
    Random,
    RegularizedEvolution,
    Search,
    Strategy,
)
from retiarii.testing.searches import History, ask, finished, interleave, judged, run, running, score, spoilt
from retiarii.testing.spaces import darts
from retiarii.trial import Direction, Fidelity, Reports, TrialState


def as_reports(values, metric="default"):
    return tuple(value if isinstance(value, dict) else {metric: float(value)} for value in values)


def searched(*curves, objectives="maximize", **options):
    """Return a search with one completed trial for each curve, and one that is pending."""
    search = MedianStop(Random(), **options).search(darts(), objectives=objectives)
    for number, (proposal, curve) in enumerate(zip(search.ask(len(curves)), curves, strict=True)):
        search.tell(finished(number, proposal, 0.5).evolve(intermediates=as_reports(curve)))
    search.ask(1)
    return search


def verdict(search, *reports):
    """Return the verdict on the pending trial once it has made these reports."""
    [(number, proposal)] = search.pending.items()
    return search.should_prune(running(number, proposal).evolve(intermediates=as_reports(reports)))


CURVES = ([1, 2, 3], [2, 4, 9], [6, 2, 4], [5, 7])
"""Means up to step 1: 1, 2, 6, 5, their median is 3.5; step 2: 1.5, 3, 4, 6 (3.5); step 3: 2, 5, 4 (4)."""


@pytest.mark.parametrize(
    ("reports", "is_pruned"),
    [
        ([3.4], True),
        ([3.5], False),  # as good as the median
        ([3.6], False),
        ([3.4, 3.6], False),  # its best counts
        ([3.6, 0], False),
        ([1, 3.4], True),
        ([3.6, 0, 0], True),  # 3.6 is worse than 4
        ([0, 0, 4], False),
        ([0, 0, 0, 0], False),  # no trial has reported four times
        ([math.nan], True),
        ([math.nan, 5], False),
        ([math.inf], True),  # no accuracy
    ],
)
def test_the_rule_by_hand(reports, is_pruned):
    assert (verdict(searched(*CURVES, min_trials=3), *reports) is not None) is is_pruned
    negated = [[-value for value in curve] for curve in CURVES]
    mirrored = searched(*negated, min_trials=3, objectives="minimize")
    assert (verdict(mirrored, *(-value for value in reports)) is not None) is is_pruned


def test_the_reason_says_what_was_compared():
    assert verdict(searched(*CURVES, min_trials=3), 1, 2.5) == (
        "its best default in 2 reports is 2.5, and the median of 4 trials is 3.5"
    )
    losses = searched([2.0], min_trials=1, objectives="minimize")
    assert verdict(losses, 2.25) == "its best default in 1 report is 2.25, and the median of 1 trial is 2"
    assert verdict(losses, math.nan) == "its best default in 1 report is no number, and the median of 1 trial is 2"


def test_none_is_judged_before_enough_trials_have_reported_as_often():
    search = searched(*CURVES, min_trials=4)
    assert verdict(search, 0.0) is not None
    assert verdict(search, 0.0, 0.0) is not None
    assert verdict(search, 0.0, 0.0, 0.0) is None  # three have
    assert verdict(searched(*CURVES), 0.0) is None  # five by default


def test_warmup_reports_are_not_judged():
    search = searched(*CURVES, min_trials=3, warmup_steps=2)
    assert verdict(search, 0.0) is None
    assert verdict(search, 0.0, 0.0) is None
    assert verdict(search, 0.0, 0.0, 0.0) is not None


def test_nan_counts_as_worst_in_the_means_too():
    """Means: infinite, infinite, 0.4: the median is infinitely bad, and nothing is worse."""
    search = searched([math.nan], [math.nan], [0.4], min_trials=3)
    assert verdict(search, -100) is None
    assert verdict(search, math.nan) is None
    search = searched([math.nan], [0.2], [0.4], min_trials=3)
    assert verdict(search, 0.2) is None
    assert verdict(search, 0.1) is not None
    assert verdict(search, math.nan) is not None


def test_one_nan_spoils_the_mean_of_its_trial_from_there_on():
    search = searched([0.5, math.nan, 0.5], [0.3, 0.3, 0.3], [0.1, 0.1, 0.1], min_trials=3)
    assert verdict(search, 0.29) is not None  # median of 0.5, 0.3, 0.1
    assert verdict(search, 0.29, 0.0) is None  # median of 0.3, 0.1 and what is infinitely bad
    assert verdict(search, 0.0, 0.09) is not None


def test_a_trial_that_never_reports_the_objective_is_never_pruned():
    search = MedianStop(Random(), min_trials=1).search(darts(), objectives={"accuracy": "maximize"})
    proposals = search.ask(2)
    curve = as_reports([0.5, {"loss": 3.0}, 0.7], "accuracy")
    search.tell(finished(0, proposals[0], {"accuracy": 0.9}).evolve(intermediates=curve))
    assert verdict(search, {"loss": 9.0}) is None
    assert verdict(search, {"loss": 9.0}, {"loss": 9.0}) is None
    assert verdict(search, {"loss": 9.0}, {"accuracy": 0.4}) is not None  # the first report of it against the first
    assert verdict(search, {"accuracy": 0.5}, {"loss": 9.0}, {"accuracy": 0.55}) is not None  # against (0.5 + 0.7) / 2
    assert verdict(search, {"accuracy": 0.4}, {"loss": 9.0}) is None  # there is nothing new to judge


@pytest.mark.parametrize("outcome", ["failed", "pruned", "cancelled"])
def test_only_completed_trials_are_compared_with(outcome):
    search = MedianStop(Random(), min_trials=2).search(darts())
    for number, proposal in enumerate(search.ask(3)):
        trial = finished(number, proposal, 0.9).evolve(intermediates=as_reports([0.9]))
        search.tell(spoilt(trial, outcome) if number else trial)
    search.ask(1)
    assert verdict(search, 0.0) is None


def test_trials_are_compared_with_those_of_the_same_fidelity():
    """The promoted trial has trained before, so that its first report says nothing about first reports."""
    search = MedianStop(ASHA(max_fidelity=3), min_trials=1).search(darts())
    for number, proposal in enumerate(search.ask(3)):
        search.tell(finished(number, proposal, number / 10).evolve(intermediates=as_reports([number / 10])))
    [promoted] = search.ask(1)
    assert (promoted.parent, promoted.fidelity) == (2, {"epochs": 3})
    assert verdict(search, 0.0) is None  # the first of its kind
    search.tell(finished(3, promoted, 0.9).evolve(intermediates=as_reports([0.8, 0.9])))
    search.ask(1)
    assert verdict(search, 0.1) is None  # as good as the median of 0.0, 0.1 and 0.2
    assert verdict(search, 0.09) is not None


@given(
    st.lists(st.lists(st.floats(-5, 5), max_size=4), max_size=7),
    st.lists(st.floats(-5, 5), min_size=1, max_size=4),
    st.integers(0, 2),
    st.integers(1, 3),
)
@settings(deadline=None)
def test_the_rule_as_the_paper_says_it(curves, reports, warmup_steps, min_trials):
    """Stop if the best so far is strictly worse than the median of the running averages up to this step."""
    search = searched(*curves, warmup_steps=warmup_steps, min_trials=min_trials)
    step = len(reports)
    averages = [sum(curve[:step]) / step for curve in curves if len(curve) >= step]
    is_pruned = (
        step > warmup_steps and len(averages) >= min_trials and max(reports) < statistics.median(averages) - 1e-12
    )
    is_close = averages and abs(max(reports) - statistics.median(averages)) < 1e-9
    assert is_close or (verdict(search, *reports) is not None) is is_pruned


WRAPPED = [
    Random(),
    GridSearch(),
    RegularizedEvolution(population_size=6, sample_size=3),
    NSGA2(population_size=6),
    ASHA(max_fidelity=9),
    Hyperband(max_fidelity=9),
    Given([darts().default()] * 90),
    MedianStop(Random(), warmup_steps=1),
]


@pytest.mark.parametrize("inner", WRAPPED, ids=lambda inner: type(inner).__name__)
def test_it_proposes_what_the_inner_strategy_does(inner):
    """As long as nothing is pruned, nothing differs; then the inner search learns of pruned trials."""
    strategy = MedianStop(inner)
    assert (strategy.direction, strategy.fidelities) == (inner.direction, inner.fidelities)
    alone, wrapped = inner.search(darts(), seed=3), strategy.search(darts(), seed=3)
    for number in range(60):
        [one], [other] = alone.ask(1), wrapped.ask(1)
        assert one == other
        trial = finished(number, one, score(one.architecture))
        trial = spoilt(trial, "pruned") if number % 3 == 1 else trial
        alone.tell(trial)
        wrapped.tell(trial)
        assert set(alone.continuable) == set(wrapped.continuable)
    assert (alone.num_failed, alone.best) == (wrapped.num_failed, wrapped.best)


@pytest.mark.parametrize("inner", WRAPPED, ids=lambda inner: type(inner).__name__)
def test_some_are_pruned_and_judged_alike_after_a_resume(inner):
    strategy = MedianStop(inner, min_trials=2)
    original, history = strategy.search(darts(), seed=3), History()
    for _ in range(60):
        asked = ask(original, 1)
        number = original.num_asked - 1
        history.asked += asked
        history.told.append(judged(original, number, asked[0], score(asked[0].architecture)))
        original.tell(history.told[-1])
    states = [trial.state for trial in history.told]
    if not isinstance(inner, Given):  # always the same is never worse than the median
        assert 5 < states.count(TrialState.PRUNED) < 55
    restored = history.replay(strategy.search(darts(), seed=3))
    assert list(run(restored, score, 30)) == list(run(original, score, 30))
    assert (restored.num_failed, restored.best) == (original.num_failed, original.best)


class Impatient(Search):
    """Ends what reports less than a tenth."""

    prunes = True

    def should_prune(self, trial):
        return "less than a tenth" if trial.intermediates[-1]["default"] < 0.1 else None

    def _propose(self, number):
        return Random().search(self.space).ask(1)[0]


class ImpatientStrategy(Strategy):
    def search(self, space, *, seed=0, objectives=Direction.MAXIMIZE):
        return Impatient(space, seed=seed, objectives=objectives)


def test_the_verdict_of_the_inner_search_comes_first():
    search = MedianStop(ImpatientStrategy()).search(darts())
    search.ask(1)
    assert verdict(search, 0.05) == "less than a tenth"
    assert verdict(search, 0.2) is None


@pytest.mark.parametrize("inner", [None, "Random", Random, DARTS()])
def test_it_wraps_strategies_only(inner):
    with pytest.raises(ConfigError, match="expected a multi-trial strategy, for example Random"):
        MedianStop(inner)


def test_judging_a_trial_whose_reports_are_not_a_tuple_yet():
    search = searched(*CURVES, min_trials=3)
    [(number, proposal)] = search.pending.items()
    trial = running(number, proposal).evolve(intermediates=Reports().then({"default": 1.0}))
    assert search.should_prune(trial) is not None


def test_the_direction_of_the_inner_strategy_wins():
    search = MedianStop(RegularizedEvolution("minimize"), min_trials=1).search(darts())
    [proposal] = search.ask(1)
    search.tell(finished(0, proposal, 1.0).evolve(intermediates=as_reports([1.0])))
    search.ask(1)
    assert verdict(search, 2.0) is not None
    assert verdict(search, 0.5) is None


def test_checkpoints_of_the_inner_search_are_forgotten():
    search = MedianStop(ASHA(max_fidelity=9)).search(darts())
    history = interleave(search, random.Random(1), steps=200)
    assert history.forgotten
    assert not history.forgotten & set(search.continuable)
    assert search.inner.num_asked == search.num_asked
    assert Fidelity(epochs=3) in {proposal.fidelity for proposal in history.asked}
