"""The time and memory to run a trial, apart from the evaluation itself.

- ``isolated_ms``: wall time per no-op trial in a process of its own, two at a time; also with 800 MB of data loaded,
  since the cost of a fork follows the memory of the process that is forked.
- ``first_trial_s``: from making the executor to the start of its first trial, less the seconds that the template says
  it spent on importing torch and on loading the task. What remains: serialising the task, the start of an
  interpreter, the import of what watches over trials, and the messages.
- ``in_process_us``: a no-op trial through the in-process executor; and what a trial of `NasTask` with an evaluator that
  does nothing takes beyond fixing the same model.

Prints one JSON line; medians over the repeats.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import version
from time import perf_counter
from typing import Any

import torch

import retiarii.nn.pytorch as nn
from retiarii.evaluator import FunctionalEvaluator
from retiarii.execution import (
    Executor,
    InProcessExecutor,
    NasTask,
    Report,
    TemplateExecutor,
    TrialEnded,
    TrialJob,
    TrialStarted,
)
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.testing.spaces import darts
from retiarii.trial import Metrics

SLOTS = 2
SEED = 0


class NoOp:
    """A trial that does nothing, beside data that are loaded where it arrives."""

    def __init__(self, megabytes: int) -> None:
        self._megabytes = megabytes
        self._data: torch.Tensor | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._data = torch.ones(self._megabytes << 20, dtype=torch.uint8)

    def __call__(self, job: TrialJob, report: Report) -> Metrics:
        """Do nothing."""
        return {"default": 1.0}


class LoadTimes(logging.Handler):
    """Catches what the executor logs about the start of its template."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.seconds = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the seconds for torch and for the task."""
        if isinstance(record.args, tuple) and record.levelno == logging.INFO:
            self.seconds = sum(float(str(seconds)) for seconds in record.args)


def architectures(space: SearchSpace, count: int) -> list[Architecture]:
    """Return architectures that are the same in every run."""
    rng = rng_for(SEED)
    return [space.sample(rng) for _ in range(count)]


def drive(executor: Executor, chosen: list[Architecture]) -> float:
    """Run one trial for each architecture, as the loop of an experiment does; return milliseconds per trial."""
    begin = perf_counter()
    num_asked = num_ended = 0
    while num_ended < len(chosen):
        while num_asked < len(chosen) and num_asked - num_ended < executor.slots:
            executor.submit(TrialJob(num_asked, chosen[num_asked], SEED))
            num_asked += 1
        num_ended += sum(isinstance(event, TrialEnded) for event in executor.poll())
    return (perf_counter() - begin) / len(chosen) * 1e3


def isolated(megabytes: int, num_trials: int, repeats: int) -> tuple[float, float]:
    """Return the seconds to the first trial and the milliseconds per trial."""
    chosen = architectures(darts(), num_trials)
    log = LoadTimes()
    logger = logging.getLogger("retiarii.execution")
    logger.setLevel(logging.INFO)
    logger.addHandler(log)
    first = []
    for _ in range(repeats):
        begin = perf_counter()
        with TemplateExecutor(NoOp(megabytes), slots=SLOTS) as executor:
            executor.submit(TrialJob(0, chosen[0], SEED))
            while not any(isinstance(event, TrialStarted) for event in executor.poll()):
                pass
            first.append(perf_counter() - begin - log.seconds)
            while executor.poll():
                pass
            per_trial = [drive(executor, chosen) for _ in range(repeats)]
    logger.removeHandler(log)
    return statistics.median(first), statistics.median(per_trial)


def microseconds(operation: Callable[[], object], repeats: int) -> float:
    """Return the median time of an operation."""
    times = []
    for _ in range(repeats):
        begin = perf_counter()
        operation()
        times.append(perf_counter() - begin)
    return statistics.median(times) * 1e6


def in_process(repeats: int) -> dict[str, float]:
    """Return the cost of the in-process executor."""
    model = torch.nn.Sequential(nn.Linear(8, nn.ValueChoice([8, 16], label="width")))
    chosen = architectures(nn.extract_space(model), 1)[0]

    def through(executor: Executor) -> Callable[[], object]:
        def run() -> None:
            executor.submit(TrialJob(0, chosen, SEED))
            while not isinstance(executor.poll()[-1], TrialEnded):
                pass

        return run

    with (
        InProcessExecutor(NoOp(0)) as nothing,
        InProcessExecutor(NasTask(PythonEngine(model), FunctionalEvaluator(zero))) as nas,
    ):
        no_op = microseconds(through(nothing), repeats * 1000)
        freezing = microseconds(lambda: nn.freeze(model, chosen), repeats * 200)
        trial = microseconds(through(nas), repeats * 200)
    times = {"no_op": no_op, "nas_task_beyond_freeze": trial - freezing, "freeze": freezing}
    return {name: round(value, 1) for name, value in times.items()}


def zero(model: torch.nn.Module) -> float:
    """Be an evaluation that takes no time."""
    return 0.0


def main() -> None:
    """Measure everything and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    first, bare = isolated(0, options.trials, options.repeats)
    _, loaded = isolated(800, options.trials, max(1, options.repeats // 2))
    result = {
        "benchmark": "trial_overhead",
        "isolated_ms": {"bare": round(bare, 2), "with 800 MB": round(loaded, 2)},
        "first_trial_s": round(first, 3),
        "in_process_us": in_process(options.repeats),
        "trials": options.trials,
        "slots": SLOTS,
        "repeats": options.repeats,
        "seed": SEED,
        "python": platform.python_version(),
        "torch": version("torch"),
        "retiarii": version("retiarii"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
