"""`/events`: changes as they happen, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from retiarii.dashboard._api.problems import problems_of_files
from retiarii.dashboard._reading.change import Change
from retiarii.dashboard._reading.reader import Reader
from retiarii.storage import ExperimentState

HEARTBEAT_S = 15.0
"""A comment is sent after this time without a change, so that both sides notice a broken connection."""

_RETRY_MS = 2000


class EventStream(StreamingResponse):
    """A stream of server-sent events."""

    media_type = "text/event-stream"


def event_routes(reader: Reader) -> APIRouter:
    """Return the endpoint of changes."""
    routes = APIRouter(tags=["events"])

    @routes.get("/events", response_class=EventStream, responses=problems_of_files())
    async def follow(
        experiment: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=64,
                pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
                description="Only changes of the experiment with this id.",
            ),
        ] = None,
        last_event_id: Annotated[
            str | None, Header(description="Ignored: the first event has the present state.")
        ] = None,
    ) -> EventStream:
        """Stream changes of an experiment, or of all, as server-sent events named `change`.

        The first event has the present state. Each has JSON data: `experiment_id` (null for the list of experiments),
        `state`, `is_running`, `stop_requested`, `updated`, `counts` of trials by state, the numbers of trials that
        `started`, `ended` and `reported` since the last event, `num_epochs`, `is_complete` (whether these numbers are
        all; if not, read everything anew), `is_deleted`, and `problem` (why the store cannot be read, or empty).
        """
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}
        return EventStream(_events(reader.changes.follow(experiment)), headers=headers)

    return routes


async def _events(changes: AsyncIterator[Change]) -> AsyncIterator[str]:
    yield f"retry: {_RETRY_MS}\n\n"
    number = 0
    while True:
        coming = asyncio.ensure_future(_next(changes))
        try:
            while not (await asyncio.wait({coming}, timeout=HEARTBEAT_S))[0]:
                yield ": nothing new\n\n"
            change = coming.result()
            if change is None:  # the server ends
                return
        finally:
            if not coming.done():
                coming.cancel()
                with suppress(asyncio.CancelledError):
                    await coming
        number += 1
        yield f"id: {number}\nevent: change\ndata: {json.dumps(_json(change))}\n\n"


async def _next(changes: AsyncIterator[Change]) -> Change | None:
    return await anext(changes, None)


def _json(change: Change) -> dict[str, Any]:
    was_killed = change.state is ExperimentState.RUNNING and not change.is_running
    state = ExperimentState.STOPPED if was_killed else change.state
    return {
        "experiment_id": change.experiment_id,
        "state": None if state is None else state.value,
        "is_running": change.is_running,
        "stop_requested": change.stop_requested,
        "updated": change.updated,
        "counts": {state.value: count for state, count in change.counts.items()},
        "started": change.started,
        "ended": change.ended,
        "reported": change.reported,
        "num_epochs": change.num_epochs,
        "is_complete": change.is_complete,
        "is_deleted": change.is_deleted,
        "problem": change.problem,
    }
