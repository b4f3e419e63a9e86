"""The loop that joins strategy, executor and store: the main flow of an experiment.

::

    search.ask -> store.write(running) -> executor.submit -> executor.poll -> store.write(finished) -> search.tell

The loop is the only writer of the store. It keeps nothing that the store does not have, so killing it at any instant
loses at most the trials that were running, and those are run again, with the same number, architecture and seed. Steps
of a simulation are written in groups, as the store then has the state of an earlier step, from which a resume gives the
same events: a trial that was running is computed again, and goes on in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retiarii.errors import ExperimentError, SearchExhausted
from retiarii.execution import Event, Executor, TrialEnded, TrialJobs, TrialStarted, checked_end
from retiarii.experiment._control.callbacks import CallbackList
from retiarii.experiment._control.experiment_clock import ExperimentClock
from retiarii.experiment._control.stop_signal import Ending, StopSignal
from retiarii.experiment._running.trial_writer import GROUP_S, TrialWriter
from retiarii.storage import ExperimentLog, Intermediate, Store
from retiarii.strategy import Search
from retiarii.trial import (
    Constraint,
    Metrics,
    Proposal,
    Reports,
    SimulatedClock,
    Trial,
    TrialState,
    violation,
)

POLL_S = 0.2  # how often the clock and the stop signal are checked while trials run


@dataclass(frozen=True)
class Budget:
    """The limits at which the loop stops to propose.

    Attributes:
        max_trials: The maximum number of trials, including those before a resume.
        is_timed: Whether running trials are killed when the time is up.
        max_failures: The number of failed trials after which the search stops if none succeeded.
    """

    max_trials: int | None = None
    is_timed: bool = True
    max_failures: int | None = None


class TrialLoop:
    """The loop of one run of an experiment, from its first proposal or from a resume to its end."""

    def __init__(
        self,
        search: Search,
        executor: Executor,
        store: Store,
        experiment_id: str,
        *,
        seed: int,
        budget: Budget,
        clock: ExperimentClock,
        callback: CallbackList,
        stop: StopSignal,
        constraints: Sequence[Constraint] = (),
        free: Callable[[Sequence[Trial]], bool] = lambda ended: False,
        log: ExperimentLog | None = None,
        when_exhausted: Ending = Ending.EXHAUSTED,
    ) -> None:
        """Restore the state of the search from the log.

        Args:
            search: A new search.
            executor: The executor that runs the trials.
            store: The store for trials; this experiment must be locked.
            experiment_id: The id of the experiment.
            seed: The seed from which the seeds of trials are derived.
            budget: The limits of the search.
            clock: The clock with the time limit.
            callback: The callbacks.
            stop: The stop signal.
            constraints: The constraints on metrics.
            free: Called with ended trials when the disk is full; removes files that are not needed, and returns whether
                there were any.
            log: The earlier proposals and results of a resumed experiment.
            when_exhausted: The ending to return when the search has nothing left to propose.
        """
        self._search, self._executor = search, executor
        self._budget, self._clock, self._callback, self._stop = budget, clock, callback, stop
        self._when_exhausted, self._constraints = when_exhausted, tuple(constraints)
        self._is_judging = search.prunes or callback.prunes
        self._is_simulated = isinstance(executor.clock, SimulatedClock)
        self._writer = TrialWriter(store, experiment_id, free=free, group_s=GROUP_S if self._is_simulated else 0.0)
        log = log or ExperimentLog([], [], [])
        search.replay(log.asked, log.told)
        self._jobs = TrialJobs(seed, log.asked, is_judged=self._is_judging)
        self._num_told = search.num_told
        self._num_succeeded = search.num_told - search.num_failed
        if self._is_simulated:
            clock.catch_up(log)
            self._interrupted = [_with_reports(trial, store, experiment_id) for trial in log.pending]
        else:
            self._interrupted = [trial.evolve(intermediates=()) for trial in log.pending]
        self._running: dict[int, Trial] = {}
        self._reported: list[Intermediate] = []  # reports that are not written yet
        self._ending: Ending | None = None
        callback.on_experiment_start(log.told)

    def run(self) -> Ending:
        """Search until the budget, the strategy or the user ends it.

        Raises:
            ExperimentError: The strategy waits for results although no trial is running.
            KeyboardInterrupt: The user asked twice to stop.
        """
        try:
            self._run()
        finally:
            self._writer.flush()
        self._abandon()
        ending = self._ending or Ending.STOPPED
        self._callback.on_experiment_end(ending)
        return ending

    def _run(self) -> None:
        events: Sequence[Event] = ()
        while True:
            finished = self._digest(events)
            reported, self._reported = self._reported, []
            started = self._propose()
            self._writer.write([*finished, *started], reported)
            for trial in finished:
                self._callback.on_trial_end(trial)
            if not self._stop.is_set:  # a callback may have asked to stop; a resume runs the proposals
                for trial in started:
                    self._submit(trial)
            if not self._running or self._ends_at_once():
                return
            if self._clock.is_note_due:
                self._writer.flush()  # the time that is noted must not be later than what is written
                self._clock.note()
            events = self._executor.poll(self._clock.patience_s(POLL_S), self._on_report)

    def _ends_at_once(self) -> bool:
        """Whether running trials are cut off now; a resume of a simulation goes on in the middle of them."""
        is_stopped = self._stop.is_set if self._is_simulated else self._stop.is_immediate
        return is_stopped or self._is_late()

    def _on_report(self, number: int, metrics: Metrics) -> str | None:
        """Handle a report of a running trial; return the reason to prune it, if there is one."""
        trial = self._running[number] = self._running[number].reported(metrics)
        self._reported.append(Intermediate(number, len(trial.intermediates) - 1, metrics, self._clock.now()))
        self._callback.on_intermediate(trial, metrics)
        if not self._is_judging:
            return None
        reason = self._search.should_prune(trial) if self._search.prunes else None
        return self._callback.should_prune(trial) if reason is None else reason

    def _digest(self, events: Sequence[Event]) -> list[Trial]:
        """Handle the events of the executor; return the trials that ended."""
        finished = []
        for event in events:
            trial = self._running[event.number]
            if isinstance(event, TrialStarted):
                self._running[trial.number] = trial.evolve(started=event.time, device=event.device)
            else:
                finished.append(self._finish(trial, event))
        return finished

    def _finish(self, trial: Trial, event: TrialEnded) -> Trial:
        del self._running[trial.number]
        trial = self._checked(
            trial.evolve(
                state=event.state,
                metrics=event.metrics,
                intermediates=tuple(trial.intermediates),
                failure=event.failure,
                reason=event.reason,
                output=event.output,
                ended=event.time,
                finish_order=self._num_told,
            )
        )
        self._search.tell(trial)
        self._num_told += 1
        self._num_succeeded += trial.state is TrialState.COMPLETED
        return trial

    def _checked(self, trial: Trial) -> Trial:
        """Return an ended trial after checking its metrics: failed if they are unusable, and with its violation."""
        trial = checked_end(trial, self._search.objectives)
        if trial.state is TrialState.PRUNED or trial.metrics is None or not self._constraints:
            return trial
        return trial.evolve(violation=violation(trial.metrics, self._constraints))

    def _propose(self) -> list[Trial]:
        """Return the trials to start now: interrupted ones first, then new proposals."""
        if self._is_over():
            return []
        free = self._executor.slots - len(self._running)
        trials = self._interrupted[:free]
        del self._interrupted[:free]
        wanted = free - len(trials)
        if self._budget.max_trials is not None:
            wanted = min(wanted, self._budget.max_trials - self._search.num_asked)
        if wanted > 0:
            trials += [self._new_trial(number, proposal) for number, proposal in self._ask(wanted, trials)]
        return trials

    def _ask(self, count: int, interrupted: Sequence[Trial]) -> list[tuple[int, Proposal]]:
        number = self._search.num_asked
        try:
            proposals = self._search.ask(count)
        except SearchExhausted:
            self._ending = self._when_exhausted
            return []
        if not proposals and not self._running and not interrupted:
            raise ExperimentError(
                f"{self._search!r} waits for results, but no trial is running: the search would never end. "
                "A strategy must propose something, or raise SearchExhausted, once every proposal was told."
            )
        return list(enumerate(proposals, start=number))

    def _new_trial(self, number: int, proposal: Proposal) -> Trial:
        return Trial(
            number,
            proposal.architecture,
            told_before=self._num_told,
            started=self._clock.now(),
            fidelity=proposal.fidelity,
            parent=proposal.parent,
            objective=self._search.objectives.primary.metric,
        )

    def _submit(self, trial: Trial) -> None:
        self._running[trial.number] = trial
        self._executor.submit(self._jobs.job(trial, goes_on=self._is_simulated))
        self._callback.on_trial_start(trial)

    def _is_over(self) -> bool:
        """Whether no more trials are started; the first time, store the reason."""
        budget = self._budget
        reached = budget.max_trials is not None and self._search.num_asked >= budget.max_trials
        if self._stop.is_set:
            self._ending = Ending.STOPPED
        elif self._is_late():
            self._ending = Ending.MAX_DURATION
        elif budget.max_failures and not self._num_succeeded and self._num_told >= budget.max_failures:
            self._ending = Ending.ALL_FAILED
        elif reached and not self._interrupted:
            self._ending = Ending.MAX_TRIALS
        return self._ending is not None

    def _is_late(self) -> bool:
        late = self._budget.is_timed and self._clock.is_up
        if late and self._ending is None:
            self._ending = Ending.MAX_DURATION
        return late

    def _abandon(self) -> None:
        """Kill running trials, which stay in the store as running, so that a resume runs them again."""
        for number in self._running:
            self._executor.cancel(number)
        self._running.clear()


def _with_reports(trial: Trial, store: Store, experiment_id: str) -> Trial:
    """Return an interrupted trial with the reports that were stored."""
    found = store.intermediates(experiment_id, trial.number)
    return trial.evolve(intermediates=Reports([report.metrics for report in found]))
