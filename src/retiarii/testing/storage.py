"""`StorageConformance`: conformance tests of stores, as a test class to inherit from.

A store keeps the contract if this class passes::

    import pytest
    from retiarii.testing.storage import StorageConformance

    class TestMyStore(StorageConformance):
        @pytest.fixture
        def storage(self, tmp_path):
            return f"mystore://{tmp_path}/new"  # a fresh place for each test, where there is no store yet

The tests, and the processes that they start, open stores with `open_store`. So the package with the URL's scheme must
be installed, or its entry point must be found in another way (a folder ``NAME.dist-info`` on ``sys.path``).
"""

# ruff: noqa: D102 - a test's name and its assertions are its documentation
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from retiarii.errors import ConfigError, CorruptStoreError, DuplicateError, NotFoundError
from retiarii.storage import (
    EpochRecord,
    ExperimentProgress,
    ExperimentRecord,
    ExperimentState,
    FailureReason,
    Intermediate,
    LightTrial,
    Store,
    open_store,
)
from retiarii.testing._extra import pytest
from retiarii.testing._shared_store import SharedStoreConformance
from retiarii.testing.records import DRAWING, EPOCH, RECORD, completed, failed, running, zoo
from retiarii.trial import Direction, Failure, FailureKind, Fidelity, Objectives, TrialState


class StorageConformance(SharedStoreConformance):
    """The contract of `Store`. A subclass supplies the fixture ``storage``."""

    @pytest.fixture
    def storage(self) -> str | Path:
        """Return the URL of a new, empty store for `open_store`; a subclass must override it."""
        raise NotImplementedError(f"{type(self).__name__} must define a fixture `storage`")

    @pytest.fixture
    def store(self, storage: str | Path) -> Iterator[Store]:
        """The store under test, with the experiment ``"first"`` in it."""
        with open_store(storage) as store:
            store.create_experiment(ExperimentRecord("first"))
            yield store

    # Opening

    def test_a_store_that_is_not_there_is_made_only_on_request(self, storage: str | Path) -> None:
        with pytest.raises(NotFoundError, match="no store"):
            open_store(storage, create=False)
        open_store(storage).close()
        open_store(storage, create=False).close()

    def test_what_was_written_is_there_after_reopening(self, storage: str | Path, store: Store) -> None:
        store.write("first", trials=[completed(0)])
        store.close()
        with open_store(storage) as again:
            assert again.list_trials("first") == [completed(0)]

    def test_its_url_opens_it_again(self, store: Store) -> None:
        with open_store(store.url, create=False) as again:
            assert again.get_experiment("first") == store.get_experiment("first")

    # Experiments

    def test_an_experiment_comes_back_as_it_was(self, store: Store) -> None:
        store.create_experiment(RECORD)
        assert store.get_experiment(RECORD.id) == RECORD

    @pytest.mark.parametrize("odd", ["../first", "a/b", "", "nul\0", "lone \udcff", "first\n", "first/"])
    def test_what_cannot_be_an_id_is_not_found(self, store: Store, odd: str) -> None:
        with pytest.raises(NotFoundError):
            store.get_experiment(odd)

    def test_what_is_returned_is_a_copy(self, store: Store) -> None:
        store.create_experiment(RECORD)
        store.get_experiment(RECORD.id).config["budget"] = "changed"
        assert store.get_experiment(RECORD.id) == RECORD

    def test_an_id_is_taken_once(self, store: Store) -> None:
        with pytest.raises(DuplicateError, match="first"):
            store.create_experiment(ExperimentRecord("first", name="other"))
        assert store.get_experiment("first").name == ""

    @pytest.mark.parametrize("bad", ["", "../up", "a/b", ".hidden", "a b", "x" * 65, "ends\n"])
    def test_an_id_can_name_a_folder(self, store: Store, bad: str) -> None:
        with pytest.raises(ConfigError, match="id of an experiment"):
            store.create_experiment(ExperimentRecord(bad))

    @pytest.mark.parametrize("config", [{"when": object()}, {"limit": math.nan}])
    def test_a_configuration_is_json(self, store: Store, config: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match="config of an experiment"):
            store.create_experiment(ExperimentRecord("second", config=config))
        with pytest.raises(NotFoundError):
            store.get_experiment("second")

    def test_experiments_are_listed_oldest_first(self, store: Store) -> None:
        store.create_experiment(ExperimentRecord("newest", created=3e9))
        store.create_experiment(ExperimentRecord("oldest", created=1.0))
        assert [record.id for record in store.list_experiments()] == ["oldest", "first", "newest"]

    def test_an_experiment_is_found_by_its_name_or_the_beginning_of_its_id(self, store: Store) -> None:
        for number, name in enumerate(("abc1", "abc2", "abc", "a_c3")):
            store.create_experiment(ExperimentRecord(name, name=f"run {number // 2}", created=number))
        assert store.find_experiment("fi").id == "first"
        assert store.find_experiment("abc").id == "abc"  # exactly this one
        assert store.find_experiment("a_").id == "a_c3"  # no wildcard
        with pytest.raises(NotFoundError, match=r"3 experiments .* abc \('run 1', .*\), abc2 .*, abc1 \('run 0'"):
            store.find_experiment("ab")
        with pytest.raises(NotFoundError, match=r"2 experiments .* have the name 'run 1' .* a_c3 .*, abc \("):
            store.find_experiment("run 1")
        store.update_experiment("a_c3", name="only")
        assert store.find_experiment("only").id == "a_c3"
        store.update_experiment("abc1", name="abc2")
        assert store.find_experiment("abc2").id == "abc2"  # an id comes before a name
        with pytest.raises(ConfigError, match="The id of an experiment is None, expected a text"):
            store.find_experiment(None)  # type: ignore[arg-type]  # what a script with a mistake passes
        for nothing in ("zzz", "", "FI"):
            with pytest.raises(NotFoundError, match="no experiment"):
                store.find_experiment(nothing)

    def test_fields_change(self, store: Store) -> None:
        store.create_experiment(RECORD)
        store.update_experiment(RECORD.id, state=ExperimentState.FAILED, message="all trials failed", updated=9.0)
        expected = replace(RECORD, state=ExperimentState.FAILED, message="all trials failed", updated=9.0)
        assert store.get_experiment(RECORD.id) == expected

    def test_a_change_renews_the_time_of_update(self, store: Store) -> None:
        store.create_experiment(RECORD)
        store.update_experiment(RECORD.id, name="renamed")
        assert store.get_experiment(RECORD.id).updated > RECORD.updated

    def test_writing_renews_the_time_of_update(self, store: Store) -> None:
        store.create_experiment(RECORD)
        store.write(RECORD.id, trials=[running(0)])
        assert store.get_experiment(RECORD.id).updated > RECORD.updated

    def test_a_sound_store_has_no_damage(self, store: Store) -> None:
        store.write("first", trials=zoo())
        store.write_epoch("first", EPOCH)
        store.write_drawing("first", DRAWING)
        assert store.find_damage() == []
        store.check()

    def test_tags_change_and_stay_when_other_fields_do(self, store: Store) -> None:
        store.update_experiment("first", tags=["a", " größer ✓ ", "a"])
        with store.lock("first"):
            store.update_experiment("first", state=ExperimentState.STOPPED, config={"budget": 1})
            store.write("first", trials=[running(0)])
        assert store.get_experiment("first").tags == ("a", "größer ✓")
        store.update_experiment("first", tags=())
        assert store.get_experiment("first").tags == ()

    def test_tags_are_a_few_short_texts(self, store: Store) -> None:
        wrong: list[Any] = ["a", None, [1], [""], ["two\nlines"], ["x" * 65], [[]], list(map(str, range(33)))]
        for tags in wrong:
            with pytest.raises(ConfigError, match="tag"):
                store.update_experiment("first", tags=tags)
            with pytest.raises(ConfigError, match="tag"):
                store.create_experiment(ExperimentRecord("second", tags=tags))
        assert store.get_experiment("first").tags == ()

    @pytest.mark.parametrize("field", ["id", "stat"])
    def test_only_fields_change(self, store: Store, field: str) -> None:
        with pytest.raises(ConfigError, match=field):
            store.update_experiment("first", **{field: "x"})

    def test_a_deleted_experiment_leaves_nothing(self, store: Store) -> None:
        store.create_experiment(ExperimentRecord("second"))
        for experiment in ("first", "second"):
            store.write(experiment, trials=[replace(completed(0), intermediates=({"default": 1.0},))])
            store.write_epoch(experiment, EPOCH)
        folder = store.directory("first")
        (folder / "payload").write_text("x")
        store.delete_experiment("first")
        assert [record.id for record in store.list_experiments()] == ["second"]
        assert not folder.exists()
        assert store.count_trials("second")[TrialState.COMPLETED] == 1
        store.create_experiment(ExperimentRecord("first"))
        assert store.list_trials("first") == []
        assert store.list_epochs("first") == []

    def test_the_folder_of_an_experiment_is_its_own(self, store: Store) -> None:
        store.create_experiment(ExperimentRecord("second"))
        assert store.directory("first").is_dir()
        assert store.directory("first") == store.directory("first") != store.directory("second")

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("get_experiment", ()),
            ("find_experiment", ()),
            ("update_experiment", ()),
            ("delete_experiment", ()),
            ("iter_trials", ()),
            ("list_trials", ()),
            ("count_trials", ()),
            ("failure_reasons", ()),
            ("load_log", ()),
            ("light_trials", ()),
            ("progress", ()),
            ("request_stop", ()),
            ("stop_requested", ()),
            ("directory", ()),
            ("trial_files", ()),
            ("get_trial", (0,)),
            ("best_trials", (1,)),
            ("intermediates", (0,)),
        ],
    )
    def test_an_unknown_experiment_is_named(self, store: Store, method: str, arguments: tuple[Any, ...]) -> None:
        with pytest.raises(NotFoundError, match="'elsewhere'"):
            getattr(store, method)("elsewhere", *arguments)

    def test_an_unknown_experiment_is_neither_written_nor_locked(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="'elsewhere'"):
            store.write("elsewhere", trials=[completed(0)])
        with pytest.raises(NotFoundError, match="'elsewhere'"), store.lock("elsewhere"):
            pass

    # Trials

    @pytest.mark.parametrize("number", range(len(zoo())))
    def test_a_trial_comes_back_as_it_was(self, store: Store, number: int) -> None:
        trials = zoo()
        store.write("first", trials=trials)
        assert store.get_trial("first", number) == trials[number]

    def test_non_finite_metrics_come_back(self, store: Store) -> None:
        odd = {"default": 1.0, "nan": math.nan, "inf": math.inf, "-inf": -math.inf}
        store.write("first", trials=[replace(completed(0), metrics=odd, intermediates=({"default": math.nan},))])
        trial = store.get_trial("first", 0)
        assert repr(trial.metrics) == repr(dict(sorted(odd.items())))
        assert repr(trial.intermediates) == "({'default': nan},)"

    def test_what_databases_refuse_in_a_text_is_replaced(self, store: Store) -> None:
        failure = Failure(FailureKind.RAISED, "nul \0", "lone \udcff")
        store.write("first", trials=[failed(0, failure, output="é\0\udc80")])
        trial = store.get_trial("first", 0)
        assert (trial.failure, trial.output) == (Failure(FailureKind.RAISED, "nul \ufffd", "lone ?"), "é\ufffd?")

    def test_a_trial_is_replaced(self, store: Store) -> None:
        store.write("first", trials=[running(0), running(1)])
        store.write("first", trials=[completed(0)])
        assert store.list_trials("first") == [completed(0), running(1)]

    def test_a_missing_trial_is_named(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="no trial 7"):
            store.get_trial("first", 7)
        with pytest.raises(NotFoundError, match="no trial 7"):
            store.intermediates("first", 7)

    def test_a_write_happens_completely_or_not_at_all(self, store: Store) -> None:
        store.write("first", trials=[running(0)])
        with pytest.raises(NotFoundError, match="'first'.*trial.*intermediate result"):
            store.write(
                "first", trials=[completed(0), running(1)], intermediates=[Intermediate(5, 0, {"default": 1.0})]
            )
        assert store.list_trials("first") == [running(0)]

    def test_trials_are_listed_by_number_and_state(self, store: Store) -> None:
        store.write("first", trials=list(reversed(zoo())))
        assert store.list_trials("first") == zoo()
        unhappy = {TrialState.FAILED, TrialState.PRUNED}
        assert store.list_trials("first", states=unhappy) == [trial for trial in zoo() if trial.state in unhappy]

    def test_trials_are_listed_in_pages(self, store: Store) -> None:
        trials = [completed(number) if number % 3 else running(number) for number in range(1300)]
        store.write("first", trials=trials)
        for states in (None, {TrialState.RUNNING}, {TrialState.COMPLETED, TrialState.FAILED}):
            expected = [trial for trial in trials if states is None or trial.state in states]
            assert store.list_trials("first", states=states) == expected
            assert store.list_trials("first", states=states, limit=0) == []
            pages, after = [], -1
            while page := store.list_trials("first", states=states, after=after, limit=123):
                assert len(page) <= 123
                pages += page
                after = page[-1].number
            assert pages == expected
            later = [trial for trial in expected if trial.number > 50]
            assert store.list_trials("first", states=states, after=50, limit=600) == later[:600]

    def test_trials_come_as_rows_of_values(self, store: Store) -> None:
        store.write("first", trials=[trial.evolve(number=place) for place, trial in enumerate(reversed(zoo()))])
        trials = store.list_trials("first")
        assert [row for rows in store.light_trials("first") for row in rows] == [LightTrial.of(t) for t in trials]
        [rows] = store.light_trials("first", ended_from=3)
        wanted = [t.number for t in trials if t.finish_order is None or t.finish_order >= 3]
        assert [row.number for row in rows] == wanted
        assert 0 < len(wanted) < len(trials)

    def test_iteration_goes_on_while_trials_are_written(self, store: Store) -> None:
        store.write("first", trials=[completed(number) for number in range(1200)])
        seen = []
        for trial in store.iter_trials("first"):
            seen.append(trial.number)
            if trial.number % 100 == 0:
                store.write("first", trials=[running(2000)])
        assert seen == [*range(1200), 2000]

    def test_trials_are_counted_by_state(self, store: Store) -> None:
        assert store.count_trials("first") == dict.fromkeys(set(TrialState) - {TrialState.INTERRUPTED}, 0)
        store.write("first", trials=zoo())
        counts = {TrialState.RUNNING: 1, TrialState.COMPLETED: 2, TrialState.FAILED: 2, TrialState.PRUNED: 2}
        assert store.count_trials("first") == counts

    def test_the_best_trials_come_first(self, store: Store) -> None:
        metrics = [0.5, 0.9, 0.1, 0.9, math.inf]
        store.write("first", trials=[*(completed(i, metric) for i, metric in enumerate(metrics)), running(5)])
        assert [trial.number for trial in store.best_trials("first", 3)] == [1, 3, 0]
        assert [trial.number for trial in store.best_trials("first", 9, Direction.MINIMIZE)] == [2, 0, 1, 3]
        store.update_experiment("first", objectives=Objectives.of("minimize"))
        assert [trial.number for trial in store.best_trials("first", 1)] == [2]

    def test_the_best_trials_carry_what_they_reported(self, store: Store) -> None:
        metrics = {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.7, 4: 0.4, 5: 0.9, 6: 0.6, 7: 0.5, 8: 0.8, 9: 0.0}
        trials = [
            completed(i, metrics[i]).evolve(intermediates=({"default": i / 8}, {"default": 9.0})) for i in metrics
        ]
        store.write("first", trials=trials)
        ranked = Objectives.of("maximize").ranked(trials)
        for count in range(1, 11):
            assert store.best_trials("first", count) == ranked[:count]

    def test_trials_that_break_constraints_come_after_all_that_keep_them(self, store: Store) -> None:
        violations = {0: 0.5, 1: 0.0, 2: math.inf, 3: 0.25, 4: 0.0, 5: 0.25}
        metrics = {0: 0.9, 1: 0.1, 2: 0.99, 3: 0.5, 4: 0.2, 5: 0.6}
        trials = [completed(i, metrics[i]).evolve(violation=violations[i]) for i in violations]
        store.write("first", trials=trials)
        for count in range(8):
            expected = Objectives.of("maximize").ranked(trials)[:count]
            assert store.best_trials("first", count) == expected
        downwards = Objectives.of("minimize").ranked(trials)
        assert store.best_trials("first", 9, Direction.MINIMIZE) == downwards
        assert [trial.number for trial in downwards] == [1, 4, 3, 5, 0, 2]

    def test_trials_are_ranked_by_the_first_objective_of_their_experiment(self, store: Store) -> None:
        objectives = Objectives.of({"accuracy": "maximize", "params": "minimize"})
        store.create_experiment(ExperimentRecord("second", objectives=objectives))
        trials = [
            completed(number).evolve(metrics={"accuracy": accuracy, "params": 1.0}, objective="accuracy")
            for number, accuracy in enumerate([0.5, 0.75, 0.25])
        ]
        store.write("second", trials=trials)
        assert store.get_experiment("second").objectives == objectives
        assert store.best_trials("second", 2) == [trials[1], trials[0]]
        assert [trial.metric for trial in store.list_trials("second")] == [0.5, 0.75, 0.25]
        assert store.get_trial("second", 1).metric == 0.75
        assert {trial.objective for trial in store.load_log("second").told} == {"accuracy"}

    def test_the_metric_that_ranks_trials_cannot_change(self, store: Store) -> None:
        with pytest.raises(ConfigError, match="'default', which cannot change to 'accuracy'"):
            store.update_experiment("first", objectives=Objectives.of({"accuracy": "maximize"}))
        assert store.get_experiment("first").objectives == Objectives()

    def test_failures_are_grouped_the_most_frequent_first(self, store: Store) -> None:
        bug, hang = Failure(FailureKind.RAISED, "bug", "traceback"), Failure(FailureKind.TIMED_OUT, "60 s")
        store.write("first", trials=[failed(number, hang if number == 0 else bug) for number in range(4)])
        bugs, hangs = FailureReason(FailureKind.RAISED, "bug", 3, 1), FailureReason(FailureKind.TIMED_OUT, "60 s", 1, 0)
        assert store.failure_reasons("first") == [bugs, hangs]

    # Intermediate results

    def test_intermediate_results_come_back_in_order(self, store: Store) -> None:
        reports = [Intermediate(0, step, {"default": float(step)}, 10.0 + step) for step in range(3)]
        store.write("first", trials=[running(0), running(1)])
        store.write("first", intermediates=[reports[2], reports[0]])
        store.write("first", intermediates=[reports[1]])
        assert store.intermediates("first", 0) == tuple(reports)
        assert store.get_trial("first", 0).intermediates == tuple(report.metrics for report in reports)
        assert store.intermediates("first", 1) == ()

    def test_writing_a_trial_keeps_the_times_of_what_it_reported(self, store: Store) -> None:
        report = Intermediate(0, 0, {"default": 0.5}, 10.0)
        store.write("first", trials=[running(0)], intermediates=[report])
        done = replace(completed(0), intermediates=(report.metrics, {"default": 0.75}))
        store.write("first", trials=[done])
        assert store.get_trial("first", 0) == done
        assert store.intermediates("first", 0)[0] == report

    def test_a_trial_that_starts_again_forgets_what_it_reported(self, store: Store) -> None:
        store.write("first", trials=[running(0)], intermediates=[Intermediate(0, 0, {"default": 0.5})])
        store.write("first", trials=[running(0)])
        assert store.intermediates("first", 0) == ()

    # The log

    def test_the_log_tells_who_was_asked_and_told(self, store: Store) -> None:
        ends = {3: 0, 0: 1, 2: 2}
        trials = [
            replace(completed(n), finish_order=ends[n], output="long", intermediates=({"default": 0.0},))
            if n in ends
            else running(n)
            for n in range(5)
        ]
        store.write("first", trials=trials)
        log = store.load_log("first")
        assert log.asked == [trial.proposal for trial in trials]
        light = [replace(trial, output="", intermediates=()) for trial in trials]
        assert log.told == [light[3], light[0], light[2]]
        assert log.pending == [light[1], light[4]]

    def test_the_log_can_tell_what_ended_trials_reported(self, store: Store) -> None:
        reports = ({"default": 0.25}, {"default": math.inf, "loss": 1.0})
        ended = [completed(0), completed(1), completed(2)]
        trials = [ended[0].evolve(intermediates=reports), ended[1], ended[2].evolve(intermediates=reports[:1])]
        store.write("first", trials=[*trials, running(3).evolve(intermediates=reports)])
        store.create_experiment(ExperimentRecord("second"))
        store.write("second", trials=[completed(1).evolve(intermediates=reports)])
        assert store.load_log("first", with_reports=True).told == trials
        assert store.load_log("first").told == ended

    def test_the_log_tells_fidelities_and_parents(self, store: Store) -> None:
        first = completed(0).evolve(fidelity=Fidelity(epochs=1))
        pruned = running(1).evolve(
            state=TrialState.PRUNED,
            metrics={"default": 0.1},
            finish_order=1,
            fidelity=Fidelity(epochs=9),
            reason="slow",
        )
        promoted = running(2).evolve(fidelity=Fidelity(epochs=3, share=0.5), parent=0)
        store.write("first", trials=[first, pruned, promoted])
        log = store.load_log("first")
        assert log.asked == [first.proposal, pruned.proposal, promoted.proposal]
        assert (log.told, log.pending) == ([first, pruned], [promoted])

    def test_the_log_of_a_new_experiment_is_empty(self, store: Store) -> None:
        log = store.load_log("first")
        assert (log.asked, log.told, log.pending) == ([], [], [])

    def test_a_log_with_a_gap_is_refused(self, store: Store) -> None:
        store.write("first", trials=[completed(0), completed(2)])
        with pytest.raises(CorruptStoreError, match=r"Trial 1 .* missing"):
            store.load_log("first")

    # One-shot searches

    def test_epochs_come_back_in_order_and_the_last_of_a_number_counts(self, store: Store) -> None:
        assert store.list_epochs("first") == []
        record: dict[str, Any] = {"probabilities": {"op": {'"conv"': 0.25}}, "sampled": [], "temperature": None}
        epochs = [EpochRecord(number, record, {"default": 0.5 + number, "loss": 0.1}, 7.5) for number in range(3)]
        for epoch in [epochs[1], epochs[0], epochs[2], replace(epochs[1], metrics={"default": math.inf})]:
            store.write_epoch("first", epoch)
        assert store.list_epochs("first") == [epochs[0], replace(epochs[1], metrics={"default": math.inf}), epochs[2]]
        assert store.list_epochs("first", after=1) == [epochs[2]]
        store.create_experiment(ExperimentRecord("second"))
        assert store.list_epochs("second") == []

    def test_progress_says_how_far_an_experiment_is(self, store: Store) -> None:
        updated = store.get_experiment("first").updated
        assert store.progress("first") == ExperimentProgress(ExperimentState.RUNNING, updated, False, -1, {}, -1)
        reported = running(1).evolve(intermediates=({"default": 0.1}, {"default": 0.2}))
        store.write("first", trials=[completed(0), reported, running(2)])
        store.write_epoch("first", replace(EPOCH, number=4))
        store.update_experiment("first", state=ExperimentState.STOPPED)
        store.request_stop("first")
        later = store.progress("first")
        assert (later.state, later.stop_requested) == (ExperimentState.STOPPED, True)
        assert (later.last_trial, later.reports, later.last_epoch) == (2, {1: 2, 2: 0}, 4)
        assert later.updated == store.get_experiment("first").updated

    def test_update_times_are_those_of_the_records(self, store: Store) -> None:
        store.create_experiment(RECORD)
        assert store.update_times() == {record.id: record.updated for record in store.list_experiments()}

    def test_an_epoch_is_plain_data_of_an_experiment(self, store: Store) -> None:
        with pytest.raises(ConfigError, match="record of an epoch"):
            store.write_epoch("first", EpochRecord(0, {"op": {1, 2}}))
        for use in (lambda: store.list_epochs("absent"), lambda: store.write_epoch("absent", EpochRecord(0))):
            with pytest.raises(NotFoundError, match="absent"):
                use()

    # Drawings

    def test_a_drawing_is_replaced_and_goes_with_its_experiment(self, store: Store) -> None:
        assert store.read_drawing("first") is None
        store.write_drawing("first", {"nodes": []})
        store.write_drawing("first", DRAWING)
        assert store.read_drawing("first") == DRAWING
        store.create_experiment(ExperimentRecord("second"))
        assert store.read_drawing("second") is None
        store.delete_experiment("first")
        store.create_experiment(ExperimentRecord("first"))
        assert store.read_drawing("first") is None

    def test_a_drawing_is_plain_data_of_an_experiment(self, store: Store) -> None:
        with pytest.raises(ConfigError, match="drawing of an experiment"):
            store.write_drawing("first", {"nodes": {1, 2}})
        with pytest.raises(NotFoundError, match="absent"):
            store.read_drawing("absent")
        with pytest.raises(NotFoundError, match="absent"):
            store.write_drawing("absent", {})
