from itertools import pairwise

import pytest

from retiarii.errors import ConfigError, SearchExhausted
from retiarii.space import Categorical, Integer, SearchSpace, rng_for
from retiarii.strategy import PolicyBasedRL
from retiarii.strategy._reinforcement.policy_search import ranks
from retiarii.testing.searches import finished, run, score, spoilt
from retiarii.testing.spaces import darts, tiny

WIDTHS = SearchSpace([Categorical(label, (16, 32, 48, 64)) for label in "abcde"])


def rugged(architecture):
    """Return a metric with one maximum among 1,024 architectures: large sums are good where neighbours differ."""
    values = list(architecture.values())
    pairs = pairwise(values)
    return sum(values) / 64 - sum(one == other for one, other in pairs)


def test_the_best_architecture_is_found_more_often_than_at_random():
    """Random search tries 200 of 1,024 architectures: 9 of 10 searches find the best with a probability of 3e-6."""
    best = max(map(rugged, WIDTHS.grid()))
    num_best = sum(rugged(architecture) == best for architecture in WIDTHS.grid())
    assert num_best == 1
    found = 0
    for seed in range(10):
        search = PolicyBasedRL().search(WIDTHS, seed=seed)
        list(run(search, rugged, 200))
        found += rugged(search.best.architecture) == best
    assert found >= 9


def test_it_learns_from_the_trials_of_each_collect_and_forgets_them():
    search = PolicyBasedRL(trial_per_collect=5).search(WIDTHS)
    favourite = WIDTHS.default()
    proposals = search.ask(10)
    probabilities = []
    for number, proposal in enumerate(proposals):
        probabilities.append(search.policy.log_probabilities([favourite]).item())
        search.tell(finished(number, proposal, score(proposal.architecture)))
    assert len(set(probabilities[:5])) == 1
    assert len(set(probabilities[5:])) == 1
    assert probabilities[4] != probabilities[5] != search.policy.log_probabilities([favourite]).item()


def test_it_ends_after_its_budget():
    search = PolicyBasedRL(max_collect=2, trial_per_collect=3).search(WIDTHS)
    assert len(list(run(search, score, 100, at_once=4))) == 6
    with pytest.raises(SearchExhausted, match="6 trials"):
        search.ask(1)


def test_failed_trials_are_replaced_and_those_that_count_as_worst_are_not():
    for on_failure, expected in (("ignore", 11), ("worst", 6)):
        search = PolicyBasedRL(2, 3, on_failure=on_failure).search(WIDTHS)
        asked = 0
        while True:
            try:
                batch = search.ask(4)
            except SearchExhausted:
                break
            assert batch
            for proposal in batch:
                trial = finished(asked, proposal, 1.0)
                search.tell(spoilt(trial, "failed") if asked % 2 else trial)
                asked += 1
        assert asked == expected


def test_it_waits_for_trials_that_may_be_replaced():
    search = PolicyBasedRL(1, 2).search(WIDTHS)
    first, second = search.ask(5)
    assert search.ask(1) == []
    search.tell(finished(0, first, None))
    [third] = search.ask(5)
    search.tell(finished(1, second, 0.5))
    search.tell(finished(2, third, 0.5))
    with pytest.raises(SearchExhausted):
        search.ask(1)


def test_cancelled_trials_never_count():
    search = PolicyBasedRL(1, 2, on_failure="worst").search(WIDTHS)
    proposals = search.ask(2)
    for number, proposal in enumerate(proposals):
        search.tell(spoilt(finished(number, proposal, 1.0), "cancelled"))
    assert len(search.ask(5)) == 2


def test_failures_that_count_as_worst_are_avoided():
    """Half of the space fails; the share of failures in the last 40 of 200 trials falls far below one half."""
    search = PolicyBasedRL(on_failure="worst", dedup=False).search(darts(), seed=1)
    proposals = list(run(search, lambda found: None if found["width"] == 36 or found["depth"] == 20 else 1.0, 400))
    failed = [found.architecture["width"] == 36 or found.architecture["depth"] == 20 for found in proposals]
    assert sum(failed[-40:]) / 40 < 0.2 < sum(failed[:40]) / 40


def test_the_last_architectures_of_a_space_are_found():
    search = PolicyBasedRL(trial_per_collect=2).search(tiny())
    assert len({proposal.architecture for proposal in run(search, score, 100)}) == 6


def test_constraints_hold_also_where_the_policy_prefers_what_breaks_them():
    search = PolicyBasedRL(dedup=False, model_filter=lambda found: found["a"] == 16).search(WIDTHS)
    search.policy.logits_bias_TK.data[0, 3] = 100.0  # never again a 16
    assert [proposal.architecture["a"] for proposal in search.ask(3)] == [16] * 3


def test_ranks_do_not_depend_on_scale_and_put_violations_last():
    assert ranks([(0.0, 7.0), (0.0, -1e9), (0.0, 7.0), (-2.0, 99.0)]) == [0.5, -0.25, 0.5, -0.75]
    assert ranks([(0.0, 1.0)]) == [0.0]


def test_each_draw_has_its_own_seed():
    search = PolicyBasedRL(dedup=False).search(WIDTHS, seed=4)
    expected = [search.policy.sample(rng_for(4, number)) for number in range(3)]
    assert [proposal.architecture for proposal in search.ask(3)] == expected


def test_a_space_without_decisions_is_searched_to_its_end():
    search = PolicyBasedRL(2, 2, dedup=False).search(SearchSpace([Integer("width", 8, 8)]))
    assert len(list(run(search, score, 10))) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_collect": 0}, r"max_collect=0\): expected a whole number from 1 up"),
        ({"trial_per_collect": 2.5}, "trial_per_collect=2.5"),
        ({"learning_rate": 0}, r"learning_rate=0\): expected a finite number above 0"),
        ({"entropy_weight": -1}, r"entropy_weight=-1\): expected a finite number, 0 or larger"),
        ({"gamma": 1.1}, "gamma=1.1"),
        ({"optimize_mode": "max"}, "optimize_mode='max'"),
    ],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        PolicyBasedRL(**options)
