"""Executors, engines and stores of the user's own, correct ones and faulty ones."""

import json
import threading
import time
from functools import partial

import pytest
from forking_executor import ForkingExecutor

from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.cli import main
from retiarii.errors import ConfigError, ExecutionError
from retiarii.execution import Executor, InProcessExecutor, TrialEnded, TrialStarted
from retiarii.experiment import Callback
from retiarii.space import Categorical, Engine, SearchSpace
from retiarii.storage import ExperimentState, open_store
from retiarii.trial import Failure, FailureKind, TrialState

SPACE = SearchSpace([Categorical("x", tuple(range(12)))])


def measure(architecture, context):
    context.report(float(architecture["x"]))
    return float(architecture["x"])


def made(executor, storage, *, evaluate=measure, callbacks=(), **settings):
    experiment = RetiariiExperiment(SPACE, evaluate, strategy=strategy.GridSearch(shuffle=False), callbacks=callbacks)
    return experiment, RetiariiExeConfig(seed=0, progress=False, storage=storage, executor=executor, **settings)


def ran(executor, storage, **arguments):
    experiment, config = made(executor, storage, **arguments)
    experiment.run(config)
    return experiment


def metrics_of(experiment):
    return [trial.metric for trial in experiment.trials()]


EXPECTED = [float(x) for x in range(12)]


# -- well made ---------------------------------------------------------------------------------------------------------


class OwnTask(Executor):
    """An executor that knows what to do by itself; given as an instance."""

    def __init__(self):
        self._events = []
        self.closed = 0

    @property
    def slots(self):
        return 3

    def submit(self, job):
        self._events.append(TrialStarted(job.number, "elsewhere", 1, time.time()))
        metrics = {"default": float(job.architecture["x"])}
        self._events.append(TrialEnded(job.number, TrialState.COMPLETED, metrics, None, "", time.time()))

    def poll(self, timeout=None, on_report=None):
        events, self._events = self._events, []
        return events

    def cancel(self, number):
        pass

    def close(self):
        self.closed += 1


class Locked(OwnTask):
    """It cannot be pickled."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def kind_of(executor):
    """Return a name that is the same in every process that collects these tests."""
    return getattr(executor, "__name__", type(executor).__name__)


@pytest.mark.parametrize(
    "executor",
    [OwnTask(), Locked(), ForkingExecutor, partial(ForkingExecutor, slots=3), InProcessExecutor],
    ids=kind_of,
)
def test_an_executor_or_a_function_that_makes_one(tmp_path, executor):
    experiment = ran(executor, tmp_path / "store.db")
    assert metrics_of(experiment) == EXPECTED
    assert experiment.export_top_models() == [{"x": 11}]
    if isinstance(executor, Executor):
        assert executor.closed
        assert {trial.device for trial in experiment.trials()} == {"elsewhere"}


@pytest.mark.parametrize("executor", [OwnTask(), partial(ForkingExecutor, slots=3)], ids=kind_of)
def test_a_resume_takes_the_same_executor(tmp_path, executor):
    experiment = ran(executor, tmp_path / "store.db", max_trial_number=5)
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=12)
    assert metrics_of(resumed) == EXPECTED
    assert type(resumed.config.executor) is type(executor)


def on_the_command_line(*words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert not ended.value.code


def test_the_command_line_resumes_with_the_same_executor_and_exports(tmp_path, capsys):
    where = "--storage", tmp_path / "store.db"
    experiment = ran(OwnTask(), tmp_path / "store.db", max_trial_number=5)
    on_the_command_line("resume", experiment.id, *where, "--max-trial-number", 12)
    seen = RetiariiExperiment.view(experiment.id, storage=tmp_path / "store.db")
    assert metrics_of(seen) == EXPECTED
    assert {trial.device for trial in seen.trials()} == {"elsewhere"}
    capsys.readouterr()
    on_the_command_line("export", experiment.id, *where)
    assert json.loads(capsys.readouterr().out) == {"x": 11}


def test_the_command_line_resumes_with_the_same_engine_in_the_store_that_was_passed(tmp_path, capsys):
    with open_store(tmp_path / "store.db") as store:
        experiment = RetiariiExperiment(SPACE, lambda built: float(built), strategy=strategy.GridSearch(shuffle=False))
        experiment.run(RetiariiExeConfig("in_process", Doubles(), progress=False, storage=store, max_trial_number=5))
    on_the_command_line("resume", experiment.id, "--storage", tmp_path / "store.db", "--max-trial-number", 12)
    assert metrics_of(RetiariiExperiment.view(experiment.id, storage=tmp_path / "store.db")) == [
        2 * x for x in EXPECTED
    ]


def test_a_resume_with_another_executor(tmp_path):
    experiment = ran(ForkingExecutor, tmp_path / "store.db", max_trial_number=5)
    resumed = RetiariiExperiment.resume(
        experiment.id, storage=tmp_path / "store.db", max_trial_number=12, executor=OwnTask()
    )
    assert [trial.device for trial in resumed.trials()] == ["cpu"] * 5 + ["elsewhere"] * 7


def test_an_executor_that_cannot_be_stored_is_given_again_for_a_resume(tmp_path):
    experiment = ran(Locked(), tmp_path / "store.db", max_trial_number=5)
    resumed = RetiariiExperiment.resume(
        experiment.id,
        storage=tmp_path / "store.db",
        base_model=SPACE,
        evaluator=experiment.evaluator,
        strategy=experiment.strategy,
        executor=Locked(),
        max_trial_number=12,
    )
    assert metrics_of(resumed) == EXPECTED


class Doubles(Engine):
    """Builds a number of an architecture."""

    @property
    def space(self):
        return SPACE

    def build(self, architecture):
        return 2 * architecture["x"]


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_an_engine_of_the_users_own(tmp_path, platform):
    experiment = RetiariiExperiment(SPACE, lambda built: float(built), strategy=strategy.GridSearch(shuffle=False))
    config = RetiariiExeConfig(platform, Doubles(), progress=False, storage=tmp_path / "store.db", max_trial_number=5)
    experiment.run(config)
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=12)
    assert metrics_of(resumed) == [2 * x for x in EXPECTED]
    assert resumed.export_top_models() == [{"x": 11}]
    assert RetiariiExperiment.load(experiment.id, storage=tmp_path / "store.db").search_space == SPACE


def test_a_store_object_serves_several_experiments_at_once(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        pairs = [made(OwnTask(), store) for _ in range(3)]
        for experiment, config in pairs:
            experiment.start(config)
        for experiment, _ in pairs:
            assert experiment.wait()
        assert [metrics_of(experiment) for experiment, _ in pairs] == [EXPECTED] * 3
        again, config = pairs[0]
        again.run(config)
        assert metrics_of(again) == EXPECTED
        assert len(store.list_experiments()) == 4


def test_a_store_object_goes_through_every_door(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        experiment = ran(OwnTask(), store, max_trial_number=5)
        resumed = RetiariiExperiment.resume(experiment.id, storage=store, max_trial_number=12)
        assert metrics_of(resumed) == EXPECTED
        assert metrics_of(RetiariiExperiment.view(experiment.id, storage=store)) == EXPECTED
        loaded = RetiariiExperiment.load(experiment.id, storage=store)
        assert loaded.export_top_models() == [{"x": 11}]
    assert metrics_of(RetiariiExperiment.view(experiment.id, storage=tmp_path / "store.db")) == EXPECTED


# -- badly made --------------------------------------------------------------------------------------------------------


class Bad(OwnTask):
    """Does one thing wrong, after four trials that went well."""

    def __init__(self, task, wrong):
        super().__init__()
        self._wrong, self._count = wrong, 0

    def __repr__(self):
        return "Bad"

    def poll(self, timeout=None, on_report=None):
        events = super().poll()
        self._count += 1
        return events if self._count < 3 else self._wrong(events, on_report)


def completed(number, metrics):
    return TrialEnded(number, TrialState.COMPLETED, metrics, None, "", time.time())


def raises(events, on_report):
    raise OSError("the cluster is gone")


def reports_after_the_end(events, on_report):
    on_report(0, {"default": 1.0})
    return events


def hides_what_a_report_raised(events, on_report):
    try:
        on_report(0, {"default": 1.0})
    except ExecutionError:
        return events


WRONG = {
    "raises": (raises, r"Bad raised OSError in poll\(\): the cluster is gone"),
    "reports after the end": (reports_after_the_end, r"told a report of trial 0, which has ended already or was never"),
    "hides it": (hides_what_a_report_raised, "told a report of trial 0, which has ended already"),
    "an unknown number": (lambda events, _: [completed(99, {"default": 1.0})], "told the end of trial 99, which has"),
    "a number that is none": (lambda events, _: [completed("7", {"default": 1.0})], "told the end of trial '7'"),
    "an end told twice": (lambda events, _: [*events, events[-1]], "told the end of trial 8, which has ended already"),
    "a start of what has ended": (lambda events, _: [TrialStarted(0, "cpu", 1, 1.0)], "told the start of trial 0"),
    "no list": (lambda events, _: None, r"returned None from poll\(\), expected a list of events"),
    "no event": (lambda events, _: ["done"], "told the event 'done', expected a TrialStarted or a TrialEnded"),
    "no metrics": (lambda events, _: [completed(6, None)], "told the end of trial 6, completed with the metrics None"),
    "metrics of text": (lambda events, _: [completed(6, {"default": "good"})], "completed with the metrics .*'good'"),
    "no failure": (
        lambda events, _: [TrialEnded(6, TrialState.FAILED, None, None, "", 1.0)],
        "told the end of trial 6, failed with the failure None",
    ),
    "no end": (
        lambda events, _: [TrialEnded(6, TrialState.RUNNING, None, None, "", 1.0)],
        "told the end of trial 6 with the state .*RUNNING.*, expected completed, pruned or failed",
    ),
    "no time": (
        lambda events, _: [TrialEnded(6, TrialState.COMPLETED, {"default": 1.0}, None, "", None)],
        "told an event of trial 6 with the time None",
    ),
    "output that is no text": (
        lambda events, _: [TrialEnded(6, TrialState.COMPLETED, {"default": 1.0}, None, None, 1.0)],
        "told an event of trial 6 with the output None, expected a text",
    ),
    "a device that is no text": (
        lambda events, _: [TrialStarted(6, 0, 1, 1.0)],
        "told an event of trial 6 with the device 0, expected a text",
    ),
    "a report that is none": (lambda events, report: report(6, "good") or events, "told a report that is none"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_an_executor_that_breaks_the_rules_ends_the_search_with_the_rule(tmp_path, wrong, message):
    experiment, config = made(partial(Bad, wrong=wrong), tmp_path / "store.db")
    with pytest.raises(ExecutionError, match=message):
        experiment.run(config)
    assert experiment.state is ExperimentState.STOPPED
    completed = [trial for trial in experiment.trials() if trial.is_completed]
    assert len(completed) >= 6  # what was told before is stored
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", executor=OwnTask())
    assert metrics_of(resumed) == EXPECTED


class NoSlots(OwnTask):
    slots = 0


class NoClock(OwnTask):
    clock = time


class BrokenSlots(OwnTask):
    @property
    def slots(self):
        raise KeyError("queue")


class RefusesTrials(OwnTask):
    def submit(self, job):
        raise ValueError("no such queue")


class CannotClose(OwnTask):
    def close(self):
        raise ValueError("still in use")


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        (NoSlots(), "has 0 slots, expected a whole number, 1 or more"),
        (BrokenSlots(), "raised KeyError in slots: 'queue'"),
        (NoClock(), "has the clock <module 'time'.*expected an instance of retiarii.trial.Clock"),
        (RefusesTrials(), r"raised ValueError in submit\(\), of trial 0: no such queue"),
        (CannotClose(), r"raised ValueError in close\(\): still in use"),
    ],
)
def test_an_executor_that_is_unusable(tmp_path, executor, message):
    experiment, config = made(executor, tmp_path / "store.db")
    with pytest.raises(ExecutionError, match=message):
        experiment.run(config)
    assert experiment.state is ExperimentState.STOPPED
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", executor=OwnTask())
    assert metrics_of(resumed) == EXPECTED


@pytest.mark.parametrize("nonsense", [lambda task: None, lambda task: OwnTask, lambda task: "local"])
def test_a_function_that_makes_no_executor(tmp_path, nonsense):
    experiment, config = made(nonsense, tmp_path / "store.db")
    with pytest.raises(ConfigError, match=r"config.executor returned .*, expected an instance of .*Executor"):
        experiment.run(config)
    assert experiment.state is ExperimentState.STOPPED
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", executor=OwnTask())
    assert metrics_of(resumed) == EXPECTED


class Judges(Callback):
    def __init__(self, method):
        setattr(self, method, self._fail)

    def _fail(self, *arguments):
        if getattr(arguments[0], "number", -1) == 4:
            raise LookupError("in the callback")


class Prunes(Callback):
    def should_prune(self, trial):
        if trial.number == 4:
            raise LookupError("in the callback")


@pytest.mark.parametrize("method", ["on_trial_start", "on_intermediate", "on_trial_end", "should_prune"])
@pytest.mark.parametrize("executor", [None, partial(ForkingExecutor, slots=3)], ids=["local", "forking"])
def test_a_callback_that_raises_ends_the_search_with_its_own_error(tmp_path, method, executor):
    callback = Prunes() if method == "should_prune" else Judges(method)
    experiment, config = made(executor, tmp_path / "store.db", callbacks=[callback])
    with pytest.raises(LookupError, match="in the callback"):
        experiment.run(config)
    assert experiment.state is ExperimentState.STOPPED
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", executor=OwnTask())
    assert metrics_of(resumed) == EXPECTED


def test_a_trial_that_an_executor_prunes_before_it_reported_anything(tmp_path):
    class Prunes(OwnTask):
        def submit(self, job):
            self._events.append(TrialEnded(job.number, TrialState.PRUNED, None, None, "", time.time(), "too large"))

    trials = ran(Prunes(), tmp_path / "store.db", max_trial_number=3).trials()
    assert {(trial.state, trial.metrics, trial.reason) for trial in trials} == {(TrialState.PRUNED, None, "too large")}


def test_a_failure_that_an_executor_tells_is_a_failed_trial(tmp_path):
    class Fails(OwnTask):
        def submit(self, job):
            failure = Failure(FailureKind.VANISHED, "the node is gone")
            self._events.append(TrialEnded(job.number, TrialState.FAILED, None, failure, "", time.time()))

    experiment, config = made(Fails(), tmp_path / "store.db", max_trial_number=3)
    with pytest.raises(Exception, match="the node is gone"):
        experiment.run(config)
    assert [trial.failure.message for trial in experiment.trials()] == ["the node is gone"] * 3
