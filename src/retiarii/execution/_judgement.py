"""`Judgement`: the answers to the reports of one trial."""

from __future__ import annotations

import threading

from retiarii.errors import TrialPruned
from retiarii.execution._executor import OnReport, Report, TrialJob
from retiarii.execution._outcome import MAX_MESSAGE, NO_REASON, Outcome, shorten
from retiarii.trial import Failure, FailureKind, Metrics


class Judgement:
    """Gets the answer to each report of one trial, and records the first reason to prune it.

    A trial that was told to end is pruned, whatever it does afterwards: later reports are ignored, and so is an error
    in a ``finally`` block or a result of code that caught `TrialPruned`.

    An executor that runs trials in other processes calls `answer` for each report, and sends the answer to the trial if
    it is judged. An executor that runs the task inside `Executor.poll` passes `reporting_to` to the task.

    Args:
        job: The trial. Answers are used only if it is judged.

    Attributes:
        reason: The reason to prune the trial; None while it may continue.
    """

    def __init__(self, job: TrialJob) -> None:
        self._job = job
        self._raised: BaseException | None = None
        self.reason: str | None = None

    def answer(self, metrics: Metrics, on_report: OnReport) -> str | None:
        """Pass a report on, and return the answer: a reason to prune the trial, or None."""
        if self.reason is not None:
            return self.reason
        reason = on_report(self._job.number, metrics)
        if reason is not None and self._job.is_judged:
            self.reason = shorten(str(reason), MAX_MESSAGE) or NO_REASON
        return self.reason

    def reporting_to(self, on_report: OnReport) -> Report:
        """Return the report function for a task that runs in this process.

        Threads of the task may call it, too; ``on_report`` is then called in them, one at a time. An exception of
        ``on_report`` is kept for `raise_if_unanswered`, and the trial ends at that report, as cancelled.
        """
        lock = threading.RLock()  # on_report may run code that reports

        def report(metrics: Metrics) -> None:
            with lock:
                try:
                    reason = self._unanswered or self.answer(metrics, on_report)
                except BaseException as error:  # noqa: BLE001 - not an error of the task, which must not catch it
                    self._raised = error
                    reason = self._unanswered
            if reason is not None:
                raise TrialPruned(reason)

        return report

    def settle(self, outcome: Outcome) -> Outcome:
        """Return the final outcome of the trial.

        Args:
            outcome: The outcome of its task.
        """
        if self._unanswered is not None:
            return Outcome(failure=Failure(FailureKind.CANCELLED, self._unanswered))
        return outcome if self.reason is None else Outcome(reason=self.reason)

    def raise_if_unanswered(self) -> None:
        """Raise the exception of ``on_report``, if any; call it after the end of the trial was recorded."""
        if self._raised is not None:
            raise self._raised

    @property
    def _unanswered(self) -> str | None:
        if self._raised is None:
            return None
        return f"The answer to what the trial reported failed with {type(self._raised).__name__}."
