"""`JoinedBenchmark`: the results of one benchmark with further metrics of others on the same architectures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from retiarii.benchmarks._tabular.benchmark import Benchmark
from retiarii.benchmarks._tabular.metric_cost import means_of
from retiarii.benchmarks._tabular.result_table import Numbers, ResultTable
from retiarii.errors import ArchitectureError, BenchmarkError, ConfigError
from retiarii.space import SearchSpace

MAX_ARCHITECTURES = 1_000_000


class JoinedBenchmark(Benchmark):
    """A benchmark with further metrics of others, such as accuracies with the latency on a device.

    ::

        benchmark = JoinedBenchmark(Nb201Table(), HwNasTable())
        config.objectives = {"valid_acc": "maximize", "edgegpu_latency": "minimize"}
        config.constraints = [at_most(benchmark.cost("edgegpu_energy", "cifar10"), 20)]

    Space, fidelities, seeds, times and the metric for comparisons are those of the first benchmark. The metrics of the
    others are means over their seeds at their highest fidelity, and the same at each fidelity of the first. They are
    missing where another benchmark lacks an architecture.

    Args:
        first: The benchmark that is searched.
        others: The benchmarks that add metrics. Their spaces have the labels of the first. One with a single dataset
            is added to every dataset of the first; of others, it is the dataset of the same name.

    Raises:
        ConfigError: A space has other labels, or there is no dataset that all have.
    """

    def __init__(self, first: Benchmark, *others: Benchmark) -> None:
        self._first, self._others = first, others
        self.name = "+".join(benchmark.name for benchmark in (first, *others))
        self.metric = first.metric
        self.datasets = tuple(name for name in first.datasets if all(_has(other, name) for other in others))
        labels = {choice.label for choice in first.space}
        for other in others:
            if {choice.label for choice in other.space} != labels:
                raise ConfigError(
                    f"The benchmarks {first.name!r} and {other.name!r} cannot be joined: their spaces have the labels "
                    f"{sorted(labels)} and {sorted(choice.label for choice in other.space)}."
                )
        if not self.datasets:
            known = {benchmark.name: list(benchmark.datasets) for benchmark in (first, *others)}
            raise ConfigError(f"The benchmarks have no dataset in common: {known}.")
        self._joined: dict[str, tuple[list[ResultTable], ResultTable]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the arrays out: the parts have them."""
        return {**vars(self), "_joined": {}}

    @property
    def space(self) -> SearchSpace:
        """The space of the first benchmark."""
        return self._first.space

    def table(self, dataset: str) -> ResultTable:
        """Return the results of the first benchmark with the metrics of the others.

        Raises:
            BenchmarkError: The results of a benchmark cannot be read, or two have metrics of one name.
            ConfigError: There is no such dataset, or the space is too large to join tables.
        """
        self.check_dataset(dataset)
        parts = [self._first.table(dataset), *(other.table(_own(other, dataset)) for other in self._others)]
        known, joined = self._joined.get(dataset, ([], None))
        if joined is None or any(part is not before for part, before in zip(parts, known, strict=True)):
            joined = self._join(*parts)
            self._joined[dataset] = (parts, joined)
        return joined

    def _join(self, first: ResultTable, *others: ResultTable) -> ResultTable:
        metrics = dict(first.metrics)
        shape = next(iter(metrics.values())).shape
        for benchmark, table in zip(self._others, others, strict=True):
            if doubled := metrics.keys() & table.metrics.keys():
                raise BenchmarkError(
                    f"The metric {min(doubled)!r} of the benchmark {benchmark.name!r} is there already: it is a metric "
                    f"of another part of {self.name!r}, too."
                )
            align = self._alignment(first, table)
            for name in table.metrics:
                metrics[name] = np.broadcast_to(align(means_of(table, name))[:, None, None], shape)
        return ResultTable(first.row_of, metrics, first.amounts, first.fidelity, first.seconds)

    def _alignment(self, first: ResultTable, other: ResultTable) -> Callable[[Numbers], Numbers]:
        """Return a function that puts values ``[A]`` of the other table into the rows of the first."""
        if first.row_of == other.row_of:
            return lambda values: values
        own, others = np.array(list(self._rows(first, other)), dtype=np.int64).reshape(-1, 2).T

        def align(values: Numbers) -> Numbers:
            found = np.full(first.num_architectures, np.nan)
            found[own] = values[others]
            return found

        return align

    def _rows(self, first: ResultTable, other: ResultTable) -> Iterator[tuple[int, int]]:
        """Yield the rows that both tables have of each architecture."""
        space = self.space
        if space.size > MAX_ARCHITECTURES:
            raise ConfigError(
                f"The space of {self._first.name!r} has {space.size:,} architectures. Tables are joined up to "
                f"{MAX_ARCHITECTURES:,}."
            )
        for architecture in space.grid():
            try:
                yield first.row_of(architecture), other.row_of(architecture)
            except (ArchitectureError, BenchmarkError):
                continue  # one of them lacks it


def _has(benchmark: Benchmark, dataset: str) -> bool:
    return len(benchmark.datasets) == 1 or dataset in benchmark.datasets


def _own(benchmark: Benchmark, dataset: str) -> str:
    return dataset if dataset in benchmark.datasets else benchmark.datasets[0]
