"""The page of one trial: its metrics, architecture, curve, files, failure and output."""

from __future__ import annotations

import json

from nicegui import run, ui

from retiarii._readable import duration_text, moment_text, number_text, size_text
from retiarii.dashboard._pages.blocks import badge, card, code, facts, notice
from retiarii.dashboard._pages.curves_card import CurvesCard
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.fields import button
from retiarii.dashboard._pages.frame import address, frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._pages.output import output_tail
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._pages.values import value_text
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._reading.trial_details import TrialDetails, trial_details
from retiarii.trial import Failure


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/experiments/{experiment_id}/trials/{number}")
    def trial(experiment_id: str, number: int) -> None:
        with frame(f"Trial {number}", experiment_id, "trials"):
            page = _TrialPage(reader, experiment_id, number)
            follow(reader, experiment_id, page.refresh)


class _TrialPage:
    """The parts of the page.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
        number: The trial.
    """

    def __init__(self, reader: Reader, experiment_id: str, number: int) -> None:
        self._reader, self._id, self._number = reader, experiment_id, number
        self._architecture_json = ""
        self._links = Region("cluster")
        self._failure = Region("stack")
        with element("div", "grid-2"):
            with card("Result"):
                self._result = Region("stack")
            with card("Architecture") as box:
                with box.tools:
                    button("Download JSON", self._download, look="quiet")
                self._architecture = Region("stack")
        self._curves = CurvesCard("Reported on the way")
        with card("Output"):
            self._output = Region("stack")

    async def refresh(self) -> None:
        """Show the trial as it is now."""
        found = await run.io_bound(trial_details, self._reader.store, self._id, self._number)
        if found is not None:
            self.show(found)

    def show(self, found: TrialDetails) -> None:
        """Show the trial."""
        trial = found.trial
        self._architecture_json = json.dumps(trial.architecture.to_json(), indent=2)
        self._links.show((found.numbers, trial.state), lambda: _draw_links(found))
        self._failure.show((trial.failure, trial.reason), lambda: _draw_failure(trial.failure, trial.reason))
        pairs = _pairs(found)
        self._result.show((pairs, found.parents), lambda: _draw_result(found, pairs))
        self._architecture.show(trial.architecture, lambda: _draw_architecture(found))
        self._curves.show([trial])
        self._output.show((trial.output,), lambda: output_tail(trial.output))

    def _download(self) -> None:
        ui.download.content(self._architecture_json, f"{self._id}-trial-{self._number}.json", "application/json")


def _draw_links(found: TrialDetails) -> None:
    number = found.trial.number
    badge(found.trial.state.value)
    text("a", "Show the network", "button", href=address(found.record.id, "architecture", trial=number))
    before, after = found.numbers
    if before is not None:
        text("a", "Previous", "button quiet", href=address(found.record.id, f"trials/{before}"))
    if after is not None:
        text("a", "Next", "button quiet", href=address(found.record.id, f"trials/{after}"))


def _draw_failure(failure: Failure | None, reason: str) -> None:
    if reason:
        notice(f"Pruned: {reason}")
    if failure is None:
        return
    notice(f"{failure.kind.value.replace('_', ' ')}: {failure.message}", "error")
    if failure.traceback:
        with element("details"):
            text("summary", "Traceback")
            code(failure.traceback.rstrip(), name="traceback")


def _pairs(found: TrialDetails) -> list[tuple[str, str]]:
    trial = found.trial
    pairs = [(name, number_text(value)) for name, value in (trial.metrics or {}).items()]
    if not trial.is_feasible:
        pairs.append(("constraints", f"broken by {number_text(trial.violation)}"))
    pairs += [("given", ", ".join(f"{name} {value_text(amount)}" for name, amount in trial.fidelity.items()))]
    pairs += [("started", moment_text(trial.started) if trial.started is not None else "")]
    pairs += [("time", duration_text(trial.duration_s) if trial.duration_s is not None else "")]
    pairs += [("device", trial.device or "")]
    pairs += [("weights", f"{found.checkpoint} ({size_text(found.checkpoint_bytes)})" if found.checkpoint else "")]
    return [(name, value) for name, value in pairs if value]


def _draw_result(found: TrialDetails, pairs: list[tuple[str, str]]) -> None:
    facts(pairs)
    if not found.parents:
        return
    with element("p"):
        text("span", "Continues ")
        for place, number in enumerate(found.parents):
            if place:
                text("span", " ← ")
            text("a", f"trial {number}", href=address(found.record.id, f"trials/{number}"))


def _draw_architecture(found: TrialDetails) -> None:
    chosen = found.trial.architecture
    facts([(label, value_text(value)) for label, value in chosen.items()])
    with element("details"):
        text("summary", "As JSON")
        code(json.dumps(chosen.to_json(), indent=2), name="architecture as JSON")
