"""`SimulatedExecutor`: conformance, the order of events against an oracle, and times that make no sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.errors import ConfigError, EvaluatorError, ExecutionError
from retiarii.evaluator import Evaluator, FunctionalEvaluator, Simulated, check_simulated
from retiarii.execution import (
    Limits,
    NasTask,
    SimulatedExecutor,
    TimedTask,
    TrialEnded,
    TrialJob,
    TrialJobs,
    TrialStarted,
    checked_end,
)
from retiarii.space import Architecture, Engine, Float, SearchSpace
from retiarii.testing.execution import ExecutorConformance, ending
from retiarii.trial import FailureKind, Fidelity, Objectives, Proposal, Reports, SimulatedClock, Trial, TrialState


class Timed(TimedTask):
    """A task of which every trial takes a minute."""

    def __init__(self, task):
        self.task = task

    def __call__(self, job, report):
        return self.task(job, report)

    def seconds(self, job):
        return 60.0


class TestSimulatedExecutor(ExecutorConformance):
    is_simulation = True
    make_executor = staticmethod(lambda task, **settings: SimulatedExecutor(Timed(task), **settings))


class Planned(TimedTask):
    """A task whose trials have given times: those of the reports, and of the end."""

    def __init__(self, plans):
        self.plans = plans

    def __call__(self, job, report):
        for step in range(len(self.plans[job.number]) - 1):
            report({"default": step})
        return {"default": 100.0}

    def seconds(self, job):
        return self.plans[job.number]


def job(number, **settings):
    return TrialJob(number, Architecture({"number": number}), seed=number, **settings)


def heard_from(executor, jobs, judge=lambda number, metrics: None):
    """Everything that happens as (time, trial, event), in order; trials are submitted as workers get free."""
    heard, waiting, free = [], list(jobs), executor.slots

    def on_report(number, metrics):
        heard.append((executor.clock.now(), number, metrics["default"]))
        return judge(number, metrics)

    while True:
        while waiting and free:
            executor.submit(waiting.pop(0))
            free -= 1
        events = executor.poll(None, on_report)
        if not events:
            return heard
        for event in events:
            is_end = isinstance(event, TrialEnded)
            heard.append((event.time, event.number, event.state.value if is_end else "started"))
            free += is_end


def oracle(plans, slots):
    """A naive simulation: the earliest events; at the same time, reports first, and then all ends together."""
    heard, waiting, coming, now, free = [], list(range(len(plans))), [], 0.0, slots
    while waiting or coming:
        while waiting and free:
            number = waiting.pop(0)
            free -= 1
            heard.append((now, number, "started"))
            *reports, end = plans[number]
            coming += [(now + time, False, number, step) for step, time in enumerate(reports)]
            coming.append((now + end, True, number, len(reports)))
        now, is_end, *_ = min(coming)
        due = [event for event in sorted(coming) if event[0] == now and event[1]] if is_end else [min(coming)]
        for event in due:
            coming.remove(event)
            free += is_end
            heard.append((now, event[2], "completed" if is_end else float(event[3])))
    return heard


def test_reports_and_ends_come_in_the_order_of_time():
    # Worker 1: trial 0, 0-10, reports at 4 and 8. Worker 2: trial 1, 0-3, then trial 2, 3-8, reports at 4.
    heard = heard_from(SimulatedExecutor(Planned([[4, 8, 10], [3], [1, 5]]), slots=2), map(job, range(3)))
    assert heard == [
        (0, 0, "started"),
        (0, 1, "started"),
        (3, 1, "completed"),
        (3, 2, "started"),
        (4, 0, 0.0),
        (4, 2, 0.0),
        (8, 0, 1.0),
        (8, 2, "completed"),
        (10, 0, "completed"),
    ]


PLANS = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=4).map(sorted), min_size=1, max_size=12)


@given(PLANS, st.integers(1, 4))
def test_the_order_is_that_of_a_naive_simulation(plans, slots):
    executor = SimulatedExecutor(Planned(plans), slots=slots)
    assert heard_from(executor, map(job, range(len(plans)))) == oracle(plans, slots)


def cuts(whole):
    """The places between two steps of a search, each of which ends with ends and the starts that follow."""
    for place in range(1, len(whole) + 1):
        before, after = whole[place - 1], whole[place] if place < len(whole) else (None, None, None)
        is_inside = after[2] == "started" or (before[2] == "completed" and before[::2] == after[::2])
        if before[2] in ("started", "completed") and not is_inside:
            yield place


@given(PLANS, st.integers(1, 4), st.data())
def test_interrupted_trials_go_on_where_they_were(plans, slots, data):
    """Cut the events anywhere: another executor at that time, with the started trials, gives the rest."""
    whole = oracle(plans, slots)
    cut = data.draw(st.sampled_from([0, *cuts(whole)]))
    past, rest = whole[:cut], whole[cut:]
    started = {number: time for time, number, what in past if what == "started"}
    for _, number, what in past:
        if what == "completed":
            del started[number]
    reported = {number: sum(who == number and what != "started" for _, who, what in past) for number in started}
    interrupted = [job(number, started=started[number], num_reported=reported[number]) for number in sorted(started)]
    new = [job(number) for number in range(len(plans)) if number not in {who for _, who, _ in past}]
    executor = SimulatedExecutor(Planned(plans), slots=slots)
    executor.clock.advance_to(past[-1][0] if past else 0)
    heard = heard_from(executor, [*interrupted, *new])
    assert [event for event in heard if event[1] not in started or event[2] != "started"] == rest


def test_a_pruned_trial_frees_its_worker_at_the_report():
    executor = SimulatedExecutor(Planned([[2, 9], [3]]))
    jobs = [job(0, is_judged=True), job(1)]
    heard = heard_from(executor, jobs, lambda number, metrics: "bad")
    assert heard == [(0, 0, "started"), (2, 0, 0.0), (2, 0, "pruned"), (2, 1, "started"), (5, 1, "completed")]


def test_the_clock_waits_no_longer_than_asked():
    executor = SimulatedExecutor(Planned([[10]]))
    executor.submit(job(0))
    assert isinstance(executor.clock, SimulatedClock)
    assert [type(event) for event in executor.poll(4)] == [TrialStarted]
    assert executor.poll(4) == []
    assert executor.clock.now() == executor.clock.elapsed() == 4
    (ended,) = executor.poll(6)
    assert (ended.time, executor.clock.now()) == (10, 10)


def test_a_trial_is_cut_off_at_its_time_limit():
    executor = SimulatedExecutor(Planned([[2, 9], [5]]), limits=Limits(timeout_s=5))
    assert heard_from(executor, map(job, range(2))) == [
        (0, 0, "started"),
        (2, 0, 0.0),
        (5, 0, "failed"),
        (5, 1, "started"),
        (10, 1, "completed"),
    ]


def test_a_timed_out_trial_says_so():
    executor = SimulatedExecutor(Planned([[9]]), limits=Limits(timeout_s=5))
    executor.submit(job(0))
    ended = ending(executor.poll())
    assert ended.failure.kind is FailureKind.TIMED_OUT
    assert ended.failure.message == "The trial ran for more than 5 s of simulated time."


@pytest.mark.parametrize(
    "times", [[5, 4], [-1, 4], [1, float("inf")], [float("nan"), 1], [1], [1, 2, 3], -1.0, None, [], "10", 1e300]
)
def test_impossible_times_are_an_error_of_the_evaluator(times):
    class Wrong(Planned):
        def seconds(self, job):
            return times

    executor = SimulatedExecutor(Wrong([[1, 2]]))
    executor.submit(job(0))
    with pytest.raises(ExecutionError, match=r"The simulated times? of trial 0 (are|is)"):
        executor.poll()


def test_a_trial_that_fails_does_so_when_its_next_report_was_due():
    class Fails(Planned):
        def __call__(self, job, report):
            report({"default": 0.0})
            raise ValueError("burst")

    class Lost(Fails):
        def seconds(self, job):
            raise KeyError("no time")

    assert heard_from(SimulatedExecutor(Fails([[2, 5, 9]])), [job(0)])[-1] == (5, 0, "failed")
    assert heard_from(SimulatedExecutor(Lost([[2]])), [job(0)]) == [(0, 0, "started"), (0, 0, "failed")]


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(ExecutionError, match="does not say how long a trial takes"):
        SimulatedExecutor(lambda job, report: 1.0)
    with pytest.raises(ExecutionError, match="memory"):
        SimulatedExecutor(Planned([]), limits=Limits(memory_bytes=1))


SPACE = SearchSpace([Float("quality", 0, 1)])


class Bare(Engine):
    space = SPACE

    def build(self, architecture):
        return architecture


class Slow(Evaluator, Simulated):
    fidelities = ("epochs",)

    def evaluate(self, model, context):
        context.report(model["quality"] / 2)
        return model["quality"]

    def seconds(self, model, context):
        return 60 * (context.fidelity["epochs"] - context.parent_fidelity.get("epochs", 0))


def test_an_evaluator_says_how_long_its_trials_take():
    architecture = SPACE.architecture({"quality": 0.5})
    first = TrialJob(0, architecture, 0, fidelity=Fidelity(epochs=2))
    more = {"fidelity": Fidelity(epochs=6), "parent": 0, "parent_fidelity": Fidelity(epochs=2)}
    heard = heard_from(SimulatedExecutor(NasTask(Bare(), Slow())), [first, TrialJob(1, architecture, 0, **more)])
    assert [(time, what) for time, _, what in heard if what != "started"] == [
        (60, 0.25),
        (120, "completed"),
        (240, 0.25),
        (360, "completed"),
    ]
    assert TrialJob.from_json(TrialJob(1, architecture, 0, **more).to_json()).parent_fidelity == Fidelity(epochs=2)


def test_jobs_know_what_they_continue_also_after_a_resume():
    architecture = SPACE.default()
    trials = [Trial(0, architecture, fidelity=Fidelity(epochs=1))]
    trials += [Trial(n, architecture, fidelity=Fidelity(epochs=3**n), parent=n - 1) for n in (1, 2)]
    whole, later = TrialJobs(7), TrialJobs(7, [Proposal(architecture, trials[0].fidelity)])
    jobs = [whole.job(trial) for trial in trials]
    assert jobs[1:] == [later.job(trial) for trial in trials[1:]]
    assert [job.parent_fidelity.get("epochs") for job in jobs] == [None, 1, 3]
    assert [job.origin_seed for job in jobs] == [None, jobs[0].seed, jobs[0].seed]
    assert len({job.seed for job in jobs}) == 3
    assert TrialJob.from_json(jobs[2].to_json()) == jobs[2]


def test_the_metrics_of_an_ended_trial_are_usable_or_it_has_failed():
    aims, trial = Objectives.of({"acc": "maximize"}), Trial(0, SPACE.default())
    good = trial.evolve(state=TrialState.COMPLETED, metrics={"acc": 1.0})
    assert checked_end(good, aims) is good
    bad = checked_end(good.evolve(metrics={"loss": 1.0}), aims)
    assert (bad.state, bad.metrics, bad.failure.kind) == (TrialState.FAILED, None, FailureKind.BAD_METRIC)
    pruned = trial.evolve(state=TrialState.PRUNED, intermediates=Reports([{"acc": 1.0}, {"acc": 2.0}]))
    assert checked_end(pruned, aims).metrics == {"acc": 2.0}


def test_an_evaluator_that_does_not_know_its_time_is_named():
    check_simulated(Slow())
    with pytest.raises(ConfigError, match="Derive its class from"):
        check_simulated(FunctionalEvaluator(len))
    with pytest.raises(EvaluatorError, match="is not Simulated"):
        NasTask(Bare(), FunctionalEvaluator(len)).seconds(job(0))
