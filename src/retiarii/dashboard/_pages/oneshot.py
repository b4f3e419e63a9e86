"""The page of a one-shot search: probabilities, entropy, sampled paths and losses of its supernet."""

from __future__ import annotations

import math

from nicegui import run, ui

from retiarii._readable import number_text
from retiarii._visible import visible_line
from retiarii.analysis import LabelCourse, SupernetCourse
from retiarii.dashboard._pages.blocks import card, empty, stat, stats
from retiarii.dashboard._pages.chart import Chart, chart
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._reading.supernet_view import SupernetEpochs
from retiarii.plot import entropy, losses, probabilities, probability_curves

_AT_FIRST = 8  # labels in the heat map
_MAX_LISTED = 500


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/experiments/{experiment_id}/oneshot")
    def oneshot(experiment_id: str) -> None:
        with frame("One-shot", experiment_id, "oneshot", lead="How the supernet chooses, epoch by epoch."):
            page = _OneShotPage(reader, experiment_id)
            follow(reader, experiment_id, page.refresh)


class _OneShotPage:
    """The parts of the page.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader = reader
        self._epochs = SupernetEpochs(experiment_id)
        self._course: SupernetCourse | None = None
        self._place = element("div", "stack-page")
        self._stats: ui.element | None = None
        self._label: str | None = None
        self._shows_all = False

    async def refresh(self) -> None:
        """Show the epochs as they are now."""
        course = await run.io_bound(self._epochs.course, self._reader.store)
        if course is None or course is self._course:
            return
        is_first = self._course is None or not len(self._course.number)
        self._course = course
        if not len(course.number):
            self._place.clear()
            with self._place, card("Supernet", is_flush=True):
                empty(
                    "No epochs of a supernet",
                    "A one-shot strategy, such as retiarii.strategy.DARTS(), trains a supernet and shows here after "
                    "each epoch how probable each candidate is. Multi-trial strategies have trials instead.",
                )
        elif is_first:
            self._draw(course)
        else:
            self._update(course)

    def _draw(self, course: SupernetCourse) -> None:
        self._place.clear()
        with self._place:
            self._stats = element("div")
            with card("Probability of every candidate", "the most undecided labels first") as box:
                with box.tools:
                    self._more = text("button", "", "button quiet", type="button")
                    self._more.on("click", self._toggle)
                self._heat = chart(probabilities(course, max_labels=_AT_FIRST), "", height=240)
            with card("One label") as box:
                with box.tools:
                    self._chooser = _label_chooser(course, self._choose)
                self._curves = chart(probability_curves(course), "", height=340)
                self._table = element("div")
            with element("div", "grid-2"):
                with card("Entropy"):
                    self._entropy = chart(entropy(course), "", height=320)
                with card("Losses and metrics"):
                    self._losses = chart(losses(course), "", height=320)
            with card("Sampled paths", is_flush=True) as box:
                self._paths_card = box
        self._update(course)

    def _update(self, course: SupernetCourse) -> None:
        last = int(course.number[-1])
        assert self._stats is not None  # drawn before
        self._stats.clear()
        with self._stats:
            _draw_stats(course)
        self._show_heat(course)
        self._show_label(course)
        mean, limit = course.mean_entropy[-1], course.mean_max_entropy
        alternative = f"Mean entropy after epoch {last}: {number_text(mean)} of at most {number_text(limit)} nats."
        self._entropy.show(entropy(course), alternative)
        metrics = ", ".join(f"{name} {number_text(values[-1])}" for name, values in course.metrics.items())
        self._losses.show(losses(course), f"Metrics after epoch {last}: {metrics}.")
        self._paths_card.body.clear()
        with self._paths_card:
            _draw_paths(course)

    def _show_heat(self, course: SupernetCourse) -> None:
        total = len(course.labels)
        count = total if self._shows_all else min(_AT_FIRST, total)
        self._more.text = f"Show {_AT_FIRST} labels" if self._shows_all else f"Show all {total} labels"
        self._more.classes(**({"remove": "is-hidden"} if total > _AT_FIRST else {"add": "is-hidden"}))
        figure = probabilities(course, max_labels=count)
        alternative = f"Heat map of {count} of {total} labels over {len(course.number)} epochs. " + _summary(course)
        _show_at_height(self._heat, figure, alternative)

    def _show_label(self, course: SupernetCourse) -> None:
        label = course.label(self._label) if self._label is not None else None
        label = label or next(iter(course.labels), None)
        if label is None:
            return
        figure = probability_curves(course, label.label)
        self._curves.show(figure, f"Probabilities of the candidates of {label.label}: {_shares(label)}.")
        self._table.clear()
        with self._table:
            _draw_label(label, course)

    def _toggle(self) -> None:
        self._shows_all = not self._shows_all
        if self._course is not None:
            self._show_heat(self._course)

    def _choose(self, label: object) -> None:
        self._label = label if isinstance(label, str) else None
        if self._course is not None:
            self._show_label(self._course)


def _show_at_height(shown: Chart, figure: object, alternative: str) -> None:
    """Replace a figure by one of another height."""
    height = figure.layout.height  # type: ignore[attr-defined] # a Plotly figure
    shown.plot.figure["layout"]["height"] = height
    shown.plot.parent_slot.parent.style(f"height: {height}px")  # type: ignore[union-attr] # it has one
    shown.show(figure, alternative)


def _label_chooser(course: SupernetCourse, choose: object) -> ui.element:
    with element("div", "field beside"):
        text("label", "Label", for_="oneshot-label")
        with element("select", "input network-label", id="oneshot-label") as chooser:
            for label in course.labels[:_MAX_LISTED]:
                text("option", visible_line(label.label), value=label.label)
    chooser.on("change", lambda event: choose(event.args), js_handler="(event) => emit(event.target.value)")  # type: ignore[operator] # a function
    return chooser


def _draw_stats(course: SupernetCourse) -> None:
    undecided = sum(label.openness >= 0.99 for label in course.labels)
    with stats():
        stat("Epochs", len(course.number))
        mean, limit = float(course.mean_entropy[-1]), course.mean_max_entropy
        if math.isfinite(mean):
            stat("Mean entropy", number_text(mean), f"of at most {number_text(limit)} nats")
        stat("Undecided labels", f"{undecided} of {len(course.labels)}" if course.is_learnt else "none is learnt")
        for name, values in list(course.metrics.items())[:3]:
            if name != "default":
                stat(visible_line(name), number_text(float(values[-1])))
        if math.isfinite(course.temperature[-1]):
            stat("Temperature", number_text(float(course.temperature[-1])))


def _draw_label(label: LabelCourse, course: SupernetCourse) -> None:
    """Draw the candidates of a label: probability, and how often they were sampled in the last epoch."""
    order = sorted(range(len(label.candidates)), key=lambda index: -_known(label.probabilities[-1, index]))
    with element("div", "table-scroll", tabindex="0", role="region", aria_label="Candidates of the label"):
        with element("table", "data"):
            text("caption", f"Candidates of {label.label} after the last epoch")
            with element("thead"), element("tr"):
                text("th", "Candidate", scope="col")
                text("th", "Probability", "number", scope="col")
                if course.num_sampled:
                    text("th", "Sampled", "number", scope="col")
            with element("tbody"):
                for index in order:
                    with element("tr"):
                        text("th", visible_line(label.candidates[index]), scope="row")
                        text("td", f"{label.probabilities[-1, index]:.3f}", "number")
                        if course.num_sampled:
                            text("td", f"{label.sampled[index]} \u00d7", "number")


def _draw_paths(course: SupernetCourse) -> None:
    if not course.paths:
        empty("No sampled paths", "This strategy trains all candidates at once, or its epochs have no paths.")
        return
    with element("div", "table-scroll", tabindex="0", role="region", aria_label="Sampled paths"):
        with element("table", "data"):
            text("caption", "The most frequent paths of the last epoch")
            with element("thead"), element("tr"):
                text("th", "Path", scope="col")
                text("th", f"of {course.num_sampled}", "number", scope="col")
            with element("tbody"):
                for path in course.paths:
                    with element("tr"):
                        shown = ", ".join(f"{label} = {value}" for label, value in path.choices.items())
                        text("th", visible_line(shown), "wrap-anywhere mono", scope="row")
                        text("td", f"{path.count} \u00d7", "number")


def _summary(course: SupernetCourse) -> str:
    return " ".join(f"{label.label}: {_shares(label, 1)}." for label in course.labels[:_AT_FIRST])


def _shares(label: LabelCourse, most: int = 8) -> str:
    last = sorted(zip(label.probabilities[-1], label.candidates, strict=True), key=lambda pair: -_known(pair[0]))
    return ", ".join(f"{name} {share:.2f}" for share, name in last[:most])


def _known(value: float) -> float:
    return value if math.isfinite(value) else -1.0
