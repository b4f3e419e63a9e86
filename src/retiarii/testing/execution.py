"""Conformance tests of executors: subclass one of these classes and define how your executor is made.

::

    class TestMyExecutor(IsolatedExecutorConformance):
        make_executor = MyExecutor  # called as MyExecutor(task, slots=2, limits=Limits(...))

`ExecutorConformance` is for every executor; `IsolatedExecutorConformance` adds the promises of executors that run each
trial in a process of its own. Most tests look at trials that one executor ran side by side, because a trial that fails
must not disturb the others.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from retiarii.errors import ExecutionError
from retiarii.execution import Executor, Report, TrialEnded, TrialJob, TrialStarted
from retiarii.testing._acts import ACTS, ISOLATED_ACTS, VALUES, job_for, perform
from retiarii.testing._early_stopping import EarlyStoppingConformance, MakeExecutor
from retiarii.testing._extra import pytest
from retiarii.testing._watching import (
    LIMITS,
    PATIENCE_S,
    Heard,
    Reported,
    ending,
    eventually,
    failure_of,
    is_running,
    listen,
    pids_in,
    reports,
    watch,
)
from retiarii.trial import FailureKind, Fidelity, Metrics, TrialState

__all__ = [
    "LIMITS",
    "PATIENCE_S",
    "ExecutorConformance",
    "Heard",
    "IsolatedExecutorConformance",
    "Reported",
    "ending",
    "eventually",
    "failure_of",
    "is_running",
    "listen",
    "pids_in",
    "reports",
    "watch",
]

Played: TypeAlias = "dict[str, list[Heard]]"


def _play(executor: Executor, acts: Iterable[str]) -> Played:
    """Run trials side by side; return the reports and events of each act."""
    numbers = {act: number for number, act in enumerate(acts)}
    for act, number in numbers.items():
        executor.submit(job_for(act, number, **(VALUES if act == "check_architecture" else {})))
    heard = watch(executor, numbers.values())
    return {act: [event for event in heard if event.number == number] for act, number in numbers.items()}


class ExecutorConformance(EarlyStoppingConformance):
    """Conformance tests of every executor."""

    acts = tuple(ACTS)

    make_executor: ClassVar[MakeExecutor]

    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Iterator[Executor]:
        """An executor that several tests use."""
        with cls.make_executor(perform) as executor:
            yield executor

    @pytest.fixture(scope="class")
    @classmethod
    def played(cls, stage: Executor) -> Played:
        """The events of all acts."""
        return _play(stage, cls.acts)

    def test_the_result_is_what_the_task_returned(self, played: Played) -> None:
        """Metrics arrive as they were returned."""
        number = self.acts.index("succeed")
        ended = ending(played["succeed"])
        assert (ended.state, ended.failure) == (TrialState.COMPLETED, None)
        assert ended.metrics == {"default": 1000.0 + number, "half": 0.5}

    def test_events_come_in_order(self, played: Played) -> None:
        """A start, the reports in their order, an end."""
        kinds = [type(event) for event in played["succeed"]]
        assert kinds == [TrialStarted, Reported, Reported, Reported, TrialEnded]
        assert [metrics["default"] for metrics in reports(played["succeed"])] == [0.0, 1.0, 2.0]

    def test_times_are_plausible(self, stage: Executor, played: Played) -> None:
        """Times are Unix times, or those of the simulated clock, and a trial ends after its start."""
        (started,) = [event for event in played["succeed"] if isinstance(event, TrialStarted)]
        ended = ending(played["succeed"])
        now = stage.clock.now()
        assert (0 if self.is_simulation else now - 3600) <= started.time <= ended.time <= now

    def test_the_architecture_arrives_with_its_types(self, played: Played) -> None:
        """A tuple stays a tuple, and 1, 1.0 and True stay different."""
        assert ending(played["check_architecture"]).failure is None

    def test_the_seed_arrives(self, played: Played) -> None:
        """The task gets the seed of its trial."""
        expected = random.Random(1000 + self.acts.index("draw")).random()
        assert ending(played["draw"]).metrics == {"default": expected}

    def test_fidelity_and_parent_arrive(self, stage: Executor, played: Played) -> None:
        """The task gets the fidelity and the parent of its trial."""
        job = replace(job_for("tell_job", 40, is_judged=True), fidelity=Fidelity(epochs=9, share=0.5), parent=3)
        stage.submit(job)
        stage.submit(job_for("tell_job", 41))
        heard = watch(stage, [40, 41])
        assert ending(heard, 40).metrics == {"parent": 3.0, "judged": 1.0, "epochs": 9.0, "share": 0.5}
        assert ending(heard, 41).metrics == {"parent": -1.0, "judged": 0.0}

    def test_metrics_may_be_nan(self, played: Played) -> None:
        """An executor accepts NaN: which metrics must be finite depends on the objectives, and is checked elsewhere."""
        (reported,) = reports(played["report_nan"])
        assert math.isnan(reported["default"])
        assert ending(played["report_nan"]).state is TrialState.COMPLETED
        metrics = ending(played["not_a_number"]).metrics
        assert metrics is not None
        assert math.isnan(metrics["default"])

    def test_an_exception_is_a_failure_with_its_traceback(self, played: Played) -> None:
        """The traceback shows the line of the task."""
        failure = failure_of(played["fail"])
        assert failure.kind is FailureKind.RAISED
        assert failure.message == "ValueError: the act went wrong"
        assert failure.traceback is not None
        assert "_acts.py" in failure.traceback
        assert "in fail" in failure.traceback

    def test_leaving_the_program_is_a_failure(self, played: Played) -> None:
        """``sys.exit`` in a trial ends only that trial, as a failure."""
        assert failure_of(played["leave"]).message == "SystemExit: 4"

    def test_long_messages_are_cut_and_can_be_stored(self, played: Played) -> None:
        """The beginning and the end are kept; characters that a database refuses are replaced."""
        failure = failure_of(played["fail_at_length"])
        assert failure.traceback is not None
        assert len(failure.message) < 10_000
        assert len(failure.traceback) < 100_000
        assert failure.message.startswith("ValueError: start")
        assert failure.message.endswith("end")
        assert "\0" not in (failure.message + failure.traceback).encode().decode()

    @pytest.mark.parametrize("act", ["nothing", "huge_number", "no_number", "too_much"])
    def test_a_result_that_is_no_number_is_a_bad_metric(self, played: Played, act: str) -> None:
        """None, integers too large for a float, objects that raise when converted, and long results are refused."""
        assert failure_of(played[act]).kind is FailureKind.BAD_METRIC

    def test_a_model_that_does_not_build_is_told_apart(self, played: Played) -> None:
        """A FreezeError has its own kind of failure: it is about the architecture, not about the training."""
        assert failure_of(played["invalid_model"]).kind is FailureKind.INVALID_MODEL

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
    @pytest.mark.parametrize(("act", "code"), [("fork_and_return", 0), ("fork_and_leave", 5), ("fork_and_fail", 1)])
    def test_a_forked_child_does_not_end_its_trial(self, played: Played, act: str, code: int) -> None:
        """A child of ``os.fork()`` that returns, exits or raises has its own exit code, and the trial continues."""
        assert [type(event) for event in played[act]] == [TrialStarted, TrialEnded]
        assert ending(played[act]).metrics == {"default": float(code)}

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
    def test_a_report_of_a_fork_is_an_error_there(self, played: Played) -> None:
        """Only the trial's own process can report; a forked child gets an error."""
        assert reports(played["fork_and_report"]) == [{"default": 1.0}]
        assert ending(played["fork_and_report"]).metrics == {"default": 7.0}

    def test_polling_without_trials_returns_at_once(self, stage: Executor, played: Played) -> None:
        """Without trials, ``poll`` does not wait."""
        assert stage.poll(None) == []

    def test_two_running_trials_may_not_have_the_same_number(self, stage: Executor, played: Played) -> None:
        """Otherwise nobody could tell whose events they are."""
        stage.submit(job_for("succeed", 50))
        with pytest.raises(ExecutionError, match="50"):
            stage.submit(job_for("succeed", 50))
        assert ending(watch(stage, [50]), 50).state is TrialState.COMPLETED

    def test_a_waiting_trial_can_be_cancelled(self, stage: Executor, played: Played) -> None:
        """The trial ends without having started; the others continue."""
        for number in range(60, 61 + stage.slots):
            stage.submit(job_for("succeed", number))
        stage.cancel(number)
        events = watch(stage, range(60, 61 + stage.slots))
        assert failure_of(events, number).kind is FailureKind.CANCELLED
        assert ending(events, 60).state is TrialState.COMPLETED

    def test_cancelling_a_trial_that_has_ended_does_nothing(self, stage: Executor, played: Played) -> None:
        """A cancellation may come too late."""
        stage.cancel(0)
        assert stage.poll(0) == []

    def test_closing_twice_is_fine_and_then_nothing_is_accepted(self) -> None:
        """A closed executor can be closed again, and accepts no trials."""
        executor = self.make_executor(perform)
        executor.submit(job_for("succeed"))
        executor.close()
        executor.close()
        with pytest.raises(ExecutionError, match="closed"):
            executor.submit(job_for("succeed", 1))
        with pytest.raises(ExecutionError, match="closed"):
            executor.poll(0)


class IsolatedExecutorConformance(ExecutorConformance):
    """Conformance tests of executors that run each trial in a process of its own.

    ``make_executor`` is called with ``slots=2`` and ``limits``.
    """

    acts = (*ACTS, *(act for act in ISOLATED_ACTS if act not in ("litter_and_hang", "wait_for_file")))

    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Iterator[Executor]:
        """An executor that several tests use."""
        with cls.make_executor(perform, slots=2, limits=LIMITS) as executor:
            yield executor

    def test_a_process_that_exits_is_a_failure_with_its_code(self, played: Played) -> None:
        """The failure has the exit code, even after ``os._exit``."""
        failure = failure_of(played["vanish"])
        assert failure.kind is FailureKind.VANISHED
        assert "code 3" in failure.message
        assert "some last words" in ending(played["vanish"]).output

    def test_an_interrupt_in_a_trial_fails_only_that_trial(self, played: Played) -> None:
        """A KeyboardInterrupt that the task raises does not stop the search."""
        assert failure_of(played["interrupt"]).kind is FailureKind.RAISED

    @pytest.mark.parametrize(("act", "signal"), [("kill", "SIGKILL"), ("crash", "SIGSEGV")])
    def test_a_killed_process_is_a_failure_with_its_signal(self, played: Played, act: str, signal: str) -> None:
        """The signal is named."""
        failure = failure_of(played[act])
        assert failure.kind is FailureKind.VANISHED
        assert signal in failure.message

    def test_a_crash_tells_where(self, played: Played) -> None:
        """A crash in native code leaves the Python stack in the output."""
        assert "in crash" in ending(played["crash"]).output

    def test_a_trial_that_hangs_is_stopped_and_tells_where(self, played: Played) -> None:
        """The stack at the time limit is the traceback."""
        failure = failure_of(played["hang"])
        assert failure.kind is FailureKind.TIMED_OUT
        assert "5 s" in failure.message
        assert failure.traceback is not None
        assert "in hang" in failure.traceback

    def test_of_a_large_output_the_end_is_kept(self, played: Played) -> None:
        """A trial may print without limit; memory and disk stay small."""
        ended = ending(played["print_100_mb"])
        assert ended.state is TrialState.COMPLETED
        assert ended.output.endswith("the last line\n")
        assert len(ended.output) < 1 << 18

    @pytest.mark.parametrize("act", ["allocate", "grow", "grow_below"])
    def test_too_much_memory_is_a_kind_of_failure(self, played: Played, act: str) -> None:
        """The memory may be allocated at once, bit by bit, or in a child process."""
        failure = failure_of(played[act])
        assert failure.kind is FailureKind.OUT_OF_MEMORY
        assert "200 MiB" in failure.message

    def test_writing_into_descriptors_of_others_fails_that_trial_alone(self, played: Played) -> None:
        """A trial cannot disturb the events of other trials or of the executor."""
        assert failure_of(played["write_everywhere"]).kind in (FailureKind.VANISHED, FailureKind.RAISED)

    def test_closing_descriptors_of_others_is_survived_or_fails_that_trial_alone(self, played: Played) -> None:
        """A trial's events never go into its own files."""
        ended = ending(played["close_everything"])
        if ended.state is TrialState.COMPLETED:
            assert ended.metrics == {"default": 0.0}
            assert reports(played["close_everything"]) == [{"default": 1.0}]
        else:
            assert failure_of(played["close_everything"]).kind is FailureKind.VANISHED

    def test_standard_input_is_empty(self, played: Played) -> None:
        """A trial cannot read what the user types."""
        assert ending(played["read_input"]).metrics == {"default": 0.0}

    def test_what_a_trial_leaves_behind_is_killed(self, played: Played) -> None:
        """Processes that a trial started are killed, also in a session of their own or without a living parent."""
        pids = pids_in(played["litter"])
        assert len(pids) == 4
        assert eventually(lambda: not any(is_running(pid) for pid in pids))

    def test_every_trial_has_a_process_of_its_own(self, played: Played) -> None:
        """All trials have different processes, and none is left at the end."""
        pids = [event.pid for events in played.values() for event in events if isinstance(event, TrialStarted)]
        assert len(set(pids)) == len(self.acts)
        assert not any(is_running(pid) for pid in pids)

    def test_intermediate_results_arrive_while_the_trial_runs(
        self, stage: Executor, played: Played, tmp_path: Path
    ) -> None:
        """A report is told before the trial ends."""
        heard: list[Heard] = []
        stage.submit(job_for("wait_for_file", 70, path=str(tmp_path / "go")))
        while not reports(heard):
            heard += listen(stage, PATIENCE_S)
        assert not any(isinstance(event, TrialEnded) for event in heard)
        (tmp_path / "go").touch()
        assert ending(watch(stage, [70]), 70).metrics == {"default": 8.0}

    def test_a_running_trial_can_be_cancelled(self, stage: Executor, played: Played, tmp_path: Path) -> None:
        """When the trial has ended, its process has ended."""
        stage.submit(job_for("wait_for_file", 71, path=str(tmp_path / "never")))
        (pid,) = pids_in(stage.poll(PATIENCE_S))
        stage.cancel(71)
        assert failure_of(watch(stage, [71]), 71).kind is FailureKind.CANCELLED
        assert not is_running(pid)

    @pytest.mark.parametrize("is_raising", [False, True])
    def test_closing_leaves_no_process(self, is_raising: bool) -> None:
        """No process is left, whether the ``with`` block ends normally or by an exception."""
        pids: list[int] = []
        executor = self.make_executor(perform, slots=2)
        try:
            with executor:
                executor.submit(job_for("litter_and_hang"))
                while len(pids) < 4:
                    pids += pids_in(listen(executor, PATIENCE_S))
                assert all(is_running(pid) for pid in pids)
                if is_raising:
                    raise KeyError("in the block")
        except KeyError:
            pass
        assert eventually(lambda: not any(is_running(pid) for pid in pids))

    def test_a_task_that_does_not_load_is_an_error_with_its_traceback(self) -> None:
        """It is an error of the executor, not a failed trial: no trial can run."""
        with self.make_executor(DoesNotLoad(), slots=2) as executor:
            executor.submit(job_for("succeed"))
            with pytest.raises(ExecutionError, match="the data are gone") as raised:
                watch(executor, [0])
            assert "in fail_to_load" in str(raised.value)
            with pytest.raises(ExecutionError, match="the data are gone"):
                executor.submit(job_for("succeed", 1))


class DoesNotLoad:
    """A task whose unpickling raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        return fail_to_load, ()

    def __call__(self, job: TrialJob, report: Report) -> Metrics:
        """Never called, because unpickling fails."""
        raise NotImplementedError


def fail_to_load() -> DoesNotLoad:
    """Raise FileNotFoundError, as a data set does whose files are missing."""
    raise FileNotFoundError("the data are gone")
