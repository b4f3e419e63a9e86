"""`Comparison`: what several strategies found with the same budget, as statistics over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retiarii.benchmarks.report._comparison_table import as_table
from retiarii.benchmarks.report._regret_plot import BandCurve, Panel, draw_panels
from retiarii.benchmarks.report._saved_searches import read_saved
from retiarii.benchmarks.report._simulated_search import SimulatedSearch
from retiarii.errors import ConfigError
from retiarii.space import nearest

NUM_POINTS = 120
_UNITS = {"seconds": "simulated time (s)", "trials": "trials"}


@dataclass(frozen=True)
class Standing:
    """The incumbents of all searches of one strategy after the same budget.

    Attributes:
        strategy: The name of the strategy.
        spent: The budget: simulated seconds, or a number of trials.
        num_searches: How many searches had an incumbent by then; the statistics are over these.
        mean: The mean score of the incumbents.
        standard_error: The standard error of that mean; NaN for a single search.
        lower_quartile: A quarter of the scores is at most this.
        median: The median of the scores.
        upper_quartile: A quarter of the scores is at least this.
        regret: The distance of the mean from the best score of the whole benchmark, at least 0.
    """

    strategy: str
    spent: float
    num_searches: int
    mean: float
    standard_error: float
    lower_quartile: float
    median: float
    upper_quartile: float
    regret: float


@dataclass(frozen=True)
class Comparison:
    """The searches of several strategies on one benchmark, with many seeds each.

    `compare` returns it.

    Attributes:
        benchmark: The name of the benchmark.
        dataset: The dataset.
        metric: The metric that the strategies saw.
        score: The metric of the incumbents that is compared.
        direction: ``"maximize"`` or ``"minimize"``: which scores are better.
        optimum: The best score in the whole benchmark.
        seconds: The limit in simulated seconds; None if only the number of trials is limited.
        trials: The limit to the number of trials; None if only the time is limited.
        workers: How many trials were evaluated at a time.
        strategies: The strategies as text, by their names.
        searches: The incumbents of every search, sorted by strategy and seed.
        evaluator: The evaluator as text, with its fidelity, noise and cost.
    """

    benchmark: str
    dataset: str
    metric: str
    score: str
    direction: str
    optimum: float
    seconds: float | None
    trials: int | None
    workers: int
    strategies: Mapping[str, str]
    searches: tuple[SimulatedSearch, ...] = field(repr=False)
    evaluator: str = ""

    def standings(self, *, seconds: float | None = None, trials: float | None = None) -> list[Standing]:
        """Return the statistics of each strategy after a budget, which is the limit if left out.

        Args:
            seconds: The budget in simulated seconds.
            trials: The budget as a number of trials.

        Raises:
            ConfigError: Both are given, the budget is outside the limit, or no trial of a strategy has ended by then.
        """
        axis, spent = self._budget(seconds, trials)
        rows = []
        for name in self.strategies:
            found = self.curve(name, [spent], axis=axis)
            if not found:
                raise ConfigError(f"The strategy {name!r} has no incumbent after {spent:g} {axis}: no trial has ended.")
            rows += found
        return rows

    def curve(self, strategy: str, budgets: Sequence[float], *, axis: str = "seconds") -> list[Standing]:
        """Return the statistics of one strategy after each of several budgets.

        Budgets at which no search has an incumbent are left out.

        Args:
            strategy: Its name in the comparison.
            budgets: The budgets.
            axis: Their unit: ``"seconds"`` of simulated time, or ``"trials"``.

        Raises:
            ConfigError: There is no such strategy or axis.
        """
        check_axis(axis)
        if strategy not in self.strategies:
            names = list(self.strategies)
            raise ConfigError(f"strategy is {strategy!r}, expected one of {names}.{nearest(strategy, names)}")
        searches = [search for search in self.searches if search.strategy == strategy]
        scores = np.array([_scores_at(search, budgets, axis) for search in searches]).reshape(len(searches), -1)
        return [
            self._standing(strategy, spent, column[~np.isnan(column)])
            for spent, column in zip(budgets, scores.T, strict=False)
            if not np.isnan(column).all()
        ]

    def table(self, style: str = "text", *, seconds: float | None = None, trials: float | None = None) -> str:
        """Return a table of the statistics after a budget.

        Args:
            style: ``"text"`` for terminals, or ``"markdown"``.
            seconds: See `standings`.
            trials: See `standings`.

        Raises:
            ConfigError: An argument has an impossible value.
        """
        rows = self.standings(seconds=seconds, trials=trials)
        columns = ("strategy", "searches", f"mean {self.score}", "standard error", "median", "quartiles", "regret")
        digits = 3 if max(abs(row.mean) for row in rows) >= 1 else 5  # accuracies are percentages or fractions
        cells = [
            (
                row.strategy,
                str(row.num_searches),
                f"{row.mean:.{digits}f}",
                "-" if math.isnan(row.standard_error) else f"{row.standard_error:.{digits}f}",
                f"{row.median:.{digits}f}",
                f"{row.lower_quartile:.{digits}f} to {row.upper_quartile:.{digits}f}",
                f"{row.regret:.{digits}f}",
            )
            for row in rows
        ]
        return as_table(columns, cells, style)

    def to_json(self) -> dict[str, Any]:
        """Return the settings and the statistics at the limit as plain data; see ``save`` of `compare` for all."""
        rows = [
            {name: None if value != value else value for name, value in vars(row).items()} for row in self.standings()
        ]
        return {**self.settings(), "standings": rows}

    def settings(self) -> dict[str, Any]:
        """Return what was compared as plain data, without results."""
        return {name: value for name, value in vars(self).items() if name != "searches"}

    def with_searches(self, searches: tuple[SimulatedSearch, ...]) -> Comparison:
        """Return a comparison of the same settings with these searches."""
        return replace(self, searches=searches)

    def plot(self, path: str | Path, *, axis: str | None = None) -> None:
        """Draw the mean regret of each strategy over the budget, see `plot_regret`.

        Args:
            path: The file; its ending says the format, such as ``.png``, ``.svg`` or ``.pdf``.
            axis: ``"seconds"`` or ``"trials"``; the limited one if left out.

        Raises:
            BenchmarkError: matplotlib is not installed.
            ConfigError: There is no such axis or format, or no search has an incumbent.
        """
        plot_regret([self], path, axis=axis)

    def panel(self, axis: str | None = None) -> Panel:
        """Return the curves that `plot_regret` draws; each begins where all searches of a strategy have an incumbent.

        Raises:
            ConfigError: There is no such axis, or no search has an incumbent.
        """
        axis = self.axis if axis is None else check_axis(axis)
        limit = self.seconds if axis == "seconds" else self.trials
        every = [change for search in self.searches for change in getattr(search, axis)]
        if not every:
            raise ConfigError(f"There is no curve to draw: no trial of {list(self.strategies)} has ended in time.")
        first = max(min(every), 1e-9)
        last = max(max(every) if limit is None else limit, first * 1.001)
        budgets = np.unique(np.geomspace(first, last, NUM_POINTS)).tolist()
        curves = []
        for name in self.strategies:
            total = sum(search.strategy == name for search in self.searches)
            rows = [row for row in self.curve(name, budgets, axis=axis) if row.num_searches == total]
            middle = np.array([row.regret for row in rows])
            band = 2 * np.nan_to_num([row.standard_error for row in rows])
            low, high = np.maximum(middle - band, 0).tolist(), (middle + band).tolist()
            curves.append(BandCurve(name, [row.spent for row in rows], middle.tolist(), low, high))
        return Panel(f"{self.benchmark}, {self.dataset}", _UNITS[axis], f"mean regret of {self.score}", curves)

    @property
    def axis(self) -> str:
        """The unit of the limit: ``"seconds"``, or ``"trials"`` if there is no limit to the time."""
        return "trials" if self.seconds is None else "seconds"

    @classmethod
    def load(cls, path: str | Path) -> Comparison:
        """Read the comparison that `compare` saved, finished or not.

        Raises:
            ConfigError: The file is not such a comparison.
        """
        settings, searches = read_saved(Path(path))
        return cls(**settings, searches=in_order(searches, settings["strategies"]))

    def _budget(self, seconds: float | None, trials: float | None) -> tuple[str, float]:
        if seconds is not None and trials is not None:
            raise ConfigError("Both seconds and trials are given, expected one of them.")
        axis = self.axis if seconds is None and trials is None else "seconds" if trials is None else "trials"
        limit = self.seconds if axis == "seconds" else self.trials
        spent = seconds if trials is None else trials
        spent = limit if spent is None else spent
        if spent is None or not 0 < spent <= (math.inf if limit is None else limit):
            raise ConfigError(f"{axis} is {spent!r}, expected a number up to the limit of the searches, {limit}.")
        return axis, float(spent)

    def _standing(self, strategy: str, spent: float, scores: NDArray[np.float64]) -> Standing:
        count, mean = len(scores), float(scores.mean())
        error = float(scores.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan
        low, median, high = (float(value) for value in np.quantile(scores, (0.25, 0.5, 0.75)))
        regret = self.optimum - mean if self.direction == "maximize" else mean - self.optimum
        return Standing(strategy, spent, count, mean, error, low, median, high, regret)


def plot_regret(comparisons: Sequence[Comparison], path: str | Path, *, axis: str | None = None) -> None:
    """Draw comparisons side by side: the mean regret of each strategy over the budget.

    Bands are two standard errors of the mean to both sides. Both axes are logarithmic.

    Args:
        comparisons: The comparisons.
        path: The file; its ending says the format, such as ``.png``, ``.svg`` or ``.pdf``.
        axis: ``"seconds"`` or ``"trials"``; the limited one if left out.

    Raises:
        BenchmarkError: matplotlib is not installed.
        ConfigError: There is no such axis or format, or no search of a comparison has an incumbent.
    """
    draw_panels([comparison.panel(axis) for comparison in comparisons], Path(path))


def check_axis(axis: str) -> str:
    """Return the name of a unit of budgets.

    Raises:
        ConfigError: There is no such unit.
    """
    if axis not in _UNITS:
        raise ConfigError(f"axis is {axis!r}, expected 'seconds' or 'trials'.")
    return axis


def in_order(searches: Iterable[SimulatedSearch], strategies: Iterable[str]) -> tuple[SimulatedSearch, ...]:
    """Return searches sorted by strategy and seed."""
    place = {name: position for position, name in enumerate(strategies)}
    return tuple(sorted(searches, key=lambda search: (place[search.strategy], search.seed)))


def _scores_at(search: SimulatedSearch, budgets: Sequence[float], axis: str) -> NDArray[np.float64]:
    changes = search.seconds if axis == "seconds" else search.trials
    last = np.searchsorted(np.asarray(changes, dtype=float), np.asarray(budgets, dtype=float), side="right")
    return np.array([math.nan, *search.scores])[last]
