"""`ExperimentPlots`: the figures of an experiment, for notebooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from retiarii._counted import counted
from retiarii._html_table import html_table
from retiarii._lazy import load
from retiarii.errors import ConfigError, ExperimentError, RetiariiError
from retiarii.space import nearest
from retiarii.trial import Objectives, ObjectivesLike

if TYPE_CHECKING:
    from retiarii.analysis import TrialTable
    from retiarii.storage import ExperimentRecord, Store


class ExperimentPlots(ABC):
    """The methods of an experiment that return Plotly figures of the trials so far (extra ``plot``).

    Each raises `ExperimentError` if the experiment has not run or there is nothing to show yet, `ConfigError` if no
    trial has the metric, and `MissingExtraError` if Plotly is not installed.
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
            is_killed = record.state.value == "running" and not store.is_running(record.id)
        except RetiariiError:
            return None  # a notebook then shows the plain text
        rows = [
            ("id", record.id),
            (
                "state",
                f"stopped (killed); go on with: retiarii resume {record.id}" if is_killed else record.state.value,
            ),
            ("strategy", record.strategy),
            ("trials", ", ".join(f"{count:,} {state.value}" for state, count in counts.items() if count) or "none"),
            ("objectives", str(record.objectives)),
            ("best", f"trial {best[0].number}: {best[0].metric}" if best else "none"),
            ("store", store.where),
        ]
        caption = f"Experiment {record.name or record.id}: {counted(sum(counts.values()), 'trial')}"
        return html_table(caption, ("part", "value"), rows, "row")

    def _table(self, *metrics: str | None) -> TrialTable:
        """Return the trials so far, of which some have each metric; None is the first objective."""
        store, record = self._opened()
        table: TrialTable = load("retiarii.analysis:read_trial_table")(store, record.id)
        if not len(table):
            raise ExperimentError(f"Experiment {record.id} has no trials yet. Call this again when some have ended.")
        for metric in metrics:
            _check_metric(table, metric or record.objectives.primary.metric)
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
        return load("retiarii.plot:history")(self._table(*_named(metric)), metric, over=over, dark=dark)

    def plot_pareto(self, objectives: ObjectivesLike | None = None, *, dark: bool = False) -> Any:
        """Return a figure of the trials by two metrics, with the Pareto front.

        Args:
            objectives: The two metrics with their directions, the horizontal one first, as in
                ``{"params": "minimize", "accuracy": "maximize"}``; None for those of the experiment.
            dark: Whether the background is dark.
        """
        table = self._table()
        wanted = load("retiarii.plot:two_objectives")(table) if objectives is None else Objectives.of(objectives)
        if len(wanted) < 2:
            raise ConfigError(
                f"A trade-off needs two metrics, and there is only {wanted.primary.metric!r}. Let the evaluator return "
                'a dict with another metric, or name two, as in plot_pareto({"ms": "minimize", "acc": "maximize"}).'
            )
        for name in wanted.names[:2]:
            _check_metric(table, name)
        return load("retiarii.plot:pareto")(table, wanted, dark=dark)

    def plot_importance(self, metric: str | None = None, *, dark: bool = False) -> Any:
        """Return a figure of how much of the differences between trials each choice explains alone.

        Args:
            metric: The metric; None for the first objective.
            dark: Whether the background is dark.
        """
        return load("retiarii.plot:importance_bars")(self._table(metric), metric, dark=dark)

    def plot_parallel(self, metric: str | None = None, *, dark: bool = False) -> Any:
        """Return a figure of architectures as lines over the choices that matter most, coloured by a metric.

        Args:
            metric: The metric; None for the first objective.
            dark: Whether the background is dark.
        """
        return load("retiarii.plot:parallel")(self._table(metric), metric, dark=dark)

    def plot_probabilities(self, labels: Sequence[str] | None = None, *, dark: bool = False) -> Any:
        """Return a heat map of the probability of each candidate over the epochs of a one-shot search.

        Args:
            labels: The labels; None for the most undecided ones.
            dark: Whether the background is dark.
        """
        store, record = self._opened()
        epochs = store.list_epochs(record.id)
        if not epochs:
            raise ExperimentError(
                f"Experiment {record.id} has no epochs of a supernet: its strategy is {record.strategy}. One-shot "
                "strategies store probabilities at the end of each epoch."
            )
        return load("retiarii.plot:probabilities")(epochs, labels, dark=dark)


def _named(metric: str | None) -> tuple[str, ...]:
    """Return the metrics that a user named: failed trials are shown, too, where none is named."""
    return () if metric is None else (metric,)


def _check_metric(table: TrialTable, metric: str) -> None:
    """Check that some trial has a metric.

    Raises:
        ExperimentError: It is an objective, and no trial has a value yet.
        ConfigError: No trial has a metric of this name.
    """
    if metric in table.metrics:
        return
    if metric in table.record.objectives.names:
        raise ExperimentError(f"Experiment {table.record.id} has no trial with a value of {metric!r} yet.")
    raise ConfigError(
        f"No trial has a metric {metric!r}. The metrics are {list(table.metrics)}.{nearest(metric, table.metrics)}"
    )
