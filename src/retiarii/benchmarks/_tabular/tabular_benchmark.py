"""`TabularBenchmark`: a benchmark of one's own, from a data frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from retiarii.benchmarks._tabular.benchmark import Benchmark
from retiarii.benchmarks._tabular.frame_columns import FrameColumns
from retiarii.benchmarks._tabular.listed_architectures import Key, ListedArchitectures
from retiarii.benchmarks._tabular.result_table import Numbers, ResultTable, means_over_seeds
from retiarii.errors import BenchmarkError
from retiarii.space import Architecture, Categorical, SearchSpace, Value


class TabularBenchmark(Benchmark):
    """A benchmark of the results in a data frame.

    ::

        frame = [
            {"op": "conv3x3", "width": 16, "accuracy": 91.2, "time": 300.0},
            {"op": "conv3x3", "width": 32, "accuracy": 92.4, "time": 420.0},
            {"op": "skip", "width": 16, "accuracy": 83.1, "time": 120.0},
        ]
        benchmark = TabularBenchmark(frame, choices=["op", "width"], metrics=["accuracy"], seconds="time")
        experiment = RetiariiExperiment(benchmark.space, benchmark.evaluator(), strategy=Random())
        experiment.run(RetiariiExeConfig("simulated", trial_concurrency=2))

    Each row has the results of one architecture, or, with ``fidelity`` and ``seed``, of one training of it. If the
    frame lacks combinations of the choices, the space has only the architectures that are in the frame.

    Args:
        frame: A pandas DataFrame, a dict of columns, or a list of dicts.
        choices: The columns that make up an architecture, which are the labels of the space; the candidates are
            the values that occur, in ascending order. A mapping from columns to lists gives the candidates.
        metrics: The columns of results; the first is the metric by which trials are compared.
        seconds: The column of training times in seconds, or the time of every training at the highest fidelity, of
            which a lower one takes its share; None if trials will not be simulated. Missing times are the median.
        fidelity: The column with the amount of training of a row, such as ``"epochs"``, which is its name, too.
        seed: The column that distinguishes trainings of one architecture at one fidelity.
        name: The name in messages.
        dataset: The name of the dataset, for `JoinedBenchmark`.

    Raises:
        BenchmarkError: A column is missing or has impossible values, rows are doubled, or results are missing.
    """

    metric: str
    datasets: tuple[str, ...]

    def __init__(
        self,
        frame: Any,
        *,
        choices: Sequence[str] | Mapping[str, Sequence[Value]],
        metrics: Sequence[str],
        seconds: str | float | None = None,
        fidelity: str | None = None,
        seed: str | None = None,
        name: str = "table",
        dataset: str = "default",
    ) -> None:
        for role, names in (("choices", choices), ("metrics", metrics)):
            if isinstance(names, str) or not names:
                raise BenchmarkError(f"{role} is {names!r}, expected a list of columns.")
        self.name, self.metric, self.datasets = name, metrics[0], (dataset,)
        columns = FrameColumns(frame)
        values = {label: columns.values(label, "a choice") for label in choices}
        candidates = choices if isinstance(choices, Mapping) else {label: _sorted(values[label]) for label in choices}
        _check_candidates(values, candidates)
        keys = list(zip(*values.values(), strict=True))
        places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        self._space = _space_of(candidates, list(places))
        cells = _Cells(
            np.array([places[key] for key in keys]),
            columns.numbers(fidelity, "the fidelity") if fidelity is not None else np.ones(len(keys)),
            columns.values(seed, "the seed") if seed is not None else [0] * len(keys),
            keys,
        )
        if fidelity is not None and not np.all(np.isfinite(cells.amounts) & (cells.amounts > 0)):
            raise BenchmarkError(
                f"The column {fidelity!r} (the fidelity) has values that are not finite, or not above 0."
            )
        amounts = tuple(float(amount) for amount in np.unique(cells.amounts))
        arrays = {metric: cells.placed(_finite(metric, columns.numbers(metric, "a metric"))) for metric in metrics}
        self._table = ResultTable(
            _Rows(tuple(candidates), places),
            arrays,
            amounts,
            fidelity,
            None if seconds is None else _seconds(seconds, columns, cells, amounts),
        )
        missing = [metric for metric, array in arrays.items() if np.all(np.isnan(array))]
        if missing:
            raise BenchmarkError(f"The column {missing[0]!r} (a metric) has no numbers, only missing values.")

    def __repr__(self) -> str:
        return f"TabularBenchmark({self.name!r}, {self._space!r})"

    @property
    def space(self) -> SearchSpace:
        """The space of the architectures in the frame."""
        return self._space

    def table(self, dataset: str) -> ResultTable:
        """Return the results; see `Benchmark.table`."""
        return self._table


class _Rows:
    """Finds the row of an architecture by its values.

    Args:
        labels: The labels, in the order of the keys.
        places: The row of each key.
    """

    def __init__(self, labels: tuple[str, ...], places: Mapping[Key, int]) -> None:
        self._labels, self._places = labels, places

    def __call__(self, architecture: Architecture) -> int:
        """Return the row.

        Raises:
            BenchmarkError: The table lacks the architecture.
        """
        try:
            return self._places[tuple([architecture[label] for label in self._labels])]
        except KeyError:
            raise BenchmarkError(f"The table does not have the architecture {dict(architecture)!r}.") from None


class _Cells:
    """The place of each row of a frame in arrays ``[A, F, S]``.

    Args:
        rows: The architecture of each row of the frame.
        amounts: Its fidelity.
        seeds: Its seed.
        keys: Its values, for messages.

    Raises:
        BenchmarkError: Two rows have the same place.
    """

    def __init__(self, rows: Any, amounts: Numbers, seeds: Sequence[Value], keys: Sequence[Key]) -> None:
        self.amounts = amounts
        known = {seed: place for place, seed in enumerate(dict.fromkeys(seeds))}
        stages = np.searchsorted(np.unique(amounts), amounts)
        self._index = rows, stages, np.array([known[seed] for seed in seeds])
        self._shape = int(rows.max()) + 1, int(stages.max()) + 1, len(known)
        flat = np.ravel_multi_index(self._index, self._shape)
        order = np.argsort(flat, kind="stable")
        twins = np.flatnonzero(np.diff(flat[order]) == 0)
        if twins.size:
            first, second = sorted((int(order[twins[0]]), int(order[twins[0] + 1])))
            raise BenchmarkError(
                f"The rows {first} and {second} of the data frame are results of the same architecture "
                f"({keys[first]!r}) at the same fidelity with the same seed. Remove one, or name the columns that tell "
                "them apart: fidelity=..., seed=..."
            )

    def placed(self, values: Numbers) -> Numbers:
        """Return the values of a column as an array ``[A, F, S]``, NaN where there are none."""
        array = np.full(self._shape, np.nan)
        array[self._index] = values
        return array


def _space_of(candidates: Mapping[str, Sequence[Value]], keys: list[Key]) -> SearchSpace:
    choices = [Categorical(label, tuple(values)) for label, values in candidates.items()]
    if math.prod(len(values) for values in candidates.values()) == len(keys):
        return SearchSpace(choices)
    return SearchSpace.of(ListedArchitectures(choices, keys))


def _finite(metric: str, values: Numbers) -> Numbers:
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise BenchmarkError(
            f"Row {infinite[0]} of the data frame has {values[infinite[0]]} in the column {metric!r} (a metric), "
            "expected a finite number, or None where there is no result."
        )
    return values


def _seconds(seconds: str | float, columns: FrameColumns, cells: _Cells, amounts: tuple[float, ...]) -> Numbers:
    """Return the times ``[A, F]``, means over the seeds."""
    if isinstance(seconds, str):
        return means_over_seeds(cells.placed(columns.numbers(seconds, "the seconds")))
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or not 0 <= seconds < math.inf:
        raise BenchmarkError(
            f"seconds is {seconds!r}, expected the name of a column, or a number that is not negative."
        )
    shares = np.array(amounts) / amounts[-1] * float(seconds)
    return np.broadcast_to(shares, (cells._shape[0], len(amounts)))


def _sorted(values: Sequence[Value]) -> list[Value]:
    """Return the values that occur, in ascending order where they can be compared."""
    distinct = list(dict.fromkeys(values))
    try:
        return sorted(distinct)
    except TypeError:
        return distinct


def _check_candidates(values: Mapping[str, Sequence[Value]], candidates: Mapping[str, Sequence[Value]]) -> None:
    for label, column in values.items():
        known = set(candidates[label])
        unknown = next((row for row, value in enumerate(column) if value not in known), None)
        if unknown is not None:
            raise BenchmarkError(
                f"Row {unknown} of the data frame has {column[unknown]!r} in the column {label!r}, which is not one of "
                f"the candidates {list(candidates[label])}."
            )
