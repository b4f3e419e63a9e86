"""`ExperimentStatus`: how an experiment is doing in numbers, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import run, ui

from retiarii._counted import counted
from retiarii._readable import duration_text, number_text
from retiarii.dashboard._pages.blocks import badge, bar, code, notice, stat, stats
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.fields import button
from retiarii.dashboard._pages.frame import address
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._reading.overview import Overview
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._steering.resuming import RESUMING
from retiarii.dashboard._steering.stopping import stop
from retiarii.errors import RetiariiError
from retiarii.storage import Store
from retiarii.trial import DEFAULT, TrialState

_KINDS = {"stopped": "warning", "failed": "error", "stopping": "info", "running": "info", "done": "good"}


class ExperimentStatus:
    """How an experiment is doing: numbers, progress, a sentence where there is something to do, and the buttons.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader, self._id = reader, experiment_id
        self._advice = Region("stack")
        self._buttons = Region("cluster")
        self._numbers = Region()
        self._bar = Region()
        self._counts = Region("cluster")
        self._stop_dialog = self._draw_stop_dialog()

    def show(self, found: Overview) -> None:
        """Show the experiment as it is now."""
        self._advice.show((found.sentence, found.command), lambda: _draw_advice(found))
        self._buttons.show(found.state, lambda: self._draw_buttons(found))
        numbers = _numbers(found)
        self._numbers.show(numbers, lambda: _draw_numbers(numbers))
        share = found.progress.share
        percent = None if share is None else round(100 * share)
        self._bar.show(percent, lambda: None if share is None else bar(share, f"{percent} % done", is_wide=True))
        self._counts.show(dict(found.counts), lambda: _draw_counts(found))

    def _draw_buttons(self, found: Overview) -> None:
        if found.state == "running":
            button("Stop…", self._stop_dialog.open, look="danger")
        if found.can_resume:
            button("Resume", self._resume, look="primary")

    def _draw_stop_dialog(self) -> ui.dialog:
        with ui.dialog() as dialog, ui.card():
            text("h2", "Stop this experiment?")
            text("p", "It ends when its running trials have ended. It can be resumed at any time.")
            with element("div", "cluster"):
                button("Stop it", self._stop, look="danger")
                button("Let it run", dialog.close)
        return dialog

    async def _stop(self) -> None:
        self._stop_dialog.close()
        await self._do(stop, "It was asked to stop.")

    async def _resume(self) -> None:
        await self._do(RESUMING.resume, "It goes on.")

    async def _do(self, action: Callable[[Store, str], object], done: str) -> None:
        try:
            await run.io_bound(action, self._reader.store, self._id)
        except RetiariiError as err:
            ui.notify(str(err), type="negative", multi_line=True)
        else:
            ui.notify(done)


def _draw_advice(found: Overview) -> None:
    if found.sentence:
        notice(found.sentence, _KINDS[found.state])
    if found.command:
        code(found.command, name="command that resumes it")


def _numbers(found: Overview) -> list[tuple[str, str, str]]:
    """Return labels, values and notes of the numbers at the top."""
    progress, best = found.progress, found.best
    metric = found.record.objectives.primary.metric
    name = "result" if metric == DEFAULT else metric
    value = None if best is None else (best.metrics or {}).get(metric)
    failed = found.counts.get(TrialState.FAILED, 0)
    numbers = [
        (f"Best {name}", number_text(value), f"trial {best.number}" if best else "no result yet"),
        ("Trials", f"{progress.done:,}", f"of {progress.total:,}" if progress.total else "finished"),
        ("Ran for", duration_text(progress.spent_s), _limit_text(found)),
        ("Failed", f"{failed:,}", f"{failed / progress.done:.0%} of finished trials" if progress.done else ""),
    ]
    if found.num_epochs:
        numbers.insert(1, ("Epochs", f"{found.num_epochs:,}", "of the supernet"))
    return numbers


def _limit_text(found: Overview) -> str:
    progress = found.progress
    parts = [f"of at most {duration_text(progress.limit_s)}"] if progress.limit_s else []
    parts += [f"about {duration_text(progress.left_s)} left"] if progress.left_s is not None else []
    return ", ".join(parts)


def _draw_numbers(numbers: list[tuple[str, str, str]]) -> None:
    with stats():
        for label, value, note in numbers:
            stat(label, value, note)


def _draw_counts(found: Overview) -> None:
    for state, count in found.counts.items():
        if count:
            link = element("a", "plain", href=address(found.record.id, "trials", state=state.value))
            with link:
                badge(state.value, f"{count:,} {state.value}")
    text("span", counted(sum(found.counts.values()), "trial") + " in all", "muted small")
