"""The shipped conformance tests find broken strategies; the zoo and tables match their descriptions."""

import random
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations

import pytest

from retiarii.errors import SearchExhausted
from retiarii.strategy import Random, Search, Strategy
from retiarii.testing.spaces import SPACES, darts, nas_bench_201, tiny
from retiarii.testing.strategies import ExhaustionConformance, LearningConformance, StrategyConformance
from retiarii.testing.tables import Table, nas_bench_201_table
from retiarii.trial import Direction, Fidelity, Proposal


@dataclass(frozen=True)
class Broken(Strategy):
    """A strategy whose search is the class that it is given."""

    running: type
    memory: list = field(default_factory=list)

    def search(self, space, *, seed=0, objectives=Direction.MAXIMIZE):
        search = self.running(space, seed=seed, objectives=objectives)
        search.memory = self.memory
        return search


class UsesGlobalRandomness(Search):
    def _propose(self, number):
        return Proposal(self.space.sample(random))


class DependsOnTheBatch(Search):
    def ask(self, count):
        self.count = count
        return super().ask(count)

    def _propose(self, number):
        return Proposal(self.space.sample(random.Random(number + 1000 * self.count)))


class SharesState(Search):
    def _propose(self, number):
        self.memory.append(number)
        return Proposal(self.space.sample(random.Random(len(self.memory))))


class ForgetsAtReplay(Search):
    told = 0

    def tell(self, trial):
        super().tell(trial)
        self.told += 1

    def replay(self, asked, told):
        super().replay(asked, told)
        self.told = 0

    def _propose(self, number):
        return Proposal(self.space.sample(random.Random(1000 * self.told + number)))


class Waits(Search):
    def _propose(self, number):
        return None if number else Proposal(self.space.default())


class Repeats(Search):
    def _propose(self, number):
        if number == 20:
            raise SearchExhausted("enough")
        return Proposal(self.space.sample(random.Random(number)))


class BreaksConstraints(Search):
    def _propose(self, number):
        return Proposal(self.space.at(number % int(self.space.size)))


class ContinuesWhatIsGone(Search):
    """Continues the oldest trial that it was told, without saying so before."""

    @property
    def continuable(self):
        return [] if self.num_told > 10 else [0] if self.num_told else []

    def _propose(self, number):
        architecture = self.space.sample(random.Random(number))
        return Proposal(architecture, parent=0 if self.num_told > 11 else None)


class ContinuesWhatRuns(ContinuesWhatIsGone):
    continuable = (0,)


class GivesLess(Search):
    continuable = property(lambda self: [0] if self.num_told else [])

    def _propose(self, number):
        architecture = self.space.sample(random.Random(number))
        return Proposal(architecture, Fidelity(epochs=100 - number), 0 if self.num_told else None)


class NeverForgets(GivesLess):
    def _propose(self, number):
        return Proposal(self.space.sample(random.Random(number)), parent=0 if self.num_told else None)


class GivesWhatItDoesNotSay(Search):
    def _propose(self, number):
        return Proposal(self.space.sample(random.Random(number)), Fidelity(epochs=1))


class IgnoresConstraints(Search):
    def fitness(self, trial):
        return super().fitness(trial.evolve(violation=0.0))

    def _propose(self, number):
        return Proposal(self.space.sample(random.Random(number)))


class LooksForOneMetric(Search):
    def _propose(self, number):
        assert self.best is None or self.best.metrics["default"] >= 0
        return Proposal(self.space.sample(random.Random(number)))


class CountsWhatItJudges(Search):
    prunes = True
    judged = 0

    def should_prune(self, trial):
        self.judged += 1
        return "enough" if self.judged > 30 else None

    def _propose(self, number):
        return Proposal(self.space.sample(random.Random(number)))


class IgnoresDirection(Search):
    def _propose(self, number):
        best = 0.0 if self.best is None else self.best.metric
        return Proposal(self.space.sample(random.Random(f"{number} {best}")))


suite = StrategyConformance()
BROKEN = [
    (UsesGlobalRandomness, suite.test_same_seed_same_proposals, "darts"),
    (DependsOnTheBatch, suite.test_how_proposals_are_batched_does_not_matter, "darts"),
    (SharesState, suite.test_two_searches_do_not_disturb_each_other, "darts"),
    (Waits, suite.test_never_waits_when_everything_was_told, "tiny"),
    (BreaksConstraints, suite.test_every_proposal_fits_the_space, "constrained"),
    (IgnoresDirection, suite.test_minimising_mirrors_maximising, "darts"),
    (GivesWhatItDoesNotSay, suite.test_every_proposal_fits_the_space, "darts"),
]
BROKEN_ANYWHERE = [
    (ContinuesWhatIsGone, partial(suite.test_parents_are_trials_whose_checkpoints_are_kept, at_once=1)),
    (ContinuesWhatRuns, partial(suite.test_parents_are_trials_whose_checkpoints_are_kept, at_once=5)),
    (GivesLess, partial(suite.test_parents_are_trials_whose_checkpoints_are_kept, at_once=1)),
    (NeverForgets, suite.test_forgotten_checkpoints_are_not_continued),
    (IgnoresConstraints, suite.test_trials_that_break_constraints_are_behind_all_others),
    (CountsWhatItJudges, suite.test_trials_are_judged_alike_after_a_replay),
]


@pytest.mark.parametrize(("running", "check", "space"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_broken_strategies_are_found(running, check, space):
    with pytest.raises(AssertionError):
        check(Broken(running), SPACES[space]())
    check(Random(), SPACES[space]())


@pytest.mark.parametrize(("running", "check"), BROKEN_ANYWHERE, ids=lambda value: getattr(value, "__name__", None))
def test_strategies_that_break_the_contract_of_trials_are_found(running, check):
    with pytest.raises(AssertionError):
        check(Broken(running))
    check(Random())


def test_a_strategy_that_wants_the_default_metric_is_found():
    with pytest.raises(KeyError, match="default"):
        suite.test_several_objectives(Broken(LooksForOneMetric))


def test_broken_replay_is_found():
    with pytest.raises(AssertionError):
        suite.test_replay_equals_the_uninterrupted_search(Broken(ForgetsAtReplay), darts(), 0)


def test_missing_and_repeated_proposals_are_found():
    with pytest.raises(AssertionError):
        ExhaustionConformance().test_small_spaces_are_exhausted(Broken(Repeats), "tiny")


def test_random_search_does_not_count_as_learning(pytestconfig):
    with pytest.raises(AssertionError):
        LearningConformance().test_better_than_random_on_real_results(Random(), pytestconfig)


def test_a_suite_without_a_strategy_says_so():
    with pytest.raises(NotImplementedError, match="must define a fixture `strategy`"):
        StrategyConformance.strategy.__wrapped__(suite)


SIZES = {
    "flat": (360, 360),
    "tiny": (6, 6),
    "single_point": (1, 1),
    "nested": (23, 23),
    "constrained": (125, 53),
    "narrow": (512, 15),
    "subset": (21, 21),
    "prior": (27, 27),
    "nas_bench_201": (15_625, 15_625),
}


@pytest.mark.parametrize("name", SIZES)
def test_spaces_have_the_sizes_in_their_docstrings(name):
    space = SPACES[name]()
    num_allowed = sum(1 for _ in space.grid())
    assert (space.size, num_allowed) == SIZES[name]
    if name not in ("tiny", "single_point"):
        assert f"{num_allowed:,}" in SPACES[name].__doc__


def test_large_spaces_have_the_right_form():
    assert len(darts()) == 34
    assert darts().size == 9 * (8**8 * (2 * 3 * 4 * 5) ** 2) ** 2
    assert len(nas_bench_201()) == 6


def test_expected_best_of_random_against_every_subset():
    table = Table({(str(index),): metric for index, metric in enumerate([1.0, 4.0, 4.0, 9.0, 11.0])})
    for count in range(1, 6):
        bests = [max(subset) for subset in combinations(table.metrics.values(), count)]
        assert table.expected_best_of_random(count) == pytest.approx(sum(bests) / len(bests))


def test_table_of_nas_bench_201(pytestconfig):
    table = nas_bench_201_table(pytestconfig.rootpath)
    assert len(table.metrics) == nas_bench_201().size
    assert max(table.metrics.values()) == pytest.approx(73.4933)
    assert all(table(architecture) for architecture in nas_bench_201().grid())


def test_missing_data_are_a_skip_that_names_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("RETIARII_TEST_DATA", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=f"needs {tmp_path}/nb201_topology.csv.gz"):
        nas_bench_201_table(tmp_path)


def test_space_of_one_kind_each():
    assert set(SPACES) == set(SIZES) | {"darts", "mixed_numeric"}
    assert tiny() == tiny()
