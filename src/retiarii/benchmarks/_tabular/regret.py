"""Regret curves: how far the best architecture so far is from the best of a benchmark, over simulated time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retiarii.benchmarks._tabular.benchmark import Benchmark
from retiarii.benchmarks._tabular.metric_cost import means_of
from retiarii.benchmarks._tabular.result_table import Numbers, ResultTable
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.trial import Direction, Trial


@dataclass(frozen=True, eq=False)
class StepCurve:
    """A step function of time: ``values[i]`` holds from ``times[i]`` until ``times[i + 1]``.

    Attributes:
        times: The times of the steps in seconds, ascending, ``[N]``.
        values: The value from each step on, ``[N]``.
    """

    times: Numbers
    values: Numbers

    def at(self, times: float | Sequence[float] | Numbers) -> Any:
        """Return the values at some times; NaN before the first step."""
        return np.concatenate([[np.nan], self.values])[np.searchsorted(self.times, times, side="right")]


def incumbent_curve(
    results: Iterable[tuple[float, float, float]], *, direction: Direction | str = Direction.MAXIMIZE
) -> StepCurve:
    """Return the reported metric of the incumbent over time: of the result with the best signal so far.

    Args:
        results: For each evaluation its end in seconds, its signal, and its reported metric (often the test accuracy);
            ends ascend. Of equal signals, the earlier result stays. NaN signals are skipped.
        direction: Whether larger or smaller signals are better.

    Raises:
        ConfigError: The direction is unknown, or the ends do not ascend.
    """
    rows = np.array([*results], dtype=np.float64).reshape(-1, 3)
    times, signals, reported = rows[~np.isnan(rows[:, 1])].T
    if np.any(np.diff(times) < 0):
        raise ConfigError("The results are not in the order of their ends. Sort them by time first.")
    losses = -signals if _checked(direction) is Direction.MAXIMIZE else signals
    is_step = losses < np.minimum.accumulate(np.concatenate([[np.inf], losses[:-1]])) if losses.size else losses > 0
    return StepCurve(times[is_step], reported[is_step])


def regret_curve(
    trials: Iterable[Trial],
    benchmark: Benchmark,
    *,
    dataset: str | None = None,
    reported: str | None = None,
    signal: str | None = None,
    direction: Direction | str = Direction.MAXIMIZE,
) -> StepCurve:
    """Return the exact regret of the incumbent over simulated time.

    The incumbent is the trial with the best signal so far; its regret is the distance of its reported metric to the
    best value of that metric in the benchmark, a mean over seeds, and never negative in the mean.

    Args:
        trials: The trials of a simulated experiment (``experiment.trials()``), or what `simulate` returned.
        benchmark: The benchmark.
        dataset: The dataset; the first if left out.
        reported: The metric of which the regret is, such as ``"test_acc@200"``; the benchmark's own metric if left out.
            It is read from the table, as the mean over the seeds at the highest fidelity if its name fixes none.
        signal: The metric by which the incumbent is chosen; the objective of the trials if left out.
        direction: Whether larger or smaller values are better, of both metrics.

    Raises:
        ConfigError: The direction or the dataset is unknown.
        BenchmarkError: The benchmark has no such metric.
    """
    table = benchmark.table(benchmark.check_dataset(dataset))
    aim = _checked(direction)
    means, best = reported_means(table, benchmark.metric if reported is None else reported, aim)
    ended = sorted(
        (trial for trial in trials if trial.finish_order is not None), key=lambda trial: trial.finish_order or 0
    )
    results = []
    for trial in ended:
        found = (trial.metrics or {}).get(trial.objective if signal is None else signal)
        if found is not None and trial.is_completed and trial.ended is not None:
            results.append((trial.ended, found, float(means[table.row_of(trial.architecture)])))
    curve = incumbent_curve(results, direction=aim)
    return StepCurve(curve.times, best - curve.values if aim is Direction.MAXIMIZE else curve.values - best)


def reported_means(table: ResultTable, name: str, direction: Direction) -> tuple[Numbers, float]:
    """Return the means of a metric over seeds, ``[A]`` (NaN where an architecture has none), and the best of them.

    Args:
        table: The results.
        name: The metric, at the highest fidelity if its name fixes none.
        direction: Whether larger or smaller values are better.

    Raises:
        BenchmarkError: There is no such metric, or it has no values.
    """
    means = means_of(table, name)
    if np.all(np.isnan(means)):
        raise BenchmarkError(f"The reported metric {name!r} has no values at this fidelity.")
    return means, float(np.nanmax(means) if direction is Direction.MAXIMIZE else np.nanmin(means))


def _checked(direction: Direction | str) -> Direction:
    try:
        return Direction(direction)
    except ValueError:
        raise ConfigError(f"direction is {direction!r}, expected 'maximize' or 'minimize'.") from None
