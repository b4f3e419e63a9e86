"""`follow`: keep a page up to date with the store, without a reload."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from nicegui import run, ui

from retiarii._readable import age_text
from retiarii.dashboard._pages.frame import Frame, current_frame
from retiarii.dashboard._reading.change import Change
from retiarii.dashboard._reading.kept_tables import TrialsNow
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import NotFoundError, RetiariiError
from retiarii.storage import ExperimentState

logger = logging.getLogger(__name__)

_PAUSE_S = 1.0  # between the starts of two refreshes

Refresh = Callable[[], Awaitable[TrialsNow | None]]


def follow(reader: Reader, experiment_id: str | None, refresh: Refresh) -> None:
    """Call ``refresh`` when the page is open, and again when the store has changed; call it inside of `frame`.

    There is at most one refresh a second, never two at a time, and none while the tab is hidden. The header shows the
    name and the state of the experiment, and banners say when the store cannot be read, the process of the experiment
    has died or a refresh fails. They go when that is over.

    Args:
        reader: What is followed; all pages share its poller.
        experiment_id: The experiment; None for all experiments of the store.
        refresh: Reads the store in a thread (``run.io_bound``) and changes the page. If it returns trials that are
            not complete, the page says how many there are, and is refreshed again without a change of the store.
    """
    live = _LivePage(reader, experiment_id, refresh, current_frame())
    ui.on("retiarii_visible", lambda event: live.show(event.args is True))
    ui.timer(0, live.listen, once=True)
    ui.timer(0, live.run, once=True)


class _LivePage:
    """One open page that follows the store."""

    def __init__(self, reader: Reader, experiment_id: str | None, refresh: Refresh, frame: Frame) -> None:
        self._reader, self._experiment_id, self._refresh, self._frame = reader, experiment_id, refresh, frame
        self._is_shown = asyncio.Event()
        self._is_shown.set()
        self._change: Change | None = None  # the latest; None after the last one
        self._is_stale = asyncio.Event()
        self._header = _Header()

    def show(self, is_shown: bool) -> None:
        """Pause while the tab is hidden."""
        if is_shown:
            self._is_shown.set()
        else:
            self._is_shown.clear()

    async def listen(self) -> None:
        """Note what the store's latest change is, until the page is closed."""
        try:
            async with aclosing(self._reader.changes.follow(self._experiment_id)) as changes:
                async for self._change in changes:
                    self._is_stale.set()
        finally:
            self._change = None
            self._is_stale.set()

    async def run(self) -> None:
        """Refresh the page after changes, and while it is not complete, until it is closed."""
        while True:
            await self._is_stale.wait()
            await self._is_shown.wait()
            self._is_stale.clear()
            if self._change is None:
                return
            began = time.monotonic()
            if not await self._show(self._change):
                self._is_stale.set()
            await asyncio.sleep(max(0.0, began + _PAUSE_S - time.monotonic()))

    async def _show(self, change: Change) -> bool:
        """Show the present state; return whether it is complete, and nothing is left to do until the next change."""
        self._frame.show_banner("store", change.problem, "error")
        if change.problem:
            return True
        trials, problem = None, ""
        try:
            await self._show_header(change)
            if not change.is_deleted:
                trials = await self._refresh()
        except NotFoundError as err:
            problem = str(err)
        except RetiariiError as err:
            problem = f"{err} This page tries again with the next change."
        except Exception as err:
            logger.exception("A refresh of a page failed")
            problem = f"This page could not be brought up to date ({type(err).__name__}: {err}). The log has more."
        self._frame.show_banner("refresh", problem, "error")
        return self._show_reading(trials, change)

    def _show_reading(self, trials: TrialsNow | None, change: Change) -> bool:
        """Say how far trials are read; return whether they are complete."""
        total = sum(change.counts.values())
        if trials is None or trials.is_complete:
            self._frame.show_banner("trials", "")
            return True
        if trials.problem:
            self._frame.show_banner("trials", trials.problem)
        elif len(trials.table) < total:
            reading = f"Reading trials: {len(trials.table):,} of {total:,} so far. This page shows more in a moment."
            self._frame.show_banner("trials", reading, "info")
        return False

    async def _show_header(self, change: Change) -> None:
        if self._experiment_id is None:
            return
        header = await run.io_bound(_header, self._reader, self._experiment_id, change)
        if header is None or header == self._header:
            return
        self._header = header
        self._frame.show_experiment(header.name, header.state)
        self._frame.show_banner("experiment", header.banner, "error" if change.is_deleted else "warning")


@dataclass(frozen=True)
class _Header:
    """What the header of a page shows of its experiment.

    Attributes:
        name: Its name, or its id.
        state: Its state, or ``"stopping"``, ``"interrupted"`` or ``"deleted"``.
        banner: A sentence for a state that somebody should act on.
    """

    name: str = ""
    state: str = ""
    banner: str = ""


def _header(reader: Reader, experiment_id: str, change: Change) -> _Header:
    """Return what the header shows.

    Raises:
        StorageError: The store cannot be read.
    """
    if change.is_deleted or change.state is None:
        gone = f"There is no experiment {experiment_id!r} in {reader.store.where}. It may have been deleted."
        return _Header(experiment_id, "deleted", gone)
    name = reader.store.get_experiment(experiment_id).name or experiment_id
    if change.state is ExperimentState.RUNNING and not change.is_running:
        command = reader.store.command(f"resume {experiment_id}")
        since = f" {age_text(change.updated)}" if change.updated is not None else ""
        return _Header(name, "interrupted", f"The process of this experiment ended{since}. Go on with: {command}")
    if change.is_running and change.stop_requested:
        return _Header(name, "stopping", "It was asked to stop, and ends when its running trials have ended.")
    return _Header(name, change.state.value)
