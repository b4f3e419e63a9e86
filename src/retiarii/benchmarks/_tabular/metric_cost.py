"""`MetricCost`: a metric of a table as a function of an architecture, for constraints."""

from __future__ import annotations

from typing import Any

from retiarii.benchmarks._tabular.result_table import HasTable, Numbers, ResultTable, means_over_seeds
from retiarii.space import Architecture


class MetricCost:
    """Looks a metric of an architecture up; made by `Benchmark.cost`. It can be pickled.

    Attributes:
        benchmark: The benchmark.
        dataset: The dataset.
        metric: The metric.
    """

    def __init__(self, benchmark: HasTable, dataset: str, metric: str) -> None:
        self.benchmark, self.dataset, self.metric = benchmark, dataset, metric
        self.__name__ = metric  # in messages about constraints
        self._prepare()

    def __call__(self, architecture: Architecture) -> float:
        """Return the mean over the seeds; NaN, which breaks every bound, if the table has no value.

        Raises:
            ArchitectureError: The architecture is not one of the space.
        """
        return self._means.item(self._table.row_of(architecture))

    def __repr__(self) -> str:
        return f"{self.benchmark.name}.cost({self.metric!r}, {self.dataset!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave the arrays out: the benchmark has them."""
        return {name: value for name, value in vars(self).items() if name not in ("_table", "_means")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    def _prepare(self) -> None:
        self._table = self.benchmark.table(self.dataset)
        self._means = means_of(self._table, self.metric)


def means_of(table: ResultTable, metric: str) -> Numbers:
    """Return the means ``[A]`` of a metric over seeds, at the fidelity that its name fixes or the highest one.

    Raises:
        BenchmarkError: There is no such metric or fidelity.
    """
    values, stage = table.column(metric)
    return means_over_seeds(values)[:, -1 if stage is None else stage]
