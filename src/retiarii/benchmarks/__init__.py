"""Tables of published benchmarks, and searches in them: results of architectures that others have trained.

A `Benchmark` is a search space with results. Its `Benchmark.evaluator` looks architectures up in any experiment on
`Benchmark.space`; on the platform ``"simulated"``, trials take the time of the real trainings on a simulated clock.
`simulate` does the same without an experiment, `regret_curve` shows how good a search was, `TabularBenchmark` makes a
benchmark of a data frame, and `JoinedBenchmark` adds metrics of one benchmark to another.

A `BenchmarkTable` is a benchmark that is built from published files: ``retiarii benchmarks build nasbench201 FOLDER``
imports them into `tables_folder`, `fetch_files` downloads them. `BENCHMARKS` has the names of all; `get_benchmark`
returns the one of a name. The functions of `retiarii.benchmarks.nasbench201` query its table.

This room does not train anything, and does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes
from retiarii.benchmarks._tables.benchmark_table import (
    BENCHMARKS,
    BenchmarkTable,
    BuildReport,
    TableState,
    TableStatus,
    get_benchmark,
)
from retiarii.benchmarks._tables.cache_folder import tables_folder
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tabular.benchmark import Benchmark

if TYPE_CHECKING:
    from retiarii.benchmarks._tables._downloading.fetching import MIRROR_VARIABLE, FetchedFile, fetch_files
    from retiarii.benchmarks._tabular.joined_benchmark import JoinedBenchmark
    from retiarii.benchmarks._tabular.metric_cost import MetricCost
    from retiarii.benchmarks._tabular.regret import StepCurve, incumbent_curve, regret_curve
    from retiarii.benchmarks._tabular.result_table import ResultTable
    from retiarii.benchmarks._tabular.simulate import simulate
    from retiarii.benchmarks._tabular.tabular_benchmark import TabularBenchmark
    from retiarii.benchmarks._tabular.tabular_evaluator import TabularEvaluator

# Imported when first used: queries of tables need neither these names nor the rooms that they import.
_LAZY = {
    "MIRROR_VARIABLE": "retiarii.benchmarks._tables._downloading.fetching",
    "FetchedFile": "retiarii.benchmarks._tables._downloading.fetching",
    "fetch_files": "retiarii.benchmarks._tables._downloading.fetching",
    "JoinedBenchmark": "retiarii.benchmarks._tabular.joined_benchmark",
    "MetricCost": "retiarii.benchmarks._tabular.metric_cost",
    "ResultTable": "retiarii.benchmarks._tabular.result_table",
    "StepCurve": "retiarii.benchmarks._tabular.regret",
    "TabularBenchmark": "retiarii.benchmarks._tabular.tabular_benchmark",
    "TabularEvaluator": "retiarii.benchmarks._tabular.tabular_evaluator",
    "incumbent_curve": "retiarii.benchmarks._tabular.regret",
    "regret_curve": "retiarii.benchmarks._tabular.regret",
    "simulate": "retiarii.benchmarks._tabular.simulate",
}

__all__ = [
    "BENCHMARKS",
    "MIRROR_VARIABLE",
    "Benchmark",
    "BenchmarkTable",
    "BuildReport",
    "Download",
    "FetchedFile",
    "JoinedBenchmark",
    "MetricCost",
    "ResultTable",
    "StepCurve",
    "TableState",
    "TableStatus",
    "TabularBenchmark",
    "TabularEvaluator",
    "fetch_files",
    "get_benchmark",
    "incumbent_curve",
    "regret_curve",
    "simulate",
    "tables_folder",
]

__getattr__, __dir__ = lazy_attributes(__name__, _LAZY)
