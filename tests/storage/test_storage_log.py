import itertools
import random
import sqlite3
import tracemalloc
from contextlib import closing

import pytest

from retiarii.errors import CorruptStoreError
from retiarii.space import Categorical, SearchSpace
from retiarii.storage import ExperimentRecord, Intermediate, open_store
from retiarii.storage._rows.checksum import checksums
from retiarii.strategy import Random, RegularizedEvolution
from retiarii.testing.records import completed, running
from retiarii.trial import Fidelity, TrialState

NUM_TRIALS = 1700  # several blocks


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "store.db"
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
    return path


def shuffled_trials():
    """Trials that ended in another order, one of them very late, and some that have not ended."""
    rng = random.Random(5)
    places = sorted(range(NUM_TRIALS), key=lambda number: 1600 if number == 3 else number + rng.random() * 20)
    trials = {}
    for place, number in enumerate(places):
        trial = completed(number, rng.random()).evolve(fidelity=Fidelity(epochs=number % 3 + 1), finish_order=place)
        trials[number] = running(number) if number % 100 == 50 else trial
    return [trials[number] for number in range(NUM_TRIALS)]


def test_a_log_of_many_blocks_is_read_in_both_orders(path):
    trials = shuffled_trials()
    with open_store(path) as store:
        store.write("first", trials=trials)
        log = store.load_log("first")
    proposals = [trial.proposal for trial in trials]
    told = sorted((trial for trial in trials if trial.finish_order is not None), key=lambda trial: trial.finish_order)
    assert (len(log.asked), len(log.told)) == (NUM_TRIALS, NUM_TRIALS - 17)
    assert log.asked == proposals == list(log.asked)
    assert log.told == told == list(log.told)
    assert log.pending == [trial for trial in trials if trial.state is TrialState.RUNNING]
    assert log.told[1500] == told[1500]
    assert log.told[-1] == told[-1]
    assert log.asked[-3:1000:-7] == proposals[-3:1000:-7]
    assert log.told != told[:-1]
    assert log.told != [*told[:-1], told[0]]
    with pytest.raises(IndexError):
        log.asked[NUM_TRIALS]


def test_a_log_is_read_by_several_readers_at_once(path):
    with open_store(path) as store:
        store.write("first", trials=shuffled_trials())
        log = store.load_log("first")
    for left, right in itertools.zip_longest(log.told, log.told[::-1][::-1]):
        assert left == right


def test_trials_that_ended_carry_their_reports(path):
    trials = shuffled_trials()
    with open_store(path) as store:
        reports = [
            Intermediate(number, step, {"default": number + step / 2, "loss": float("inf")})
            for number in range(0, NUM_TRIALS, 3)
            for step in range(number % 4)
        ]
        store.write("first", trials=trials)
        store.write("first", intermediates=reports)
        log = store.load_log("first", with_reports=True)
        expected = {trial.number: trial for trial in store.iter_trials("first")}
    assert sum(bool(trial.intermediates) for trial in log.told) > 400
    assert all(trial == expected[trial.number] for trial in log.told)


def test_a_log_takes_little_memory(path):
    values = [f"a rather long name of candidate {number}" for number in range(10)]
    space = SearchSpace([Categorical(f"cells.{place}.operation", values) for place in range(12)])
    with open_store(path) as store:
        for first in range(0, 20_000, 1000):
            rng = random.Random(first)
            numbers = range(first, first + 1000)
            store.write("first", trials=[completed(n).evolve(architecture=space.sample(rng)) for n in numbers])
        tracemalloc.start()
        try:
            log = store.load_log("first")
            after, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert sum(1 for _ in log.told) == 20_000
    assert after / 20_000 < 200  # bytes; a trial has 3,000
    assert peak / 20_000 < 400


@pytest.mark.parametrize("strategy", [Random(), RegularizedEvolution(population_size=8, sample_size=3)])
def test_a_search_goes_on_from_a_log_with_few_trials_in_memory(path, strategy):
    space = SearchSpace([Categorical(f"label{place}", list("abcdefgh")) for place in range(6)])
    search = strategy.search(space, seed=3)
    with open_store(path) as store:
        for _ in range(300):
            store.write("first", trials=[search.tell_metric(proposal, 0.5) for proposal in search.ask(2)])
        log = store.load_log("first")
    restored = strategy.search(space, seed=3)
    pending = []
    tell = restored.tell
    restored.tell = lambda trial: (pending.append(len(restored.pending)), tell(trial))
    restored.replay(log.asked, log.told)
    assert (restored.num_asked, restored.num_told) == (search.num_asked, search.num_told)
    assert max(pending) <= 2
    assert restored.ask(5) == search.ask(5)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("finish_order", "x"),
        ("finish_order", b""),
        ("told_before", 1.5),
        ("state", "interrupted"),
        ("state", 7),
        ("fidelity", '{"epochs":0}'),
        ("fidelity", "[]"),
        ("parent", "x"),
        ("violation", -1.0),
        ("violation", b"x"),
        ("reason", b"x"),
        ("metrics", "[]"),
        ("architecture", "{"),
    ],
)
def test_a_log_of_rows_that_make_no_sense_ends_in_a_deliberate_error(path, column, value):
    with open_store(path) as store:
        store.write("first", trials=[completed(number) for number in range(700)])
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute(f"UPDATE trials SET {column} = ? WHERE number = 5", [value])
        row = dict(connection.execute("SELECT * FROM trials WHERE number = 5").fetchone())
        connection.execute("UPDATE trials SET checksum = ? WHERE number = 5", [checksums("trials", row)["checksum"]])
        connection.commit()
    with open_store(path) as store, pytest.raises(CorruptStoreError, match="row of trial 5 is damaged"):
        list(store.load_log("first").told)
