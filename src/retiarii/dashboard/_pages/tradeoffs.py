"""The page of trade-offs: trials by any two metrics, with the Pareto front and limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from nicegui import run, ui
from plotly import graph_objects

from retiarii._counted import counted
from retiarii._readable import number_text
from retiarii._visible import visible_line
from retiarii.analysis import TrialTable, pareto_rows
from retiarii.dashboard._pages.blocks import card, empty
from retiarii.dashboard._pages.chart import Chart, chart
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.frame import address, frame
from retiarii.dashboard._pages.live import follow
from retiarii.dashboard._reading.kept_tables import TrialsNow
from retiarii.dashboard._reading.reader import Reader
from retiarii.plot import pareto, two_objectives
from retiarii.trial import Direction, Objective, Objectives, TrialState

_HEIGHT = 440
_MOST_LISTED = 100
_LEAD = "Which values of two metrics can be had together."


def add_pages(reader: Reader) -> None:
    """Add the page to the app."""

    @ui.page("/experiments/{experiment_id}/tradeoffs")
    def tradeoffs(experiment_id: str) -> None:
        with frame("Trade-offs", experiment_id, "tradeoffs", lead=_LEAD):
            page = _TradeOffsPage(reader, experiment_id)
            follow(reader, experiment_id, page.refresh)


@dataclass(frozen=True)
class _Drawn:
    """What the page shows of a table.

    Attributes:
        trials: The trials as far as they are known.
        figure: The figure of the two metrics.
        words: What the figure shows, in a sentence.
        front: The rows of the Pareto front.
        within: How many trials keep both limits; None without limits.
        names: All metrics.
        objectives: The two metrics that are compared.
    """

    trials: TrialsNow
    figure: graph_objects.Figure
    words: str
    front: list[int]
    within: int | None
    names: tuple[str, ...]
    objectives: Objectives


class _TradeOffsPage:
    """The parts of the page.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader, self._id = reader, experiment_id
        self._chosen: dict[str, str] = {}
        self._limits = {"across": math.nan, "up": math.nan}
        self._names: tuple[str, ...] | None = None
        self._chart: Chart | None = None
        with card("Pareto front") as self._card:
            self._filters = element("div", "filters cluster")
            self._place = element("div").style(f"min-height: {_HEIGHT}px")
        with card("Trials of the front", is_flush=True) as self._list:
            pass

    async def refresh(self) -> TrialsNow | None:
        """Show the trials as far as they are known now, and return them."""
        drawn = await run.io_bound(self._read)
        if drawn is None:  # the server is shutting down
            return None
        if drawn.names != self._names:
            self._names = drawn.names
            self._draw_fields(drawn)
        within = "" if drawn.within is None else f", {counted(drawn.within, 'trial')} within the limits"
        self._card.show_note(f"{counted(len(drawn.front), 'trial')}{within}")
        if self._chart is None:
            with self._place:
                self._chart = chart(drawn.figure, drawn.words, height=_HEIGHT)
        else:
            self._chart.show(drawn.figure, drawn.words)
        self._list.body.clear()
        with self._list:
            _draw_front(self._id, drawn)
        return drawn.trials

    def _read(self) -> _Drawn:
        trials = self._reader.trials_now(self._id)
        table = trials.table
        objectives = self._objectives(table)
        across, up = objectives.items[0], objectives.items[-1]
        figure = pareto(table, objectives, height=_HEIGHT)
        limits = {"across": across, "up": up}
        for axis, objective in limits.items():
            if math.isfinite(self._limits[axis]):
                _add_limit(figure, axis, self._limits[axis], objective)
        rows = [int(row) for row in pareto_rows(table, objectives)]
        return _Drawn(
            trials,
            figure,
            _words(table, rows, across, up),
            rows,
            self._within(table, limits),
            tuple(dict.fromkeys((*table.record.objectives.names, *table.metrics))),
            objectives,
        )

    def _objectives(self, table: TrialTable) -> Objectives:
        usual = two_objectives(table).items
        items = {"across": usual[0], "up": usual[-1]}
        for axis, choice in self._chosen.items():
            direction, _, metric = choice.partition(":")
            items[axis] = Objective(metric, Direction(direction))
        if items["across"].metric == items["up"].metric:
            return Objectives((items["up"],))
        return Objectives((items["across"], items["up"]))

    def _within(self, table: TrialTable, limits: dict[str, Objective]) -> int | None:
        if not any(math.isfinite(limit) for limit in self._limits.values()):
            return None
        kept = table.is_in(TrialState.COMPLETED) & (table.violation == 0)
        for axis, objective in limits.items():
            if math.isfinite(self._limits[axis]):
                values = table.metrics.get(objective.metric, np.full(len(table), np.nan))
                is_small = objective.direction is Direction.MINIMIZE
                kept &= values <= self._limits[axis] if is_small else values >= self._limits[axis]
        return int(np.count_nonzero(kept))

    def _draw_fields(self, drawn: _Drawn) -> None:
        self._filters.clear()
        with self._filters:
            for axis, name, objective in (
                ("across", "Horizontal", drawn.objectives.items[0]),
                ("up", "Vertical", drawn.objectives.items[-1]),
            ):
                _metric_field(f"{name} metric", drawn.names, objective, self._chooser(axis))
                _limit_field(f"{name} limit", self._limiter(axis))

    def _chooser(self, axis: str) -> Callable[[str], object]:
        def choose(choice: str) -> object:
            self._chosen[axis] = choice
            return self.refresh()

        return choose

    def _limiter(self, axis: str) -> Callable[[str], object]:
        def limit(typed: str) -> object:
            try:
                self._limits[axis] = float(typed)
            except ValueError:  # empty
                self._limits[axis] = math.nan
            return self.refresh()

        return limit


def _metric_field(label: str, names: tuple[str, ...], chosen: Objective, choose: Callable[[str], object]) -> None:
    name = label.lower().replace(" ", "-")
    now = f"{chosen.direction.value}:{chosen.metric}"
    with element("div", "field"):
        text("label", label, for_=name)
        with element("select", "input", id=name) as field:
            for metric in names:
                for direction, better in ((Direction.MAXIMIZE, "larger"), (Direction.MINIMIZE, "smaller")):
                    value = f"{direction.value}:{metric}"
                    shown = f"{visible_line(metric)} ({better} is better)"
                    text("option", shown, value=value, selected=value == now)
    _react(field, choose)


def _limit_field(label: str, limit: Callable[[str], object]) -> None:
    name = label.lower().replace(" ", "-")
    with element("div", "field"):
        text("label", label, for_=name)
        field = element("input", "input", id=name, type="number", step="any", placeholder="none")
    _react(field, limit)


def _react(field: ui.element, on_change: Callable[[str], object]) -> None:
    async def changed(event: object) -> None:
        value = getattr(event, "args", None)
        if isinstance(value, str) and len(value) < 2000:
            await on_change(value)  # type: ignore[misc] # a coroutine

    field.on("change", changed, js_handler="(event) => emit(event.target.value)")


def _add_limit(figure: graph_objects.Figure, axis: str, limit: float, objective: Objective) -> None:
    """Draw the line of a limit, with its number."""
    is_small = objective.direction is Direction.MINIMIZE
    line = {"color": "#CC79A7", "width": 2, "dash": "dash"}
    if axis == "across":
        figure.add_vline(limit, line=line)
    else:
        figure.add_hline(limit, line=line)
    words = f"at {'most' if is_small else 'least'} {number_text(limit)}"
    place = {"x": limit, "yref": "paper", "y": 1} if axis == "across" else {"y": limit, "xref": "paper", "x": 1}
    figure.add_annotation(text=words, showarrow=False, xanchor="right", yanchor="top", **place)


def _words(table: TrialTable, rows: list[int], across: Objective, up: Objective) -> str:
    if not rows:
        return "No completed trial has both metrics."
    ends = [
        f"trial {table.number[row]} with {across.metric} {number_text(float(table.metrics[across.metric][row]))} and "
        f"{up.metric} {number_text(float(table.metrics[up.metric][row]))}"
        for row in dict.fromkeys((rows[0], rows[-1]))
    ]
    return f"{counted(len(rows), 'trial')} on the Pareto front: {' to '.join(ends)}."


def _draw_front(experiment_id: str, drawn: _Drawn) -> None:
    if not drawn.front:
        empty(
            "No trials to compare",
            "Completed trials that keep the constraints, and have both metrics, are compared here. Let the evaluation "
            "report several metrics, such as accuracy and latency, as a dict.",
        )
        return
    table, names = drawn.trials.table, dict.fromkeys(drawn.objectives.names)
    with element("div", "table-scroll", tabindex="0", role="region", aria_label="Trials of the front"):
        with element("table", "data"):
            text("caption", f"The Pareto front, best {drawn.objectives.items[0].metric} first")
            with element("thead"), element("tr"):
                text("th", "Trial", scope="col")
                for name in names:
                    text("th", visible_line(name), "number", scope="col")
                text("th", "Architecture", scope="col")
            with element("tbody"):
                for row in drawn.front[:_MOST_LISTED]:
                    _draw_trial(experiment_id, table, row, list(names))


def _draw_trial(experiment_id: str, table: TrialTable, row: int, names: list[str]) -> None:
    number = int(table.number[row])
    chosen = ((label, column.at(row)) for label, column in table.choices.items())
    words = ", ".join(f"{label} = {value}" for label, value in chosen if value is not None)
    with element("tr"):
        with element("th", scope="row"):
            text("a", str(number), href=address(experiment_id, f"trials/{number}"))
        for name in names:
            text("td", number_text(float(table.metrics[name][row])), "number")
        text("td", visible_line(words), "wrap-anywhere mono")
