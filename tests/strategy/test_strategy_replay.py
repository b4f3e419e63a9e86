"""A restored search equals the one that was never interrupted, whatever happened before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.errors import SearchExhausted
from retiarii.strategy import GridSearch, Random, RegularizedEvolution
from retiarii.testing.spaces import SPACES, darts
from retiarii.testing.strategies import ask, finished, run, score, spoilt

STRATEGIES = [
    Random(),
    Random(dedup=False),
    GridSearch(float_points=4),
    GridSearch(shuffle=False, float_points=4),
    RegularizedEvolution(population_size=6, sample_size=3),
    RegularizedEvolution("minimize", population_size=6, sample_size=3, on_failure="worst", cycles=40),
    RegularizedEvolution(population_size=6, sample_size=3, crossover=True, dedup=True, mutation_prob=0.2),
]
STEPS = st.lists(
    st.one_of(
        st.integers(1, 4),  # ask for so many
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(["good", "good", "failed", "pruned", "nan"])),
    ),
    max_size=60,
)


def outcome(number, proposal, kind):
    trial = finished(number, proposal, score(proposal.architecture))
    return trial if kind == "good" else spoilt(trial, kind)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
@given(name=st.sampled_from(sorted(set(SPACES) - {"narrow"})), seed=st.integers(0, 2**64 - 1), steps=STEPS)
@settings(max_examples=25, deadline=None)
def test_replay_equals_the_uninterrupted_search(strategy, name, seed, steps):
    space = SPACES[name]()
    original = strategy.search(space, seed=seed)
    asked, told = [], []
    for step in steps:
        if isinstance(step, int):
            asked += ask(original, step)
        elif original.pending:
            place, kind = step
            number, proposal = list(original.pending.items())[int(place * len(original.pending))]
            told.append(outcome(number, proposal, kind))
            original.tell(told[-1])
    restored = strategy.search(space, seed=seed)
    restored.replay(asked, told)
    assert repr(restored) == repr(original)
    assert dict(restored.pending) == dict(original.pending)
    assert next_50(restored) == next_50(original)


def next_50(search):
    """Drain what can be asked without results, then go on one at a time."""
    return [*ask(search, 20), *run(search, score, 30)]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_interrupting_a_serial_search_anywhere_changes_nothing(strategy):
    whole = list(run(strategy.search(darts(), seed=9), score, 45))
    for stop in (0, 1, 5, 6, 7, 20, 44):
        search = strategy.search(darts(), seed=9)
        trials = [finished(number, proposal, score(proposal.architecture)) for number, proposal in enumerate(whole)]
        search.replay(whole[:stop], trials[:stop])
        rest = list(run(search, score, len(whole) - stop))
        assert whole[:stop] + rest == whole


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_running_trial_may_be_told_after_the_restart(strategy):
    original = strategy.search(darts(), seed=9)
    asked = original.ask(6)
    told = [finished(number, asked[number], score(asked[number].architecture)) for number in (2, 0, 4, 5)]
    for trial in told:
        original.tell(trial)
    restored = strategy.search(darts(), seed=9)
    restored.replay(asked, told)
    for search in (original, restored):
        search.tell(finished(1, asked[1], 0.5))
    assert next_50(restored) == next_50(original)


def test_replay_to_the_end_is_the_end():
    asked = list(Random().search(SPACES["flat"]()))
    restored = Random().search(SPACES["flat"]())
    restored.replay(asked, [])
    with pytest.raises(SearchExhausted):
        restored.ask(1)
