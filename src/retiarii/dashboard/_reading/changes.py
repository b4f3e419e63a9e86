"""`Changes`: one thread looks at the store for all who follow it, and wakes them when something has changed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TypeAlias

from retiarii.dashboard._reading.change import Change
from retiarii.dashboard._reading.store_in_place import StoreInPlace
from retiarii.dashboard._reading.watched_experiment import WatchedExperiment
from retiarii.errors import CorruptStoreError, RetiariiError
from retiarii.storage import Store

logger = logging.getLogger(__name__)

PATIENCE_S = 3.0
"""After this time without an answer of the store its followers are told."""

_SLOWER = 1.25  # the factor of the interval after a look that found nothing
_MOST_PENDING = 1000  # experiments with changes that a follower has not taken
NO_ANSWER = (
    f"The store has not answered for {PATIENCE_S:.0f} seconds: another process keeps it locked, or its disk or server "
    "is slow. Experiments go on, and what they write is shown as soon as the store answers."
)

_Found: TypeAlias = dict["str | None", Change]


class Changes:
    """The changes of a store, for any number of followers.

    One thread looks at the store while there are followers, and ends with the last. Each look reads a few numbers per
    experiment. Looks become rarer while nothing changes, and while the store cannot be read.

    Args:
        place: The store.
        interval_s: The time between two looks at a store that changes, in seconds.
        slowest_s: The longest time between two looks, in seconds.
    """

    def __init__(self, place: StoreInPlace, *, interval_s: float = 0.5, slowest_s: float = 2.0) -> None:
        self._place = place
        self._interval_s, self._slowest_s = interval_s, slowest_s
        self._lock = Lock()  # of the next three
        self._followers: list[_Follower] = []
        self._thread: Thread | None = None
        self._look_began: float | None = None
        self._wake = Event()
        self._watched: dict[str, WatchedExperiment] = {}
        self._times: dict[str, float] | None = None  # when each experiment of the list changed last
        self._problem = ""

    async def follow(self, experiment_id: str | None = None) -> AsyncGenerator[Change, None]:
        """Yield what changes, as long as the caller iterates.

        The first change comes at once, with the present state. A follower that is slow gets the changes meanwhile as
        one. Whoever reads the data after each change, or where it is not complete, misses nothing.

        Args:
            experiment_id: The experiment; None for the list, which yields changes of all experiments.
        """
        follower = _Follower(experiment_id, asyncio.get_running_loop())
        self._add(follower)
        try:
            is_told = False
            while not follower.is_ended:
                changes = await follower.take(PATIENCE_S)
                for change in changes:
                    yield change
                if not changes and self._is_waiting() and not is_told:
                    yield Change(experiment_id, problem=NO_ANSWER)
                is_told = not changes and self._is_waiting()
        finally:
            self._remove(follower)

    def close(self) -> None:
        """End all iterations, for the end of the server; called by any thread."""
        with self._lock:
            followers = list(self._followers)
        for follower in followers:
            follower.end()

    def _add(self, follower: _Follower) -> None:
        with self._lock:
            self._followers.append(follower)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="retiarii-changes", daemon=True)
                self._thread.start()
        self._wake.set()

    def _remove(self, follower: _Follower) -> None:
        with self._lock:
            if follower in self._followers:
                self._followers.remove(follower)
        self._wake.set()

    def _is_waiting(self) -> bool:
        began = self._look_began
        return began is not None and time.monotonic() - began > PATIENCE_S

    def _run(self) -> None:
        """Look at the store until nobody follows it."""
        interval_s = self._interval_s
        self._forget()
        while True:
            self._wake.clear()
            followers = self._present()
            if not followers:
                return
            found = self._find({follower.experiment_id for follower in followers})
            for follower in followers:
                self._deliver(found, follower)
            interval_s = self._interval_s if found else min(interval_s * _SLOWER, self._slowest_s)
            self._wake.wait(interval_s)

    def _present(self) -> list[_Follower]:
        with self._lock:
            if not self._followers:
                self._thread = None
            return list(self._followers)

    def _forget(self) -> None:
        self._watched, self._times = {}, None

    def _deliver(self, found: _Found, follower: _Follower) -> None:
        wanted = follower.experiment_id
        if not follower.is_greeted:
            follower.is_greeted = True
            watched = None if wanted is None else self._watched.get(wanted)
            changes = [Change(wanted, problem=self._problem) if watched is None else watched.latest]
        elif wanted in found:  # for the list: everything may have changed
            changes = [found[wanted]]
        else:
            changes = list(found.values()) if wanted is None else []
        try:
            follower.put(changes)
        except RuntimeError:  # its event loop was closed
            self._remove(follower)

    def _find(self, wanted: Collection[str | None]) -> _Found:
        """Return what has changed since the last look, or that the store cannot be read."""
        began = self._look_began = time.monotonic()
        try:
            found = self._read(wanted)
            if time.monotonic() - began > PATIENCE_S:  # followers were told that the store does not answer
                self._forget()
                found = self._read(wanted)
        except RetiariiError as err:
            problem = str(err)
        except Exception as err:
            logger.exception("Looking for changes failed")
            problem = f"Looking for changes failed: {type(err).__name__}: {err}"
        else:
            self._problem = ""
            return found
        finally:
            self._look_began = None
        is_known, self._problem = problem == self._problem, problem
        self._forget()
        return {} if is_known else {experiment_id: Change(experiment_id, problem=problem) for experiment_id in wanted}

    def _read(self, wanted: Collection[str | None]) -> _Found:
        store = self._place.store
        try:
            return self._look(store, wanted)
        except CorruptStoreError as err:  # somebody may have restored it
            self._forget()
            return self._look(self._place.reopened(store, err), wanted)

    def _look(self, store: Store, wanted: Collection[str | None]) -> _Found:
        found: _Found = {}
        ids = {experiment_id for experiment_id in wanted if experiment_id is not None}
        if None in wanted:
            seen, self._times = self._times, store.update_times()
            if seen is None:
                found[None] = Change(None)
                seen = {}
            ids |= {one for one in self._times.keys() | seen.keys() if self._times.get(one) != seen.get(one)}
            ids |= {one for one, watched in self._watched.items() if watched.latest.is_running}
        for one in sorted(ids):
            watched = self._watched.setdefault(one, WatchedExperiment(one))
            change = watched.look(store)
            if change is not None:
                found[one] = change
            if watched.latest.is_deleted and one not in wanted:
                del self._watched[one]
        return found


class _Follower:
    """One follower, and what has changed since it looked last.

    Args:
        experiment_id: The experiment; None for the list.
        loop: The event loop in which it waits.
    """

    def __init__(self, experiment_id: str | None, loop: asyncio.AbstractEventLoop) -> None:
        self.experiment_id = experiment_id
        self.is_greeted = self.is_ended = False
        self._loop = loop
        self._lock = Lock()
        self._pending: _Found = {}
        self._has_some = asyncio.Event()

    def put(self, changes: Iterable[Change]) -> None:
        """Add changes; called by another thread.

        Raises:
            RuntimeError: The event loop is closed.
        """
        with self._lock:
            for change in changes:
                self._pending[change.experiment_id] = change.after(self._pending.get(change.experiment_id))
            if len(self._pending) > _MOST_PENDING:
                self._pending = {None: Change(None)}
            has_some = bool(self._pending)
        if has_some:
            self._loop.call_soon_threadsafe(self._has_some.set)

    def end(self) -> None:
        """Let the follower end; called by another thread."""
        self.is_ended = True
        with suppress(RuntimeError):  # its event loop was closed
            self._loop.call_soon_threadsafe(self._has_some.set)

    async def take(self, timeout_s: float) -> list[Change]:
        """Wait for changes, and return them; an empty list if there were none."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._has_some.wait(), timeout_s)
        with self._lock:
            self._has_some.clear()
            pending, self._pending = self._pending, {}
        return list(pending.values())
