"""`TabularEvaluator`: looks the results of architectures up in a table, with their costs in simulated time."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retiarii.benchmarks._tabular.result_table import HasTable, Numbers, ResultTable, means_over_seeds
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.evaluator import Evaluator, Simulated, TrialContext
from retiarii.space import Architecture, nearest, rng_for
from retiarii.trial import DEFAULT, Fidelity, Metrics

NOISES = ("mean", "seed")
COSTS = ("measured", "proportional")


class TabularEvaluator(Evaluator, Simulated):
    """Looks architectures up; made by `Benchmark.evaluator`, which documents the arguments.

    A trial reports the results at each lower fidelity that the table has, and ends with those at its own. One that
    continues another trial reports from that one's fidelity on, and takes only the additional time. Without results of
    the metric at its fidelity, a trial fails.

    Attributes:
        benchmark: The benchmark.
        dataset: The dataset.
        metric: The metric by which trials are compared.
        fidelity: The amount of the fidelity for trials that are given none.
    """

    def __init__(
        self,
        benchmark: HasTable,
        dataset: str,
        *,
        metric: str,
        metrics: Sequence[str] | None = None,
        fidelity: float | Mapping[str, float] | None = None,
        noise: str = "mean",
        cost: str | float = "measured",
    ) -> None:
        self.benchmark, self.dataset, self.metric = benchmark, dataset, metric
        _check_one_of("noise", noise, NOISES)
        if not _is_time(cost):
            _check_one_of("cost", cost, COSTS, " or the seconds of a trial")
        self._noise, self._cost = noise, cost
        table = benchmark.table(dataset)
        names = [name for name in table.metrics if name != metric] if metrics is None else list(metrics)
        self._names = [metric, *(name for name in names if name != metric)]
        if DEFAULT in self._names[1:]:
            raise ConfigError(
                f"The metric {DEFAULT!r} is that by which trials are compared, here {metric!r}. Leave it out, as in "
                f"metrics=[], or rename the column {DEFAULT!r}."
            )
        self.fidelities: Collection[str] = () if table.fidelity is None else (table.fidelity,)
        self.fidelity = table.amounts[-1] if fidelity is None else _amount(fidelity, table)
        table.stage_of(self.fidelity)
        self._prepare(table)

    def __repr__(self) -> str:
        return (
            f"TabularEvaluator({self.benchmark.name!r}, {self.dataset!r}, metric={self.metric!r}, "
            f"fidelity={self.fidelity:g}, noise={self._noise!r}, cost={self._cost!r})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the arrays out: the benchmark has them."""
        return {name: value for name, value in vars(self).items() if name not in ("_table", "_columns", "_times")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare(self.benchmark.table(self.dataset))

    def _prepare(self, table: ResultTable) -> None:
        self._table = table
        columns = {name: table.column(name) for name in self._names}
        make = _Means if self._noise == "mean" else _Draws
        present = columns[self.metric][0]
        self._columns = [(name, make(values, present), stage) for name, (values, stage) in columns.items()]
        self._times = _costs(table, self._cost)

    @property
    def missing_time(self) -> str:
        """See `Simulated.missing_time`."""
        if self._times is not None:
            return ""
        return (
            f"The benchmark {self.benchmark.name!r} has no training times. Let all trials take the same: "
            "evaluator(cost=60), or for an own table name a column or a number: TabularBenchmark(..., seconds=60)."
        )

    def evaluate(self, model: Architecture, context: TrialContext | None = None) -> Metrics:
        """Look an architecture up.

        Args:
            model: The architecture.
            context: The trial; None for the default fidelity.

        Returns:
            The metrics at the fidelity of the trial, with the compared one as ``"default"``, too.

        Raises:
            ArchitectureError: The architecture is not one of the space.
            BenchmarkError: The table has no results for it, or none at this fidelity; or it is a model.
            ConfigError: The fidelity is of another name.
        """
        context = _NO_TRIAL if context is None else context
        if not isinstance(model, Mapping):
            raise BenchmarkError(
                f"The evaluator of the benchmark {self.benchmark.name!r} got a model of the class "
                f"{type(model).__name__}, expected an architecture. Search the space of the benchmark instead of a "
                "model: RetiariiExperiment(benchmark.space, benchmark.evaluator(), ...)."
            )
        row, (before, last) = self._table.row_of(model), self._stages(context)
        unit = self._unit(context)
        for stage in range(before + 1, last):
            found = self._found(row, stage, unit)
            if DEFAULT in found:
                context.report(found)
        found = self._found(row, last, unit)
        if DEFAULT not in found:
            raise BenchmarkError(
                f"The table of {self.benchmark.name!r} has no {self.metric!r} of {dict(model)!r} at "
                f"{self._table.fidelity or 'the fidelity'}={self._table.amounts[last]:g} on {self.dataset!r}."
            )
        return found

    def seconds(self, model: Architecture, context: TrialContext) -> list[float]:
        """Return the seconds to each report and to the end, see `Simulated.seconds`.

        Raises:
            ArchitectureError: The architecture is not one of the space.
            BenchmarkError: The table has no results for it, none at this fidelity, or no times.
            ConfigError: The fidelity is of another name.
        """
        if self._times is None:
            raise BenchmarkError(self.missing_time)
        row, (before, last) = self._table.row_of(model), self._stages(context)
        _, signal, fixed = self._columns[0]
        unit = self._unit(context)
        begin = 0.0 if before < 0 else self._times.item(row, before)
        latest, told = 0.0, []
        for stage in (*range(before + 1, last), last):
            value = signal.at(row, stage if fixed is None else fixed, unit)
            if stage == last or value == value:  # not NaN
                latest = max(latest, self._times.item(row, stage) - begin)  # measured times are noisy
                told.append(latest)
        return told

    def _stages(self, context: TrialContext) -> tuple[int, int]:
        """Return the positions of the parent's fidelity, -1 without a parent, and of the trial's own."""
        own = self._table.stage_of(self._amount_in(context.fidelity))
        if context.parent is None:
            return -1, own
        return self._table.stage_of(self._amount_in(context.parent_fidelity)), own

    def _amount_in(self, fidelity: Fidelity) -> float:
        return self.fidelity if not fidelity else _amount(fidelity, self._table)

    def _unit(self, context: TrialContext) -> float:
        """Return the number from 0 to 1 that selects a seed of the table, the same for all fidelities."""
        if self._noise == "mean":
            return 0.0
        return rng_for(context.seed if context.origin_seed is None else context.origin_seed).random()

    def _found(self, row: int, stage: int, unit: float) -> Metrics:
        """Return the metrics that are present at a fidelity."""
        found: Metrics = {}
        for name, column, fixed in self._columns:
            value = column.at(row, stage if fixed is None else fixed, unit)
            if value == value:  # not NaN
                found[name] = value
        if self.metric in found:
            found[DEFAULT] = found[self.metric]
        return found


class _Means:
    """The means of a metric over the seeds that are present, ``[A, F]``."""

    def __init__(self, values: Numbers, present: Numbers) -> None:
        self._means = means_over_seeds(values)

    def at(self, row: int, stage: int, unit: float) -> float:
        """Return the mean."""
        return float(self._means.item(row, stage))


class _Draws:
    """The values of a metric, with those seeds first that have the compared metric, ``[A, F, S]``."""

    def __init__(self, values: Numbers, present: Numbers) -> None:
        known = ~np.isnan(present)
        order = np.argsort(~known, axis=2, kind="stable")
        self._values = np.take_along_axis(values, np.broadcast_to(order, values.shape), axis=2)
        self._counts: NDArray[np.int64] = known.sum(axis=2)

    def at(self, row: int, stage: int, unit: float) -> float:
        """Return the value of the seed that a number from 0 to 1 selects."""
        return float(self._values.item(row, stage, int(unit * self._counts.item(row, stage))))


_NO_TRIAL = TrialContext()


def _costs(table: ResultTable, cost: str | float) -> Numbers | None:
    """Return the time of each training, ``[A, F]``; None if it is not known."""
    shares = np.array(table.amounts) / table.amounts[-1]
    if not isinstance(cost, str):
        return np.broadcast_to(cost * shares, (table.num_architectures, len(shares)))
    if table.seconds is None or cost == "measured":
        return table.seconds
    return table.seconds[:, -1:] * shares


def _amount(fidelity: float | Mapping[str, float], table: ResultTable) -> float:
    if not isinstance(fidelity, Mapping):
        if isinstance(fidelity, bool) or not isinstance(fidelity, Real):
            raise ConfigError(f"fidelity is {fidelity!r}, expected a number, or a mapping such as {{'epochs': 12}}.")
        return float(fidelity)
    names = list(fidelity)
    if names != [table.fidelity]:
        raise ConfigError(
            f"The fidelity is {dict(fidelity)!r}, "
            + ("but the table has no fidelities." if table.fidelity is None else f"expected one of {table.fidelity!r}.")
        )
    return _amount(fidelity[names[0]], table)


def _is_time(cost: object) -> bool:
    return isinstance(cost, Real) and not isinstance(cost, bool) and 0 < float(cost) < math.inf


def _check_one_of(name: str, value: object, allowed: Sequence[str], others: str = "") -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}, expected one of {list(allowed)}{others}.{nearest(value, allowed)}")
