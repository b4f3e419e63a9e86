"""`FailuresCard`: why trials failed, grouped by reason, with traceback and output one click away."""

from __future__ import annotations

from nicegui import run, ui

from retiarii._counted import counted
from retiarii.dashboard._pages.blocks import card, code
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import address
from retiarii.dashboard._pages.output import output_tail
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._reading.overview import Overview
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import RetiariiError
from retiarii.storage import FailureReason

_MOST_REASONS = 20


class FailuresCard:
    """A card with the reasons of failures, most frequent first.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader, self._id = reader, experiment_id
        self._reasons: dict[tuple[str, str], _Reason] = {}
        self._card = card("Failures")
        with self._card:
            self._none = Region()
            self._list = element("div", "stack")
            self._more = Region()

    def show(self, found: Overview) -> None:
        """Show the reasons as they are now; opened ones stay open."""
        self._none.show((bool(found.failures),), lambda: None if found.failures else _draw_none())
        total = sum(reason.count for reason in found.failures)
        self._card.show_note(f"{counted(total, 'trial')}, by reason" if total else "")
        for reason in found.failures[:_MOST_REASONS]:
            key = reason.kind.value, reason.message
            if key not in self._reasons:
                with self._list:
                    self._reasons[key] = _Reason(self._reader, self._id, reason)
            self._reasons[key].show(reason)
        hidden = len(found.failures) - _MOST_REASONS
        self._more.show((hidden,), lambda: _draw_more(self._id, hidden))


class _Reason:
    """One reason; opened, it shows the traceback and the output of its first trial."""

    def __init__(self, reader: Reader, experiment_id: str, reason: FailureReason) -> None:
        self._reader, self._id, self._example = reader, experiment_id, reason.example
        self._is_loaded = False
        with element("details", "reason") as box:
            with element("summary"):
                self._count = text("span", "", "badge failed", title="number of trials")
                text("span", reason.message or "no message", "reason-message")
                text("span", reason.kind.value.replace("_", " "), "muted small")
            self._body = element("div", "stack reason-body")
        box.on("toggle", self._load)

    def show(self, reason: FailureReason) -> None:
        """Show the number of its trials."""
        self._count.text = f"{reason.count:,}"

    async def _load(self) -> None:
        if self._is_loaded:
            return
        self._is_loaded = True
        try:
            trial = await run.io_bound(self._reader.store.get_trial, self._id, self._example)
        except RetiariiError as err:
            self._is_loaded = False
            ui.notify(str(err), type="negative", multi_line=True)
            return
        if trial is None:  # the server is shutting down
            return
        with self._body:
            with element("p"):
                text("span", "First in ")
                text("a", f"trial {trial.number}", href=address(self._id, f"trials/{trial.number}"))
            if trial.failure is not None and trial.failure.traceback:
                code(trial.failure.traceback.rstrip(), name="traceback")
            output_tail(trial.output)


def _draw_none() -> None:
    text("p", "No trial has failed.", "muted")


def _draw_more(experiment_id: str, hidden: int) -> None:
    if hidden > 0:
        text("a", f"{hidden:,} more reasons: all failed trials", href=address(experiment_id, "trials", state="failed"))
