"""A restored search equals the one that was never interrupted, whatever happened before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.errors import SearchExhausted
from retiarii.strategy import (
    ASHA,
    NSGA2,
    GenerationalEvolution,
    GridSearch,
    Hyperband,
    MedianStop,
    PolicyBasedRL,
    Random,
    RegularizedEvolution,
)
from retiarii.testing.searches import History, ask, finished, judged, run, score, spoilt
from retiarii.testing.spaces import SPACES, darts

STRATEGIES = [
    Random(),
    Random(dedup=False),
    GridSearch(float_points=4),
    GridSearch(shuffle=False, float_points=4),
    RegularizedEvolution(population_size=6, sample_size=3),
    RegularizedEvolution("minimize", population_size=6, sample_size=3, on_failure="worst", cycles=40),
    RegularizedEvolution(population_size=6, sample_size=3, crossover=True, dedup=True, mutation_prob=0.2),
    GenerationalEvolution(3, 6, num_select=2, num_mutation=2, num_crossover=2),
    NSGA2(population_size=6),
    PolicyBasedRL(12, 3, epochs=2, minibatch_size=2),
    PolicyBasedRL(10, 4, epochs=1, on_failure="worst", dedup=False),
    ASHA(max_fidelity=4, reduction_factor=2),
    Hyperband(max_fidelity=4, reduction_factor=2),
    MedianStop(RegularizedEvolution(population_size=6, sample_size=3), min_trials=2),
    MedianStop(ASHA(max_fidelity=4, reduction_factor=2), min_trials=2),
    MedianStop(Hyperband(max_fidelity=4, reduction_factor=2), min_trials=1),
]
OUTCOMES = st.sampled_from(["good", "good", "failed", "pruned", "nan", "infeasible"])
STEPS = st.lists(
    st.one_of(
        st.integers(1, 4),  # ask for so many
        st.tuples(
            st.floats(0, 1, exclude_max=True), st.sampled_from(["good", "good", "failed", "pruned", "nan", "bad"])
        ),
        st.floats(0, 1, exclude_max=True),  # remove the checkpoint at this place among those that are kept
    ),
    max_size=60,
)


def outcome(search, number, proposal, kind):
    trial = judged(search, number, proposal, score(proposal.architecture))
    if kind == "good" or not trial.is_completed:
        return trial
    return trial.evolve(violation=0.5) if kind == "infeasible" else spoilt(trial, kind)


def at(place, things):
    return list(things)[int(place * len(things))]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
@given(name=st.sampled_from(sorted(set(SPACES) - {"narrow"})), seed=st.integers(0, 2**64 - 1), steps=STEPS)
@settings(max_examples=25, deadline=None)
def test_replay_equals_the_uninterrupted_search(strategy, name, seed, steps):
    space = SPACES[name]()
    original = strategy.search(space, seed=seed)
    history = History()
    for step in steps:
        if isinstance(step, int):
            history.asked += ask(original, step)
        elif isinstance(step, tuple) and original.pending:
            place, kind = step
            history.told.append(outcome(original, *at(place, original.pending.items()), kind))
            original.tell(history.told[-1])
        elif isinstance(step, float) and original.continuable:
            number = at(step, sorted(original.continuable))
            history.forgotten.add(number)
            original.forget_checkpoint(number)
    restored = history.replay(strategy.search(space, seed=seed))
    assert repr(restored) == repr(original)
    assert dict(restored.pending) == dict(original.pending)
    assert set(restored.continuable) == set(original.continuable)
    assert next_50(restored) == next_50(original)


def next_50(search):
    """Drain what can be asked without results, then go on one at a time."""
    return [*ask(search, 20), *run(search, score, 30)]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_interrupting_a_serial_search_anywhere_changes_nothing(strategy):
    original, whole, trials = strategy.search(darts(), seed=9), [], []
    while len(whole) < 45 and (asked := ask(original, 1)):
        trials.append(judged(original, len(whole), asked[0], score(asked[0].architecture)))
        whole += asked
        original.tell(trials[-1])
    for stop in (0, 1, 5, 6, 7, 20, 44):
        search = strategy.search(darts(), seed=9)
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
