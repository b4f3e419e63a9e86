"""`StrategyConformance`: what every strategy must do, as a test class to inherit from."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from statistics import fmean

import pytest

from retiarii.errors import SearchExhausted
from retiarii.space import Architecture, SearchSpace
from retiarii.strategy import Search, SearchError, Strategy
from retiarii.testing.spaces import SPACES, constrained, darts, nas_bench_201, tiny
from retiarii.testing.tables import nas_bench_201_table
from retiarii.trial import Direction, Failure, FailureKind, Trial, TrialState

SMALL_SPACES = sorted(set(SPACES) - {"darts", "mixed_numeric"})
"""The spaces of the zoo that can be enumerated."""


class StrategyConformance:
    """Inherit, supply the fixture ``strategy``, and set what is special about yours.

    Class attributes:
        spaces: Names of the spaces in the zoo that the strategy supports; all by default.
        is_exhaustive: Whether it proposes every architecture of a small space exactly once.
        learns: Whether it must beat random search on a real table.
    """

    spaces: frozenset[str] = frozenset(SPACES)
    is_exhaustive = False
    learns = False

    @pytest.fixture
    def strategy(self) -> Strategy:
        """Return the strategy under test; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `strategy`")

    @pytest.fixture(params=sorted(SPACES))
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        """Each space of the zoo that the strategy supports."""
        if request.param not in self.spaces:
            pytest.skip(f"the strategy does not support the space {request.param!r}")
        return SPACES[request.param]()

    # What is proposed

    def test_every_proposal_fits_the_space(self, strategy: Strategy, space: SearchSpace) -> None:
        search = strategy.search(space, seed=1)
        for architecture in run(search, score, 80, at_once=4):
            assert space.architecture(architecture) == architecture
            assert space.satisfies(architecture)

    @pytest.mark.parametrize("count", [0, 1, 7])
    def test_ask_gives_at_most_count(self, strategy: Strategy, space: SearchSpace, count: int) -> None:
        search = strategy.search(space)
        proposed = search.ask(count)
        assert len(proposed) <= count
        assert search.num_asked == len(search.pending) == len(proposed)

    def test_first_proposal_needs_no_result(self, strategy: Strategy, space: SearchSpace) -> None:
        assert len(strategy.search(space).ask(1)) == 1

    def test_never_waits_when_everything_was_told(self, strategy: Strategy, space: SearchSpace) -> None:
        search = strategy.search(space)
        for _ in range(50):
            try:
                batch = search.ask(1)
            except SearchExhausted:
                return
            assert batch, "an empty batch means 'wait for results', but none is pending"
            search.tell(finished(search.num_asked - 1, batch[0], score(batch[0])))

    # Seeds

    def test_same_seed_same_proposals(self, strategy: Strategy, space: SearchSpace) -> None:
        twin = pickle.loads(pickle.dumps(strategy))
        first = list(run(strategy.search(space, seed=7), score, 60, at_once=3))
        assert list(run(strategy.search(space, seed=7), score, 60, at_once=3)) == first
        assert list(run(twin.search(space, seed=7), score, 60, at_once=3)) == first

    def test_two_searches_do_not_disturb_each_other(self, strategy: Strategy, space: SearchSpace) -> None:
        alone = list(run(strategy.search(space, seed=3), score, 30))
        one, other = run(strategy.search(space, seed=3), score, 30), run(strategy.search(space, seed=4), score, 30)
        interleaved = []
        for architecture in one:
            interleaved.append(architecture)
            next(other, None)
        assert interleaved == alone

    def test_how_proposals_are_batched_does_not_matter(self, strategy: Strategy, space: SearchSpace) -> None:
        whole, parts = strategy.search(space, seed=5), strategy.search(space, seed=5)
        assert ask(whole, 5) == ask(parts, 2) + ask(parts, 3)

    def test_minimising_mirrors_maximising(self, strategy: Strategy, space: SearchSpace) -> None:
        if strategy.direction is not None:
            pytest.skip("the strategy has a direction of its own")
        up = strategy.search(space, direction=Direction.MAXIMIZE)
        down = strategy.search(space, direction="minimize")
        assert list(run(up, score, 60)) == list(run(down, lambda architecture: -score(architecture), 60))

    # Results

    @pytest.mark.parametrize("outcome", ["failed", "cancelled", "pruned", "nan", "infinite", "no metrics"])
    def test_results_without_a_metric_are_accepted(self, strategy: Strategy, outcome: str) -> None:
        space = darts()
        search = strategy.search(space)
        for index, architecture in enumerate(ask(search, 40)):
            trial = finished(index, architecture, score(architecture))
            search.tell(spoilt(trial, outcome) if index % 2 else trial)
        assert (search.num_told, search.num_failed) == (len(search.pending) * 0 + search.num_asked, search.num_asked // 2)
        assert all(space.architecture(architecture) == architecture for architecture in run(search, score, 40))

    def test_search_survives_when_everything_fails(self, strategy: Strategy) -> None:
        search = strategy.search(darts())
        assert len(list(run(search, lambda architecture: None, 60, at_once=4))) == 60
        assert search.best is None

    def test_results_may_come_in_any_order(self, strategy: Strategy) -> None:
        search = strategy.search(darts())
        trials = [finished(n, architecture, score(architecture)) for n, architecture in enumerate(ask(search, 20))]
        for trial in reversed(trials):
            search.tell(trial)
        assert not search.pending
        assert search.best == max(trials, key=lambda trial: trial.metric or 0.0)

    def test_misuse_is_refused(self, strategy: Strategy) -> None:
        search = strategy.search(tiny())
        [architecture] = search.ask(1)
        other = next(candidate for candidate in tiny().grid() if candidate != architecture)
        with pytest.raises(SearchError, match="running"):
            search.tell(Trial(0, architecture))
        with pytest.raises(SearchError, match="never proposed"):
            search.tell(finished(1, architecture, 0.5))
        with pytest.raises(SearchError, match="proposal 0 was"):
            search.tell(finished(0, other, 0.5))
        search.tell(finished(0, architecture, 0.5))
        with pytest.raises(SearchError, match="told already"):
            search.tell(finished(0, architecture, 0.5))
        assert (search.num_asked, search.num_told) == (1, 1)

    # The end

    @pytest.mark.parametrize("name", SMALL_SPACES)
    def test_exhaustion(self, strategy: Strategy, name: str) -> None:
        space = SPACES[name]()
        if not self.is_exhaustive or name not in self.spaces or space.size > 1_000:
            pytest.skip("the strategy does not claim to exhaust this space")
        search = strategy.search(space)
        proposed = list(run(search, score, 1_001, at_once=3))
        assert len(proposed) == len(set(proposed))
        assert set(proposed) == set(space.grid())
        for _ in range(2):
            with pytest.raises(SearchExhausted):
                search.ask(1)

    # Resume

    @pytest.mark.parametrize("seed", range(6))
    def test_replay_equals_the_uninterrupted_search(self, strategy: Strategy, space: SearchSpace, seed: int) -> None:
        original = strategy.search(space, seed=seed)
        asked, told = interleave(original, random.Random(seed), steps=60)
        restored = strategy.search(space, seed=seed)
        restored.replay(asked, told)
        assert repr(restored) == repr(original)
        assert dict(restored.pending) == dict(original.pending)
        assert ask(restored, 20) == ask(original, 20)
        assert list(run(restored, score, 30)) == list(run(original, score, 30))

    def test_replay_wants_a_new_search(self, strategy: Strategy) -> None:
        search = strategy.search(tiny())
        search.ask(1)
        with pytest.raises(SearchError, match="new one"):
            search.replay([], [])

    # Quality

    def test_better_than_random_on_real_results(self, strategy: Strategy, pytestconfig: pytest.Config) -> None:
        """Compare the mean best of 200 trials over 20 seeds with its exact expectation under random search."""
        if not self.learns:
            pytest.skip("the strategy does not claim to learn")
        table = nas_bench_201_table(pytestconfig.rootpath)
        bests = []
        for seed in range(20):
            search = strategy.search(nas_bench_201(), seed=seed)
            list(run(search, table, 200))
            assert search.best is not None
            bests.append(search.best.metric)
        assert fmean(bests) > table.expected_best_of_random(200) + BETTER_BY


BETTER_BY = 0.3


def score(architecture: Architecture) -> float:
    """Return an arbitrary metric from 0 to 1 that only depends on the architecture."""
    return int(architecture.key[:12], 16) / 16**12


def finished(number: int, architecture: Architecture, metric: float | None) -> Trial:
    """Return the trial of a proposal: completed, or failed where there is no metric."""
    if metric is None:
        return Trial(number, architecture, TrialState.FAILED, failure=Failure(FailureKind.RAISED, "out of luck"))
    return Trial(number, architecture, TrialState.COMPLETED, metrics={"default": metric})


def spoilt(trial: Trial, outcome: str) -> Trial:
    """Return a completed trial as it would be had it ended otherwise."""
    if outcome in ("nan", "infinite"):
        return trial.evolve(metrics={"default": float(outcome[:3])})
    if outcome == "no metrics":
        return trial.evolve(metrics=None)
    state = TrialState.PRUNED if outcome == "pruned" else TrialState.FAILED
    kind = FailureKind.CANCELLED if outcome == "cancelled" else FailureKind.VANISHED
    failure = None if state is TrialState.PRUNED else Failure(kind, outcome)
    return trial.evolve(state=state, metrics=None, failure=failure)


def ask(search: Search, count: int) -> list[Architecture]:
    """Ask, with nothing at all in place of `SearchExhausted`."""
    try:
        return search.ask(count)
    except SearchExhausted:
        return []


def run(
    search: Search, evaluate: Callable[[Architecture], float | None], count: int, *, at_once: int = 1
) -> Iterator[Architecture]:
    """Run a search up to its end or ``count`` more proposals, with ``at_once`` pending; yield what it proposes."""
    waiting: list[tuple[int, Architecture]] = list(search.pending.items())
    stop = search.num_asked + count
    while True:
        free = min(at_once - len(waiting), stop - search.num_asked)
        batch = ask(search, free) if free > 0 else []
        waiting += enumerate(batch, start=search.num_asked - len(batch))
        yield from batch
        if not waiting:
            return
        number, architecture = waiting.pop(0)
        search.tell(finished(number, architecture, evaluate(architecture)))


def interleave(search: Search, rng: random.Random, *, steps: int) -> tuple[list[Architecture], list[Trial]]:
    """Ask and tell at random, with failures among the results; return what was asked and told, in order."""
    asked: list[Architecture] = []
    told: list[Trial] = []
    for _ in range(steps):
        if rng.random() < 0.5:
            asked += ask(search, rng.randrange(5))
        elif search.pending:
            number, architecture = rng.choice(list(search.pending.items()))
            metric = score(architecture) if rng.random() < 0.8 else None
            told.append(finished(number, architecture, metric))
            search.tell(told[-1])
    return asked, told
