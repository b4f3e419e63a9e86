"""Conformance tests of executors for judged trials: the search answers each report, and may prune the trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from retiarii.execution import Executor, OnReport, TrialEnded, TrialStarted
from retiarii.testing._acts import CLEANED, NUM_STEPS, NUM_THREADS, job_for
from retiarii.testing._extra import pytest
from retiarii.testing._watching import Reported, ending, failure_of, reports, watch
from retiarii.trial import FailureKind, Metrics, TrialState

MakeExecutor = Callable[..., Executor]


def end_at(step: float, reason: str = "not good enough") -> OnReport:
    """Return a judge that ends every trial that reports this number."""
    return lambda number, metrics: reason if metrics["default"] == step else None


def log_of(path: Path) -> list[str]:
    """Return what an act has logged so far."""
    return path.read_text().split() if path.exists() else []


class EarlyStoppingConformance:
    """A trial with ``is_judged`` ends at the report whose answer is to end; other trials ignore answers.

    Attributes:
        is_simulation: Whether trials are computed ahead, and have the times of a simulated clock: a trial is then
            pruned at the report, but its code has run on.
    """

    is_simulation: bool = False

    @pytest.fixture
    def log(self, tmp_path: Path) -> Path:
        """The file to which acts log."""
        return tmp_path / "log"

    def test_a_judged_trial_ends_at_exactly_that_report(self, stage: Executor, log: Path) -> None:
        """Code after the report does not run; ``finally`` blocks do."""
        stage.submit(job_for("climb", 100, is_judged=True, path=str(log)))
        heard = watch(stage, [100], end_at(3.0))
        ended = ending(heard)
        assert (ended.state, ended.reason) == (TrialState.PRUNED, "not good enough")
        assert (ended.metrics, ended.failure) == (None, None)
        assert reports(heard) == [{"default": float(step)} for step in range(4)]
        assert self.is_simulation or log_of(log) == ["0", "1", "2", CLEANED]

    def test_a_judged_trial_waits_for_each_answer(self, stage: Executor, log: Path) -> None:
        """The trial does not continue before it has the answer."""
        seen = []

        def judge(number: int, metrics: Metrics) -> None:
            seen.append(log_of(log))

        stage.submit(job_for("climb", 101, is_judged=True, path=str(log)))
        assert ending(watch(stage, [101], judge)).state is TrialState.COMPLETED
        assert self.is_simulation or seen == [[str(past) for past in range(step)] for step in range(NUM_STEPS)]

    def test_reports_are_told_in_order_before_the_end(self, stage: Executor, log: Path) -> None:
        """All reports are told before the end, whether the trial waits for answers or not."""
        for number, is_judged in ((102, True), (103, False)):
            stage.submit(job_for("climb", number, is_judged=is_judged, path=f"{log} {number}"))
        heard = watch(stage, [102, 103])
        for number in (102, 103):
            kinds = [type(event) for event in heard if event.number == number]
            assert kinds == [TrialStarted, *[Reported] * NUM_STEPS, TrialEnded]
            assert reports(heard, number) == [{"default": float(step)} for step in range(NUM_STEPS)]

    def test_an_answer_counts_for_no_other_trial(self, stage: Executor, log: Path) -> None:
        """A trial that is not judged continues, whatever the answer is."""
        stage.submit(job_for("climb", 104, path=str(log)))
        ended = ending(watch(stage, [104], end_at(3.0)))
        assert ended.state is TrialState.COMPLETED
        assert log_of(log) == [*map(str, range(NUM_STEPS)), CLEANED]

    def test_a_judged_trial_that_never_reports_is_never_hurt(self, stage: Executor) -> None:
        """It gets no answer, so it is never ended."""
        stage.submit(job_for("draw", 105, is_judged=True))
        heard = watch(stage, [105], lambda number, metrics: "always")
        assert ending(heard).state is TrialState.COMPLETED

    @pytest.mark.parametrize("act", ["catch_errors", "catch_everything", "fail_afterwards"])
    def test_a_trial_that_was_ended_is_pruned_whatever_it_still_does(
        self, stage: Executor, log: Path, act: str
    ) -> None:
        """Errors, results and reports after that report do not count."""
        stage.submit(job_for(act, 106, is_judged=True, path=str(log)))
        heard = watch(stage, [106], end_at(1.0))
        ended = ending(heard)
        assert (ended.state, ended.reason, ended.failure) == (TrialState.PRUNED, "not good enough", None)
        assert reports(heard) == [{"default": 0.0}, {"default": 1.0}]

    @pytest.mark.parametrize("is_judged", [True, False])
    def test_an_evaluation_may_end_itself(self, stage: Executor, is_judged: bool) -> None:
        """It raises TrialPruned, with its own reason."""
        stage.submit(job_for("prune_itself", 107, is_judged=is_judged))
        ended = ending(watch(stage, [107]))
        assert (ended.state, ended.reason) == (TrialState.PRUNED, "it does not learn")
        assert (ended.metrics, ended.failure) == (None, None)

    @pytest.mark.parametrize("reason", ["", "x" * 100_000 + "\udcff\0" + "ü" * 100_000])
    def test_any_reason_ends_a_trial(self, stage: Executor, log: Path, reason: str) -> None:
        """An empty one, too; long ones are cut, and can be stored."""
        stage.submit(job_for("climb", 108, is_judged=True, path=str(log)))
        ended = ending(watch(stage, [108], end_at(0.0, reason)))
        assert ended.state is TrialState.PRUNED
        assert 0 < len(ended.reason) < 10_000
        assert "\0" not in ended.reason.encode().decode()
        assert self.is_simulation or log_of(log) == [CLEANED]

    def test_answers_of_threads_are_not_mixed_up(self, stage: Executor, log: Path) -> None:
        """If several threads report at the same time, each gets the answer to its own report."""
        stage.submit(job_for("report_in_threads", 109, is_judged=True, path=str(log)))
        heard = watch(stage, [109], end_at(float(NUM_THREADS - 1)))
        assert ending(heard).state is TrialState.PRUNED
        told = [str(int(metrics["default"])) for metrics in reports(heard)]
        assert told[-1] == str(NUM_THREADS - 1)
        assert self.is_simulation or sorted(log_of(log)) == sorted([*told[:-1], CLEANED])

    def test_what_a_judge_raises_leaves_the_poll_and_the_executor_goes_on(self, stage: Executor, log: Path) -> None:
        """The trial continues, or is cancelled if it runs inside the poll."""

        def judge(number: int, metrics: Metrics) -> None:
            raise KeyError("judge")

        stage.submit(job_for("climb", 110, is_judged=True, path=str(log)))
        with pytest.raises(KeyError, match="judge"):
            watch(stage, [110], judge)
        heard = watch(stage, [110])
        ended = ending(heard)
        if ended.state is TrialState.FAILED:
            assert failure_of(heard).kind is FailureKind.CANCELLED
            assert log_of(log) == [CLEANED]
        else:
            assert ended.state is TrialState.COMPLETED
            assert reports(heard) == [{"default": float(step)} for step in range(1, NUM_STEPS)]
        stage.submit(job_for("draw", 111))
        assert ending(watch(stage, [111])).state is TrialState.COMPLETED
