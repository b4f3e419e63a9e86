"""`compare`: run strategies on a benchmark with many seeds, in parallel."""

from __future__ import annotations

import math
import operator
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from retiarii.benchmarks._tabular.regret import incumbent_curve, reported_means
from retiarii.benchmarks._tabular.result_table import Numbers, ResultTable
from retiarii.benchmarks._tabular.simulate import simulate
from retiarii.benchmarks._tabular.tabular_evaluator import TabularEvaluator
from retiarii.benchmarks.report._comparison import Comparison, in_order
from retiarii.benchmarks.report._parallel_searches import in_processes
from retiarii.benchmarks.report._saved_searches import SavedSearches
from retiarii.benchmarks.report._simulated_search import SimulatedSearch
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.strategy import Strategy
from retiarii.trial import Direction, Objectives

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # in the texts of functions and of classes without one of their own


def compare(
    strategies: Mapping[str, Strategy],
    evaluator: TabularEvaluator,
    *,
    score: str | None = None,
    seconds: float | None = None,
    trials: int | None = None,
    workers: int = 1,
    seeds: int | Iterable[int] = 100,
    direction: str = "maximize",
    processes: int | None = None,
    save: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Run each strategy with each seed on a benchmark, and return what they found over the budget.

    The searches run in simulated time. The incumbent of a search is the best trial so far by the metric of the
    evaluator; what is compared is its score. The same arguments give the same comparison. A warning counts the trials
    that failed, such as those with a fidelity that the benchmark does not have.

    ::

        evaluator = Nb201Table().evaluator("cifar10", metric="valid_acc", fidelity=12)
        strategies = {"random": Random(), "evolution": RegularizedEvolution(population_size=10, sample_size=3)}
        comparison = compare(strategies, evaluator, score="test_acc@200", seconds=20_000, seeds=500)
        print(comparison.table())

    Args:
        strategies: The strategies, by the names that tables and plots show.
        evaluator: What `Benchmark.evaluator` returns; its metric is what the strategies see.
        score: The metric of incumbents that is compared, a mean over the seeds of the table: ``"test_acc@200"`` is the
            one at 200 epochs, without ``@`` it is at the highest fidelity. The evaluator's metric if left out.
        seconds: The simulated time of each search; None for no limit.
        trials: The number of trials of each search; None for no limit.
        workers: How many trials are evaluated at a time.
        seeds: The number of seeds, which are 0, 1, 2, ...; or the seeds.
        direction: ``"maximize"`` or ``"minimize"``: which values of the metric and the score are better.
        processes: How many processes run searches; the number of processor cores of this process if left out.
        save: A file to which each search is written when it ends. If it is there, it is continued: what it has is not
            run again. `Comparison.load` reads it.
        on_progress: Called after each search, with the number of ended searches and of all.

    Raises:
        ConfigError: An argument has an impossible value, or the saved file is of another comparison.
        BenchmarkError: The benchmark has no such score, or not that of an incumbent, or a process was killed.
    """
    if not isinstance(evaluator, TabularEvaluator):
        raise ConfigError(f"evaluator is {evaluator!r}, expected what `Benchmark.evaluator` returns.")
    every = _checked(strategies, seconds, trials, seeds)
    aim = Objectives.of(direction).direction
    benchmark, dataset = evaluator.benchmark, evaluator.dataset
    score = evaluator.metric if score is None else score
    table = benchmark.table(dataset)
    scores, optimum = reported_means(table, score, aim)
    comparison = Comparison(
        benchmark=benchmark.name,
        dataset=dataset,
        metric=evaluator.metric,
        score=score,
        direction=aim.value,
        optimum=optimum,
        seconds=seconds,
        trials=trials,
        workers=workers,
        strategies={name: _ADDRESS.sub("", repr(strategy)) for name, strategy in strategies.items()},
        searches=(),
        evaluator=repr(evaluator),
    )
    saved = SavedSearches(None if save is None else Path(save), comparison.settings())
    done = {(search.strategy, search.seed): search for search in saved.searches}
    wanted = [(name, seed) for seed in every for name in strategies]
    left = [key for key in wanted if key not in done]
    runs = _Runs(strategies, left, evaluator, table, scores, aim, seconds, trials, workers)
    for search in in_processes(runs, len(left), _num_cores() if processes is None else processes):
        saved.add(search)
        done[search.strategy, search.seed] = search
        if on_progress is not None:
            on_progress(len(done), len(wanted))
    comparison = comparison.with_searches(in_order((done[key] for key in wanted), strategies))
    _warn_of_failures(comparison)
    return comparison


@dataclass(frozen=True)
class _Runs:
    """The searches that are left to run, by number."""

    strategies: Mapping[str, Strategy]
    keys: list[tuple[str, int]]
    evaluator: TabularEvaluator
    table: ResultTable
    scores: Numbers
    direction: Direction
    seconds: float | None
    trials: int | None
    workers: int

    def __call__(self, number: int) -> SimulatedSearch:
        name, seed = self.keys[number]
        try:
            return self._search(name, seed)
        except Exception as error:
            if sys.version_info >= (3, 11):
                error.add_note(f"In the search of the strategy {name!r} with the seed {seed}.")
            raise

    def _search(self, name: str, seed: int) -> SimulatedSearch:
        search = self.strategies[name].search(self.evaluator.benchmark.space, seed=seed, objectives=self.direction)
        ended = simulate(search, self.evaluator, workers=self.workers, seconds=self.seconds, trials=self.trials)
        metric = search.objectives.primary.metric
        results = [
            (place, trial.metrics[metric], float(self.scores[self.table.row_of(trial.architecture)]))
            for place, trial in enumerate(ended, start=1)
            if trial.is_completed and trial.metrics is not None
        ]
        curve = incumbent_curve(results, direction=self.direction)
        places = [int(place) for place in curve.times]
        for place, score in zip(places, curve.values, strict=True):
            if math.isnan(score):
                benchmark, found = self.evaluator.benchmark.name, ended[place - 1].architecture
                raise BenchmarkError(
                    f"The benchmark {benchmark!r} has no score of {found!r}, which {name!r} found with seed {seed}. "
                    "Compare another score."
                )
        times = tuple(float(ended[place - 1].ended or 0.0) for place in places)
        failures = [trial.failure.message for trial in ended if trial.failure is not None]
        return SimulatedSearch(
            name,
            seed,
            len(ended),
            times,
            tuple(places),
            tuple(curve.values.tolist()),
            num_failed=len(failures),
            failure=failures[0] if failures else "",
        )


def _warn_of_failures(comparison: Comparison) -> None:
    for name in comparison.strategies:
        searches = [search for search in comparison.searches if search.strategy == name]
        failed = sum(search.num_failed for search in searches)
        if failed:
            total = sum(search.num_trials for search in searches)
            reason = next(search.failure for search in searches if search.failure)
            warnings.warn(f"{failed:,} of {total:,} trials of {name!r} failed, the first with: {reason}", stacklevel=3)


def _checked(
    strategies: Mapping[str, Strategy], seconds: float | None, trials: int | None, seeds: int | Iterable[int]
) -> list[int]:
    """Check arguments of `compare`, and return the seeds."""
    if not isinstance(strategies, Mapping) or not strategies:
        raise ConfigError(f"strategies is {strategies!r}, expected a dict such as {{'random': Random()}}.")
    for name, strategy in strategies.items():
        if not isinstance(strategy, Strategy):
            raise ConfigError(
                f"The strategy {name!r} is {strategy!r}, expected a multi-trial strategy such as Random()."
            )
    if seconds is None and trials is None:
        raise ConfigError("compare() needs a limit: seconds=20_000 of simulated time, or trials=200.")
    if any(limit is not None and not (isinstance(limit, Real) and limit > 0) for limit in (seconds, trials)):
        raise ConfigError(f"The limits are seconds={seconds!r} and trials={trials!r}, expected numbers above 0.")
    try:
        every = map(operator.index, seeds) if isinstance(seeds, Iterable) else range(operator.index(seeds))
        found = list(dict.fromkeys(every))
    except TypeError:
        raise ConfigError(f"seeds is {seeds!r}, expected how many, or whole numbers.") from None
    if not found:
        raise ConfigError(f"seeds is {seeds!r}, expected one or more.")
    return found


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
