"""`Judgement`: the answers to what one trial reports."""

from __future__ import annotations

import threading

from retiarii.errors import TrialPruned
from retiarii.execution._executor import OnReport, Report, TrialJob
from retiarii.execution._outcome import MAX_MESSAGE, NO_REASON, Outcome, shorten
from retiarii.trial import Failure, FailureKind, Metrics


class Judgement:
    """Asks for the answer to each report of one trial; the first that ends the trial decides how it ends.

    A trial that was told to end is pruned, whatever it still does: what it reports then is not told to anybody, and an
    error in a ``finally`` block, or a result of code that caught `TrialPruned`, does not count.

    An executor whose trials run elsewhere calls `answer` for each report that arrives, and sends the answer to the
    trial if that is judged. One that runs the task inside `Executor.poll` gives it `reporting_to`.

    Args:
        job: The trial; the answers count only if it is judged.

    Attributes:
        reason: Why it is to end; None as long as it may go on.
    """

    def __init__(self, job: TrialJob) -> None:
        self._job = job
        self._raised: BaseException | None = None
        self.reason: str | None = None

    def answer(self, metrics: Metrics, on_report: OnReport) -> str | None:
        """Tell a report and return the answer: the reason to end the trial, None to let it go on."""
        if self.reason is not None:
            return self.reason
        reason = on_report(self._job.number, metrics)
        if reason is not None and self._job.is_judged:
            self.reason = shorten(str(reason), MAX_MESSAGE) or NO_REASON
        return self.reason

    def reporting_to(self, on_report: OnReport) -> Report:
        """Return what a task that runs in this process calls with metrics on the way.

        Threads of the task may call it, too; ``on_report`` is then called in them, one at a time. What ``on_report``
        raises is kept for `raise_if_unanswered`, and the trial ends at that report, as cancelled.
        """
        lock = threading.RLock()  # who is told may run code that reports

        def report(metrics: Metrics) -> None:
            with lock:
                try:
                    reason = self._unanswered or self.answer(metrics, on_report)
                except BaseException as error:  # noqa: BLE001 - it is not the task's, which must not catch it
                    self._raised = error
                    reason = self._unanswered
            if reason is not None:
                raise TrialPruned(reason)

        return report

    def settle(self, outcome: Outcome) -> Outcome:
        """Return what became of the trial.

        Args:
            outcome: What the trial itself came to.
        """
        if self._unanswered is not None:
            return Outcome(failure=Failure(FailureKind.CANCELLED, self._unanswered))
        return outcome if self.reason is None else Outcome(reason=self.reason)

    def raise_if_unanswered(self) -> None:
        """Raise what ``on_report`` raised in `reporting_to`; to be called once the end of the trial is noted."""
        if self._raised is not None:
            raise self._raised

    @property
    def _unanswered(self) -> str | None:
        if self._raised is None:
            return None
        return f"The answer to what the trial reported failed with {type(self._raised).__name__}."
