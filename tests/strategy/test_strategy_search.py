import math
import pickle
import random

import pytest

from retiarii.errors import ConfigError, ConstraintError, MetricError, RetiariiError, SearchError, SearchExhausted
from retiarii.space import Categorical, Integer, SearchSpace
from retiarii.strategy import ASHA, MedianStop, Random, RegularizedEvolution, Search, SearchWrapper
from retiarii.testing.searches import finished, interleave, running
from retiarii.testing.spaces import darts, flat, tiny
from retiarii.trial import Direction, FailureKind, Proposal, TrialState


class Scripted(Search):
    """Proposes the default architecture; None in the script means to wait, an error to raise."""

    def __init__(self, space, *script, **options):
        super().__init__(space, **options)
        self.script = script

    def _propose(self, number):
        step = self.script[number] if number < len(self.script) else SearchExhausted("the script is over")
        if isinstance(step, Exception):
            raise step
        return Proposal(self.space.default()) if step else None


def test_ask_hands_over_what_it_has_before_the_end():
    search = Scripted(tiny(), True, True)
    assert len(search.ask(5)) == 2
    with pytest.raises(SearchExhausted, match="the script is over"):
        search.ask(5)
    assert search.num_asked == 2


def test_ask_hands_over_what_it_has_before_it_waits():
    search = Scripted(tiny(), True, None)
    assert len(search.ask(5)) == 1
    assert search.ask(5) == []


def test_proposals_are_not_lost_when_a_later_one_fails():
    search = Scripted(tiny(), True, ConstraintError("too tight"))
    assert len(search.ask(2)) == len(search.pending) == 1
    with pytest.raises(ConstraintError, match="too tight"):
        search.ask(2)


@pytest.mark.parametrize("count", [-1, 1.5, "2", None])
def test_ask_wants_a_count(count):
    with pytest.raises(SearchError, match=r"ask\(count=.*whole number"):
        Random().search(tiny()).ask(count)


def test_numbers_count_what_happened():
    search = Random().search(darts(), seed=3)
    first, second, third = search.ask(3)
    search.tell(finished(1, second, 0.5))
    search.tell(finished(2, third, None))
    assert (search.num_asked, search.num_told, search.num_failed) == (3, 2, 1)
    assert dict(search.pending) == {0: first}
    with pytest.raises(TypeError):
        search.pending[7] = first
    assert repr(search) == (
        "<RandomSearch, maximize, seed 3: 3 asked, 2 told (1 failed), 1 pending, best 0.5 (trial 1)>"
    )


def test_repr_before_the_first_success():
    assert repr(Random().search(tiny(), objectives="minimize")) == (
        "<RandomSearch, minimize, seed 0: 0 asked, 0 told, 0 pending, nothing to compare yet>"
    )


@pytest.mark.parametrize(("direction", "best"), [("maximize", 2), ("minimize", 0)])
def test_best_is_the_earliest_told_among_equals(direction, best):
    search = Random().search(darts(), objectives=direction)
    asked = search.ask(6)
    for number, metric in [(0, -1.0), (3, -1.0), (2, 4.0), (1, 4.0), (4, math.nan), (5, None)]:
        search.tell(finished(number, asked[number], metric))
    assert search.best.number == best


def test_a_mixed_up_trial_is_refused_with_both_proposals():
    search = Random().search(tiny())
    one, other = search.ask(2)
    with pytest.raises(SearchError) as raised:
        search.tell(finished(0, other, 1.0))
    assert repr(one) in str(raised.value)
    assert repr(other) in str(raised.value)
    assert search.num_told == 0


def test_an_equal_architecture_from_storage_is_accepted():
    search = Random().search(flat())
    [proposal] = search.ask(1)
    architecture = type(proposal.architecture).from_json(proposal.architecture.canonical_json())
    search.tell(finished(0, Proposal(architecture), 1.0))
    assert search.best.metric == 1.0


class TestTellMetric:
    def test_number(self):
        search = Random().search(tiny())
        [proposal] = search.ask(1)
        trial = search.tell_metric(proposal, 0.25)
        assert (trial.state, trial.metric, trial.finish_order) == (TrialState.COMPLETED, 0.25, 0)
        assert search.best is trial

    def test_named_metrics(self):
        search = Random().search(tiny())
        [proposal] = search.ask(1)
        assert search.tell_metric(proposal, {"default": 1, "loss": 3}).metrics == {"default": 1.0, "loss": 3.0}

    @pytest.mark.parametrize(
        ("metric", "kind"), [(None, FailureKind.RAISED), (math.nan, FailureKind.BAD_METRIC), (math.inf, "bad_metric")]
    )
    def test_no_usable_number_is_a_failed_trial(self, metric, kind):
        search = Random().search(tiny())
        [proposal] = search.ask(1)
        trial = search.tell_metric(proposal, metric)
        assert (trial.state, trial.failure.kind) == (TrialState.FAILED, kind)
        assert (search.num_failed, search.best) == (1, None)

    def test_no_metric_at_all_leaves_the_proposal_pending(self):
        search = Random().search(tiny())
        [proposal] = search.ask(1)
        with pytest.raises(MetricError, match="trial 0"):
            search.tell_metric(proposal, "good")
        assert len(search.pending) == 1

    def test_the_oldest_of_equal_proposals_is_meant(self):
        search = Scripted(tiny(), True, True)
        same, _ = search.ask(2)
        assert [search.tell_metric(same, metric).number for metric in (0.1, 0.2)] == [0, 1]

    def test_something_that_is_not_pending_is_refused(self):
        search = Random().search(tiny())
        [proposal] = search.ask(1)
        search.tell_metric(proposal, 1.0)
        with pytest.raises(SearchError, match="not among the 0 pending proposals"):
            search.tell_metric(proposal, 1.0)


class TestIteration:
    def test_ends_with_the_space(self):
        search = Random().search(tiny())
        assert len({proposal for proposal in search if search.tell_metric(proposal, 0.5)}) == 6

    def test_refuses_to_spin_while_results_are_missing(self):
        search = RegularizedEvolution(population_size=2, sample_size=2).search(darts())
        with pytest.raises(SearchError, match="2 pending"):
            list(search)


class TestReplay:
    def test_restores_counts_and_best(self):
        space = darts()
        asked = Random().search(space).ask(3)
        told = [finished(2, asked[2], 0.75), finished(0, asked[0], None)]
        restored = Random().search(space)
        restored.replay(asked, told)
        assert repr(restored).endswith("3 asked, 2 told (1 failed), 1 pending, best 0.75 (trial 2)>")

    def test_refuses_trials_that_were_never_asked(self):
        asked = Random().search(darts()).ask(2)
        with pytest.raises(SearchError, match="never proposed"):
            Random().search(darts()).replay(asked[:1], [finished(1, asked[1], 0.5)])

    def test_refuses_unfinished_trials(self):
        asked = Random().search(darts()).ask(1)
        with pytest.raises(SearchError, match="is running"):
            Random().search(darts()).replay(asked, [running(0, asked[0])])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed is -1, expected a whole number from 0"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"seed": True}, "seed is True"),
        ({"objectives": "up"}, "direction is 'up', expected 'maximize' or 'minimize'"),
        ({"space": [Integer("a", 1, 2)]}, "space is a list, expected a SearchSpace"),
    ],
)
def test_searches_refuse_impossible_arguments(arguments, message):
    arguments = {"space": tiny(), **arguments}
    with pytest.raises(ConfigError, match=message):
        Random().search(arguments.pop("space"), **arguments)


def test_direction_may_be_given_as_text():
    assert Random().search(tiny(), objectives="minimize").direction is Direction.MINIMIZE


def test_search_error_is_one_of_ours_and_a_value_error():
    assert issubclass(SearchError, RetiariiError)
    assert issubclass(SearchError, ValueError)


def test_a_running_search_pickles():
    search = RegularizedEvolution(population_size=4, sample_size=2).search(flat(), seed=1)
    for proposal in search.ask(4):
        search.tell_metric(proposal, 1.0)
    copy = pickle.loads(pickle.dumps(search))
    assert copy.ask(10) == search.ask(10)


def test_types_of_values_count():
    space = SearchSpace([Categorical("x", (1, True, 1.0))])
    assert len(list(Random().search(space))) == 3


def test_telling_what_is_no_trial():
    search = Random().search(SearchSpace([Categorical("op", ("conv", "pool"))]))
    with pytest.raises(SearchError, match=r"tell\(\) got None of type NoneType, expected a finished Trial"):
        search.tell(None)


class AtMost(SearchWrapper):
    """Ends after so many proposals."""

    def __init__(self, inner, count):
        super().__init__(inner)
        self.count = count

    def _propose(self, number):
        if number >= self.count:
            raise SearchExhausted("that was all")
        return super()._propose(number)


def test_a_wrapper_changes_one_thing_and_passes_everything_else_on():
    strategy = MedianStop(ASHA(max_fidelity=9, model_filter=lambda architecture: architecture["width"] < 36))
    alone = strategy.search(darts(), seed=2, objectives="minimize")
    wrapped = AtMost(strategy.search(darts(), seed=2, objectives="minimize"), 50)
    history = interleave(wrapped, random.Random(2), steps=120)
    assert (wrapped.num_asked, wrapped.prunes, wrapped.direction) == (50, True, Direction.MINIMIZE)
    assert history.forgotten
    history.replay(alone)
    assert (dict(alone.pending), set(alone.continuable)) == (dict(wrapped.pending), set(wrapped.continuable))
    assert (alone.best, alone.num_failed) == (wrapped.best, wrapped.num_failed)
    assert wrapped.space == alone.space
    with pytest.raises(SearchExhausted, match="that was all"):
        wrapped.ask(1)
