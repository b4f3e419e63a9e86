"""`Supervisor`: the main loop of the template, which starts trials and watches each of them until its end."""

from __future__ import annotations

import math
import os
import selectors
import time
from collections.abc import Callable, Iterable
from typing import TypeAlias

from retiarii.execution._executor import Limits
from retiarii.execution._outcome import Outcome
from retiarii.execution._system.exit_bell import ExitBell
from retiarii.execution._system.frames import Message
from retiarii.execution._system.pipes import Readable
from retiarii.execution._system.processes import IS_POSIX, children, kill_and_reap
from retiarii.execution._template.parent_link import ParentLink
from retiarii.execution._template.running_trial import RunningTrial
from retiarii.execution._template.trial_launch import TrialProcess
from retiarii.trial import Failure, FailureKind

Launch: TypeAlias = Callable[[Message, Iterable[int]], TrialProcess]
"""A function that starts the trial of an order; the second argument is the descriptors that it must close."""

MAX_BACKLOG = 1 << 20  # bytes that the parent has not read yet; beyond it, reports of trials wait
_IDLE_S = 1.0  # how often to check that the parent is alive
_NO_SIGNAL_S = 0.05  # how often to check for exits on systems without a signal for them
_GONE_S = 5.0  # how long to wait for killed processes


class Supervisor:
    """Serves one parent until it closes the link or ends; single-threaded, so that forking is safe.

    Args:
        link: The link to the parent, for orders and events.
        launch: The function that starts trials.
        limits: The resource limits of one trial.
        is_loaded: Whether trials start with the task loaded.
    """

    def __init__(self, link: ParentLink, launch: Launch, limits: Limits, *, is_loaded: bool) -> None:
        self._link, self._launch, self._limits, self._is_loaded = link, launch, limits, is_loaded
        self._trials: dict[int, RunningTrial] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(link, selectors.EVENT_READ, self._take_orders)
        self._is_hearing = True  # whether the pipes of the trials' events are watched
        self._is_awaiting_parent = False  # whether the parent must read before there is room for events
        self._has_exits = False  # of children, since the last look for orphans
        self._own_children = frozenset(children(os.getpid()))  # loading the task started them
        self._exits = ExitBell() if IS_POSIX else None
        if self._exits is not None:
            self._selector.register(self._exits, selectors.EVENT_READ, self._note_exits)

    @property
    def has_own_children(self) -> bool:
        """Whether loading the task started child processes, which must be ended in order."""
        return bool(self._own_children)

    def serve(self) -> None:
        """Run trials until the parent closes the link or ends; then kill and collect all remaining processes."""
        try:
            while not self._link.is_closed:
                self._turn()
        finally:
            self._end_everything()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        now = time.monotonic()
        for trial in list(self._trials.values()):
            trial.look(now)
            if trial.process.has_exited():
                self._end(trial)
        if self._has_exits:
            self._has_exits = False
            self._end_orphans()
        self._heed_backlog()

    def _patience(self) -> float:
        idle = _NO_SIGNAL_S if self._exits is None and self._trials else _IDLE_S
        next_look = min((trial.next_look for trial in self._trials.values()), default=math.inf)
        return max(0.0, min(idle, next_look - time.monotonic()))

    def _take_orders(self) -> None:
        for order in self._link.receive():
            if order["order"] == "run":
                self._start(order)
                continue
            trial = self._trials.get(order["number"])
            if trial is None:
                continue  # the trial has ended meanwhile
            if order["order"] == "answer":
                trial.answer(order["reason"])
            else:
                trial.fail(FailureKind.CANCELLED, "The trial was cancelled.")

    def _start(self, order: Message) -> None:
        number, is_judged = order["job"]["number"], order["job"]["is_judged"]
        try:
            process = self._launch(order, self._descriptors())
        except OSError as error:
            self._refuse(number, f"The trial's process could not be started: {error}.")
            return
        trial = RunningTrial(number, process, self._limits, is_loaded=self._is_loaded, is_judged=is_judged)
        self._trials[number] = trial
        if self._is_hearing:
            self._listen(trial)
        self._selector.register(process.output, selectors.EVENT_READ, lambda: self._see(trial))
        self._link.send({"event": "started", "number": number, "pid": process.pid, "time": time.time()})

    def _refuse(self, number: int, reason: str) -> None:
        outcome = Outcome(failure=Failure(FailureKind.VANISHED, reason))
        ended = {"event": "ended", "number": number, "output": "", "time": time.time()}
        self._link.send({**ended, **outcome.to_json()})

    def _hear(self, trial: RunningTrial) -> None:
        piece = trial.process.events.read()
        if piece == b"":
            self._ignore(trial.process.events)
        for message in trial.hear(piece or b""):
            self._link.send(message)

    def _see(self, trial: RunningTrial) -> None:
        piece = trial.process.output.read()
        if piece == b"":
            self._ignore(trial.process.output)
        trial.see(piece or b"")

    def _listen(self, trial: RunningTrial) -> None:
        self._selector.register(trial.process.events, selectors.EVENT_READ, lambda: self._hear(trial))

    def _ignore(self, pipe: Readable) -> None:
        if pipe in self._selector.get_map():  # else it has ended, or is not watched at present
            self._selector.unregister(pipe)

    def _end(self, trial: RunningTrial) -> None:
        for pipe in (trial.process.events, trial.process.output):
            self._ignore(pipe)
        del self._trials[trial.number]
        for message in trial.end():
            self._link.send(message)
        self._has_exits = True

    def _end_orphans(self, *, block: bool = False) -> bool:
        """Kill the processes that ended trials left behind; return whether there were any.

        A trial adopts the orphans below it, and this process adopts those of ended trials, so every child that is not a
        trial is such a process.
        """
        if not IS_POSIX:
            return False
        known = {trial.process.pid for trial in self._trials.values()} | self._own_children
        orphans = [pid for pid in children(os.getpid()) if pid not in known]
        for pid in orphans:
            kill_and_reap(pid, block=block)
        return bool(orphans)

    def _note_exits(self) -> None:
        assert self._exits is not None  # its descriptor has just become readable
        self._exits.quieten()
        self._has_exits = True

    def _heed_backlog(self) -> None:
        """Pause reading events while the parent does not read, so that endless reports do not fill the memory."""
        has_backlog = self._link.backlog > 0
        if has_backlog != self._is_awaiting_parent:
            self._is_awaiting_parent = has_backlog
            if has_backlog:
                self._selector.register(self._link.events_fileno, selectors.EVENT_WRITE, self._link.flush)
            else:
                self._selector.unregister(self._link.events_fileno)
        is_hearing = self._link.backlog < MAX_BACKLOG
        if is_hearing != self._is_hearing:
            self._is_hearing = is_hearing
            for trial in self._trials.values():
                self._listen(trial) if is_hearing else self._ignore(trial.process.events)

    def _descriptors(self) -> list[int]:
        """Return the descriptors that only this process uses."""
        own = [self._link.fileno(), self._link.events_fileno]
        own += [descriptor for trial in self._trials.values() for descriptor in trial.process.descriptors]
        own += self._exits.descriptors if self._exits is not None else ()
        own += [self._selector.fileno()] if hasattr(self._selector, "fileno") else []
        return own

    def _end_everything(self) -> None:
        for trial in self._trials.values():
            trial.process.kill()
        for trial in self._trials.values():
            trial.process.collect()
        self._trials.clear()
        deadline = time.monotonic() + _GONE_S
        while self._end_orphans(block=True) and time.monotonic() < deadline:
            pass
