"""`ExperimentPlots`: the figures of an experiment, for notebooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from retiarii._counted import counted
from retiarii._html_table import html_table
from retiarii._lazy import load
from retiarii.errors import RetiariiError
from retiarii.trial import Objectives, ObjectivesLike

if TYPE_CHECKING:
    from retiarii.analysis import TrialTable
    from retiarii.storage import ExperimentRecord, Store


class ExperimentPlots(ABC):
    """The methods of an experiment that return Plotly figures of the trials so far (extra ``plot``).

    Each raises `ExperimentError` if the experiment has not run, and `MissingExtraError` if Plotly is not installed.
    """

    @abstractmethod
    def _opened(self) -> tuple[Store, ExperimentRecord]:
        """Return the store and the present record."""

    def _repr_html_(self) -> str | None:
        """Return what is known of the experiment as a table for notebooks; None before it has run."""
        try:
            store, record = self._opened()
            counts = store.count_trials(record.id)
            best = store.best_trials(record.id, 1)
        except RetiariiError:
            return None  # a notebook then shows the plain text
        rows = [
            ("id", record.id),
            ("state", record.state.value),
            ("strategy", record.strategy),
            ("trials", ", ".join(f"{count:,} {state.value}" for state, count in counts.items() if count) or "none"),
            ("objectives", str(record.objectives)),
            ("best", f"trial {best[0].number}: {best[0].metric}" if best else "none"),
            ("store", store.where),
        ]
        caption = f"Experiment {record.name or record.id}: {counted(sum(counts.values()), 'trial')}"
        return html_table(caption, ("part", "value"), rows, "row")

    def _table(self) -> TrialTable:
        store, record = self._opened()
        table: TrialTable = load("retiarii.analysis:read_trial_table")(store, record.id)
        return table

    def plot_history(
        self, metric: str | None = None, *, over: Literal["trial", "time"] = "trial", dark: bool = False
    ) -> Any:
        """Return a figure of every trial, and of the best one so far.

        Args:
            metric: The metric; None for the first objective.
            over: Whether the horizontal axis is the number of the trial or the time of its end.
            dark: Whether the background is dark.
        """
        return load("retiarii.plot:history")(self._table(), metric, over=over, dark=dark)

    def plot_pareto(self, objectives: ObjectivesLike | None = None, *, dark: bool = False) -> Any:
        """Return a figure of the trials by two metrics, with the Pareto front.

        Args:
            objectives: The two metrics with their directions, the horizontal one first, as in
                ``{"params": "minimize", "accuracy": "maximize"}``; None for those of the experiment.
            dark: Whether the background is dark.
        """
        wanted = None if objectives is None else Objectives.of(objectives)
        return load("retiarii.plot:pareto")(self._table(), wanted, dark=dark)

    def plot_importance(self, metric: str | None = None, *, dark: bool = False) -> Any:
        """Return a figure of how much of the differences between trials each choice explains alone.

        Args:
            metric: The metric; None for the first objective.
            dark: Whether the background is dark.
        """
        return load("retiarii.plot:importance_bars")(self._table(), metric, dark=dark)

    def plot_parallel(self, metric: str | None = None, *, dark: bool = False) -> Any:
        """Return a figure of architectures as lines over the choices that matter most, coloured by a metric.

        Args:
            metric: The metric; None for the first objective.
            dark: Whether the background is dark.
        """
        return load("retiarii.plot:parallel")(self._table(), metric, dark=dark)

    def plot_probabilities(self, labels: Sequence[str] | None = None, *, dark: bool = False) -> Any:
        """Return a heat map of the probability of each candidate over the epochs of a one-shot search.

        Args:
            labels: The labels; None for the most undecided ones.
            dark: Whether the background is dark.
        """
        store, record = self._opened()
        return load("retiarii.plot:probabilities")(store.list_epochs(record.id), labels, dark=dark)
