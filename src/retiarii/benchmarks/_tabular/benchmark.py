"""`Benchmark`: the interface of everything that has the results of a whole space: its space and its evaluators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from retiarii.errors import ConfigError
from retiarii.space import SearchSpace, nearest

if TYPE_CHECKING:
    from retiarii.benchmarks._tabular.metric_cost import MetricCost
    from retiarii.benchmarks._tabular.result_table import ResultTable
    from retiarii.benchmarks._tabular.tabular_evaluator import TabularEvaluator


class Benchmark(ABC):
    """A search space with the results of its architectures.

    ::

        benchmark = Nb201Table()
        evaluator = benchmark.evaluator("cifar100")
        experiment = RetiariiExperiment(benchmark.space, evaluator, strategy=RegularizedEvolution())
        experiment.run(RetiariiExeConfig("simulated", trial_concurrency=8, max_experiment_duration="24h"))

    A subclass sets the attributes, and implements `space` and `table`. It can be pickled.

    Attributes:
        name: The name on the command line and in messages.
        datasets: The names of the datasets; the first is the default.
        metric: The metric by which trials are compared, unless another one is asked for.
    """

    name: str
    datasets: Sequence[str]
    metric: str

    @property
    @abstractmethod
    def space(self) -> SearchSpace:
        """The space of the architectures, with the labels of the ready model space where there is one."""

    @abstractmethod
    def table(self, dataset: str) -> ResultTable:
        """Return the results on one of `datasets`. Later calls should return the same object.

        Raises:
            BenchmarkError: The results cannot be read.
        """

    def fidelities(self, dataset: str | None = None) -> Mapping[str, tuple[float, ...]]:
        """Return the amounts of each fidelity, by its name; empty if there is only one.

        Raises:
            ConfigError: There is no such dataset.
            BenchmarkError: The results cannot be read.
        """
        table = self.table(self.check_dataset(dataset))
        return {} if table.fidelity is None else {table.fidelity: table.amounts}

    def evaluator(
        self,
        dataset: str | None = None,
        *,
        metric: str | None = None,
        metrics: Sequence[str] | None = None,
        fidelity: float | Mapping[str, float] | None = None,
        noise: str = "mean",
        cost: str | float = "measured",
    ) -> TabularEvaluator:
        """Return an evaluator that looks architectures up, for experiments on `space` with any executor.

        Args:
            dataset: One of `datasets`; the first if left out.
            metric: The metric by which trials are compared (the signal), reported as ``"default"`` too; `metric` of the
                benchmark if left out.
            metrics: Further metrics to report; all of the table if left out. ``"test_acc"`` is read at the fidelity of
                the trial, ``"test_acc@200"`` always at 200, which costs nothing.
            fidelity: The fidelity of trials for which the strategy does not choose one: an amount, or a mapping such
                as ``{"epochs": 12}``; the highest if left out.
            noise: ``"mean"`` for means over the seeds of the table; ``"seed"`` for one of them, drawn by the seed of
                each trial.
            cost: How long a trial takes: ``"measured"`` is the time of the table at its fidelity; ``"proportional"`` is
                the share of the time at the highest fidelity that its amount has, 12/200 for 12 of 200 epochs; a number
                is the seconds of every trial at the highest fidelity, for tables without times.

        Raises:
            ConfigError: An argument has an impossible value.
            BenchmarkError: The results cannot be read, or do not have what was asked for.
        """
        from retiarii.benchmarks._tabular.tabular_evaluator import TabularEvaluator  # slow to import, unlike queries

        return TabularEvaluator(
            self,
            self.check_dataset(dataset),
            metric=self.metric if metric is None else metric,
            metrics=metrics,
            fidelity=fidelity,
            noise=noise,
            cost=cost,
        )

    def cost(self, metric: str, dataset: str | None = None) -> MetricCost:
        """Return a metric as a function of an architecture, for constraints that are checked while sampling.

        ::

            config.constraints = [at_most(benchmark.cost("edgegpu_latency", "cifar10"), 5)]

        Args:
            metric: A metric of the table: its mean over seeds at the highest fidelity, or at that of its name, such as
                ``"valid_acc@12"``.
            dataset: One of `datasets`; the first if left out.

        Raises:
            ConfigError: There is no such dataset.
            BenchmarkError: The results cannot be read, or there is no such metric.
        """
        from retiarii.benchmarks._tabular.metric_cost import MetricCost  # slow to import, unlike queries

        return MetricCost(self, self.check_dataset(dataset), metric)

    def check_dataset(self, dataset: str | None) -> str:
        """Return the name of a dataset, the first if it is None.

        Raises:
            ConfigError: There is no such dataset.
        """
        if dataset is None:
            return self.datasets[0]
        if dataset not in self.datasets:
            raise ConfigError(
                f"The benchmark {self.name!r} has no dataset {dataset!r}, expected one of {list(self.datasets)}."
                f"{nearest(dataset, self.datasets)}"
            )
        return dataset
