"""Methods that a store overrides for speed return the same as the defaults of `Store`."""

import math
import random
from dataclasses import replace

import pytest

from retiarii.errors import ConfigError, CorruptStoreError, NotFoundError
from retiarii.storage import ExperimentRecord, Store, open_store
from retiarii.storage._finding import chosen
from retiarii.testing.records import DRAWING, completed, failed, running
from retiarii.trial import Direction, Failure, FailureKind, Objectives, TrialState


def some_trials(rng, count):
    failures = [Failure(FailureKind.RAISED, f"bug {number}", "traceback") for number in range(4)]
    for number in range(count):
        reports = tuple({"default": rng.random()} for _ in range(rng.randrange(3)))
        trial = rng.choice(
            [
                running(number),
                failed(number, rng.choice(failures), output="said"),
                completed(number, rng.choice([0.25, 0.5, math.inf, rng.random()])),
                completed(number, rng.random()).evolve(violation=rng.choice([0.5, math.inf, rng.random()])),
                running(number).evolve(state=TrialState.PRUNED, reason="slow"),
            ]
        )
        ended = None if trial.state is TrialState.RUNNING else rng.choice([None, rng.randrange(count)])
        yield trial.evolve(intermediates=reports, finish_order=ended)


@pytest.fixture(params=range(3))
def store(tmp_path, request):
    with open_store(tmp_path / "store.db") as store:
        store.create_experiment(ExperimentRecord("first", objectives=Objectives.of("minimize")))
        store.write("first", trials=list(some_trials(random.Random(request.param), 700)))
        yield store


def test_queries_are_what_the_interface_makes_of_trials(store):
    assert store.count_trials("first") == Store.count_trials(store, "first")
    assert store.failure_reasons("first") == Store.failure_reasons(store, "first")
    for k in (0, 1, 10, 10**6):
        for direction in (None, *Direction):
            assert store.best_trials("first", k, direction) == Store.best_trials(store, "first", k, direction)
    for after, limit in [(-1, None), (100, 7), (500, 600), (10, 0)]:
        states = {TrialState.PRUNED, TrialState.RUNNING}
        page = store.list_trials("first", states=states, after=after, limit=limit)
        assert page == Store.list_trials(store, "first", states=states, after=after, limit=limit)
    for ended_from in (None, 0, 300, 10**6):
        fast = store.light_trials("first", ended_from=ended_from)
        assert list(fast) == list(Store.light_trials(store, "first", ended_from=ended_from))
    for with_reports in (False, True):
        fast = store.load_log("first", with_reports=with_reports)
        plain = Store.load_log(store, "first", with_reports=with_reports)
        assert (fast.asked, fast.told, fast.pending) == (plain.asked, plain.told, plain.pending)


def test_requests_and_names_are_what_the_interface_makes_of_records(store):
    for number in range(4):
        store.create_experiment(ExperimentRecord(f"abc{number}", name=f"run {number // 2}", created=number))
    store.create_experiment(ExperimentRecord("abc", name="abc1", created=9))
    for text in ("first", "fir", "abc", "abc1", "run 1", "ab", "", "zzz"):
        outcomes = []
        for find in (store.find_experiment, lambda text: Store.find_experiment(store, text)):
            try:
                outcomes.append(find(text))
            except NotFoundError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]
    store.request_stop("first")
    assert store.stop_requested("first")
    assert Store.stop_requested(store, "first")
    assert Store.trial_files(store, "first").root == store.trial_files("first").root


def test_a_damaged_experiment_is_found_by_its_id_and_hides_no_other():
    sound, damaged = ExperimentRecord("abc1"), CorruptStoreError("damaged", experiment_id="abc")
    found = [damaged, sound, CorruptStoreError("nobody's")]
    assert chosen("abc1", found, "nowhere") == chosen("ab", found, "nowhere") == sound
    with pytest.raises(CorruptStoreError, match="damaged"):
        chosen("abc", found, "nowhere")
    with pytest.raises(CorruptStoreError, match="damaged"):
        chosen("ab", [damaged, replace(sound, id="other")], "nowhere")
    with pytest.raises(NotFoundError, match="no experiment ''"):
        chosen("", found, "nowhere")


def test_a_store_without_a_place_for_drawings_keeps_them_in_files(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        store.create_experiment(ExperimentRecord("first"))
        assert Store.read_drawing(store, "first") is None
        with pytest.raises(ConfigError, match="drawing of an experiment"):
            Store.write_drawing(store, "first", {"nodes": {1, 2}})
        Store.write_drawing(store, "first", DRAWING)
        assert Store.read_drawing(store, "first") == DRAWING
        [path] = store.directory("first").iterdir()
        for text in ("[]", "{"):
            path.write_text(text)
            with pytest.raises(CorruptStoreError, match=r"drawing.json' is damaged"):
                Store.read_drawing(store, "first")
