"""The page of the search space: its choices, which of them matter, and how their candidates fared."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nicegui import run, ui
from plotly import graph_objects

from retiarii._readable import number_text
from retiarii._visible import visible_line
from retiarii.analysis import CandidateResult, LabelImportance, candidate_results, importance
from retiarii.dashboard._pages.blocks import bar, card, empty, notice
from retiarii.dashboard._pages.chart import Chart, chart
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._reading.kept_tables import TrialsNow
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import SpaceError
from retiarii.plot import parallel
from retiarii.space import SearchSpace

_HEIGHT = 420
_MOST_LABELS = 500


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/experiments/{experiment_id}/space")
    def space(experiment_id: str) -> None:
        with frame(
            "Space", experiment_id, "space", lead="The choices, which of them matter, and how candidates fared."
        ):
            page = _SpacePage(reader, experiment_id)
            follow(reader, experiment_id, page.refresh)


@dataclass(frozen=True)
class _SpaceView:
    """What the page shows.

    Attributes:
        trials: The trials as far as they are known.
        rows: For each choice: label, domain, condition, place of declaration.
        size: The number of choices and architectures, in words.
        problem: Why the space cannot be read.
        metric: The metric by which candidates are compared.
        shares: The importance of each choice that was drawn.
        candidates: The results of each value, by label.
        lines: The figure of the architectures.
        words: What the figure shows, in a sentence.
    """

    trials: TrialsNow
    rows: list[tuple[str, str, str, str]]
    size: str
    problem: str
    metric: str
    shares: list[LabelImportance]
    candidates: dict[str, list[CandidateResult]]
    lines: graph_objects.Figure
    words: str


class _SpacePage:
    """The parts of the page.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader, self._id = reader, experiment_id
        self._view: _SpaceView | None = None
        self._label: str | None = None
        self._labels: list[str] = []
        self._chart: Chart | None = None
        self._choices = card("Choices", is_flush=True)
        self._candidates = card("Candidates of one choice", is_flush=True)
        self._lines = card("Architectures", "a line for each completed trial, over the choices that matter most")

    async def refresh(self) -> TrialsNow | None:
        """Show the space and the trials as far as they are known now, and return them."""
        view = await run.io_bound(self._read)
        if view is None:  # the server is shutting down
            return None
        self._view = view
        self._choices.show_note(view.size)
        self._choices.body.clear()
        with self._choices:
            _draw_choices(view)
        labels = [one.label for one in view.shares][:_MOST_LABELS]
        if labels != self._labels:
            self._draw_chooser(labels)
        self._show_candidates()
        if view.trials.is_complete:  # browsers without a graphics card take seconds to draw the lines
            self._show_lines(view)
        return view.trials

    def _show_lines(self, view: _SpaceView) -> None:
        if self._chart is None:
            with self._lines:
                self._chart = chart(view.lines, view.words, height=_HEIGHT)
        else:
            self._chart.show(view.lines, view.words)

    def _read(self) -> _SpaceView:
        trials = self._reader.trials_now(self._id)
        table = trials.table
        rows: list[tuple[str, str, str, str]] = []
        size = problem = ""
        try:
            if table.record.space:
                found = SearchSpace.from_json(table.record.space)
                rows, size = found.rows(), found.describe().rpartition("\n\n")[2]
        except SpaceError as err:
            problem = str(err)
        shares = importance(table)
        most = ", ".join(f"{one.label} {one.share:.2f}" for one in shares[:3])
        return _SpaceView(
            trials,
            rows,
            size,
            problem,
            table.record.objectives.primary.metric,
            shares,
            candidate_results(table),
            parallel(table, height=_HEIGHT),
            f"Architectures over their choices. Importance: {most}." if most else "No completed trials yet.",
        )

    def _draw_chooser(self, labels: list[str]) -> None:
        self._labels = labels
        if self._label not in labels:
            self._label = labels[0] if labels else None
        self._candidates.tools.clear()
        if not labels:
            return
        with self._candidates.tools, element("div", "field beside"):
            text("label", "Choice", for_="space-label")
            with element("select", "input network-label", id="space-label") as chooser:
                for label in labels:
                    text("option", visible_line(label), value=label, selected=label == self._label)
        chooser.on("change", lambda event: self._choose(event.args), js_handler="(event) => emit(event.target.value)")

    def _choose(self, label: object) -> None:
        if label in self._labels:
            self._label = str(label)
            self._show_candidates()

    def _show_candidates(self) -> None:
        assert self._view is not None  # read before
        self._candidates.body.clear()
        with self._candidates:
            if self._label is None:
                empty(
                    "No trials yet",
                    "Once trials have run, this shows how often each candidate was drawn and how it fared.",
                )
            else:
                _draw_candidates(self._label, self._view)


def _draw_choices(view: _SpaceView) -> None:
    if view.problem:
        notice(f"The search space cannot be read: {view.problem}", "warning")
    shares = {one.label: one.share for one in view.shares}
    rows = view.rows or [(label, "", "", "") for label in shares]
    if not rows:
        empty("No search space", "This experiment has no choices, or an earlier version has not stored them.")
        return
    with element("div", "table-scroll", tabindex="0", role="region", aria_label="Choices"):
        with element("table", "data"):
            text("caption", "The choices of the search space, and the share of the differences that each explains")
            with element("thead"), element("tr"):
                for name in ("Label", "Importance", "Domain", "Active when", "Declared at"):
                    text("th", name, scope="col")
            with element("tbody"):
                for label, domain, condition, place in rows[:_MOST_LABELS]:
                    with element("tr"):
                        text("th", visible_line(label), scope="row")
                        with element("td"):
                            _draw_share(label, shares.get(label))
                        text("td", visible_line(domain), "mono")
                        text("td", visible_line(condition))
                        text("td", visible_line(place), "mono")


def _draw_share(label: str, share: float | None) -> None:
    if share is None:
        text("span", "-")
        return
    with element("div", "cluster"):
        bar(share, f"Importance of {visible_line(label)}")
        text("span", f"{share:.2f}", "number")


def _draw_candidates(label: str, view: _SpaceView) -> None:
    with element("div", "table-scroll", tabindex="0", role="region", aria_label="Candidates"):
        with element("table", "data"):
            text("caption", f"Candidates of {visible_line(label)}, best mean first")
            with element("thead"), element("tr"):
                text("th", "Candidate", scope="col")
                for name in ("Drawn", "Completed", "Failed", f"Mean {view.metric}", f"Best {view.metric}"):
                    text("th", visible_line(name), "number", scope="col")
            with element("tbody"):
                for one in view.candidates.get(label, ()):
                    with element("tr"):
                        text("th", visible_line(str(one.value)), "wrap-anywhere mono", scope="row")
                        for count in (one.num_drawn, one.num_completed, one.num_failed):
                            text("td", f"{count:,}", "number")
                        for value in (one.mean, one.best):
                            text("td", "-" if math.isnan(value) else number_text(value), "number")
