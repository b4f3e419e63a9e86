"""`HistoryCard`: the chart of every trial and of the best one so far, which follows the experiment."""

from __future__ import annotations

from typing import get_args

from nicegui import run
from plotly import graph_objects

from retiarii._counted import counted
from retiarii._readable import number_text
from retiarii.analysis import Over, TrialTable, best_so_far
from retiarii.dashboard._pages.blocks import card
from retiarii.dashboard._pages.chart import Chart, chart
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.fields import select_field
from retiarii.dashboard._pages.region import Region
from retiarii.dashboard._reading.kept_tables import TrialsNow
from retiarii.dashboard._reading.reader import Reader
from retiarii.plot import history

_HEIGHT = 340


class HistoryCard:
    """A card with the history of the search, over trials or time, and by any objective.

    Args:
        reader: What the page reads.
        experiment_id: The experiment.
    """

    def __init__(self, reader: Reader, experiment_id: str) -> None:
        self._reader, self._id = reader, experiment_id
        self._over: Over = "trial"
        self._metric: str | None = None
        self._chart: Chart | None = None
        self._card = card("Best so far")
        with self._card.tools:
            self._choice = Region()
            self._draw_over()
        with self._card:
            self._place = element("div", style=f"min-height: {_HEIGHT}px")

    async def refresh(self) -> TrialsNow | None:
        """Show the trials as far as they are known now, and return them."""
        found = await run.io_bound(self._drawn)
        if found is None:  # the server is shutting down
            return None
        trials, figure, words = found
        names = trials.table.record.objectives.names
        self._choice.show((names,), lambda: self._draw_choice(names))
        if self._chart is None:
            with self._place:
                self._chart = chart(figure, words, height=_HEIGHT)
        else:
            self._chart.show(figure, words)
        return trials

    def _drawn(self) -> tuple[TrialsNow, graph_objects.Figure, str]:
        trials = self._reader.trials_now(self._id)
        figure = history(trials.table, self._metric, over=self._over)
        return trials, figure, _words(trials.table, self._metric)

    def _draw_over(self) -> None:
        self._buttons = {}
        with element("div", "segments", role="group", aria_label="Horizontal axis"):
            for over in get_args(Over):
                button = text("button", f"by {over}", type="button", aria_pressed=str(over == self._over).lower())
                button.on("click", lambda over=over: self._choose_over(over))
                self._buttons[over] = button

    async def _choose_over(self, over: Over) -> None:
        self._over = over
        for name, button in self._buttons.items():
            button.props["aria-pressed"] = str(name == over).lower()
        await self.refresh()

    def _draw_choice(self, names: tuple[str, ...]) -> None:
        if len(names) > 1:
            select_field("Metric", {name: name for name in names}, self._metric or names[0], self._choose_metric)

    async def _choose_metric(self, name: str) -> None:
        self._metric = name
        await self.refresh()


def _words(table: TrialTable, metric: str | None) -> str:
    best = best_so_far(table, metric)
    if not len(best.row):
        return f"No trial has reported {best.metric} yet."
    value, holder = number_text(float(best.value[-1])), int(table.number[best.holder[-1]])
    return f"{best.metric} of {counted(len(table), 'trial')}; the best is {value}, of trial {holder}."
