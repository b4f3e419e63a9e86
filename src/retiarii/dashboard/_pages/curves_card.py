"""`CurvesCard`: the intermediate results of some trials, overlaid."""

from __future__ import annotations

from collections.abc import Sequence

from retiarii._counted import counted
from retiarii._readable import number_text
from retiarii.dashboard._pages.blocks import card
from retiarii.dashboard._pages.chart import Chart, chart
from retiarii.dashboard._pages.elements import element, text
from retiarii.dashboard._pages.fields import select_field
from retiarii.dashboard._pages.region import Region
from retiarii.plot import intermediates
from retiarii.trial import Trial

_HEIGHT = 320


class CurvesCard:
    """A card with the curves of trials, by any metric that they reported.

    Args:
        title: Its heading.
    """

    def __init__(self, title: str) -> None:
        self._metric = ""
        self._trials: Sequence[Trial] = ()
        self._chart: Chart | None = None
        self._card = card(title)
        with self._card.tools:
            self._choice = Region()
        with self._card:
            self._none = Region()
            self._place = element("div")

    def show(self, trials: Sequence[Trial]) -> None:
        """Show the curves of trials."""
        self._trials = trials
        names = list(dict.fromkeys(name for trial in trials if trial.intermediates for name in trial.intermediates[-1]))
        if names and self._metric not in names:
            self._metric = trials[0].objective if trials[0].objective in names else names[0]
        self._choice.show((names,), lambda: self._draw_choice(names))
        self._none.show((not names,), lambda: None if names else text("p", "Nothing was reported.", "muted"))
        if names:
            self._draw_chart()

    def _draw_chart(self) -> None:
        figure = intermediates(self._trials, self._metric)
        words = _words(self._trials, self._metric)
        if self._chart is None:
            with self._place:
                self._chart = chart(figure, words, height=_HEIGHT)
        else:
            self._chart.show(figure, words)

    def _draw_choice(self, names: list[str]) -> None:
        if len(names) > 1:
            select_field("Metric", {name: name for name in names}, self._metric, self._choose)

    def _choose(self, name: str) -> None:
        self._metric = name
        self.show(self._trials)


def _words(trials: Sequence[Trial], metric: str) -> str:
    ends = []
    for trial in trials:
        last = trial.intermediates[-1].get(metric) if trial.intermediates else None
        steps = counted(len(trial.intermediates), "step")
        ends.append(f"trial {trial.number} ({trial.state.value}): {number_text(last)} after {steps}")
    return f"{metric} by step. {'; '.join(ends[:8])}."
