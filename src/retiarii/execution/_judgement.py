"""`Judgement`: the answers to what one trial reports."""

from __future__ import annotations

from retiarii.execution._interface import OnReport, TrialJob
from retiarii.execution._outcome import MAX_MESSAGE, NO_REASON, Outcome, shorten
from retiarii.trial import Metrics


class Judgement:
    """Asks for the answer to each report of one trial; the first that ends the trial decides how it ends.

    A trial that was told to end is pruned, whatever it still does: what it reports then is not told to anybody, and an
    error in a ``finally`` block, or a result of code that caught `TrialPruned`, does not count.

    Args:
        job: The trial; the answers count only if it is judged.

    Attributes:
        reason: Why it is to end; None as long as it may go on.
    """

    def __init__(self, job: TrialJob) -> None:
        self._job = job
        self.reason: str | None = None

    def answer(self, metrics: Metrics, on_report: OnReport) -> str | None:
        """Tell a report and return the answer: the reason to end the trial, None to let it go on."""
        if self.reason is not None:
            return self.reason
        reason = on_report(self._job.number, metrics)
        if reason is not None and self._job.is_judged:
            self.reason = shorten(str(reason), MAX_MESSAGE) or NO_REASON
        return self.reason

    def settle(self, outcome: Outcome) -> Outcome:
        """Return what became of the trial.

        Args:
            outcome: What the trial itself came to.
        """
        return outcome if self.reason is None else Outcome(reason=self.reason)
