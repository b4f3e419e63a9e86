"""`read_architecture`: the trainings of one architecture from a record of NATS-Bench."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retiarii.benchmarks._tables._formats.published_files import PublishedFile
from retiarii.benchmarks._tables._formats.restricted_pickle import plain_content, shown
from retiarii.benchmarks._tables._nats.nats_space import NatsSpace
from retiarii.benchmarks._tables._nats.nats_statistics import ACCURACIES, DATASETS, STATISTICS
from retiarii.errors import BenchmarkError

# The published names of the evaluations that are the validation, the test and the original test of each dataset.
_SPLITS = {
    "cifar10-valid": ("x-valid", "ori-test", "ori-test"),
    "cifar10": ("ori-test", "ori-test", "ori-test"),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "imagenet16-120": ("x-valid", "x-test", "ori-test"),
}
_WRONG = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


@dataclass(frozen=True)
class PublishedTrial:
    """One training.

    Attributes:
        num_epochs: The epochs of the training.
        dataset: The dataset.
        seed: The random seed.
        statistics: The values of `STATISTICS`.
        curves: The values after each epoch for each name of `CURVES`.
    """

    num_epochs: int
    dataset: str
    seed: int
    statistics: tuple[float | None, ...]
    curves: tuple[list[float | None], ...]


@dataclass(frozen=True)
class PublishedArchitecture:
    """One architecture with its trainings.

    Attributes:
        number: Its number in the space.
        trials: The trainings.
    """

    number: int
    trials: list[PublishedTrial]


def read_architecture(file: PublishedFile, space: NatsSpace) -> PublishedArchitecture:
    """Read the record of one architecture.

    Raises:
        BenchmarkError: The file is damaged, malicious, or not a record of the space.
    """
    content = plain_content(file.content(), file.name)
    try:
        numbers = {space.number_of_published(content[f"{epochs:02}"]["arch_str"]) for epochs in space.epochs}
        indices = [content[f"{epochs:02}"]["arch_index"] for epochs in space.epochs]
        if any(index != file.index for index in indices) or len(numbers) != 1:
            raise ValueError(f"its architectures are {shown(indices)}, expected {file.index}")
        trials = [trial for epochs in space.epochs for trial in _trials(content[f"{epochs:02}"], epochs)]
    except _WRONG as err:
        raise BenchmarkError(
            f"{file.name} is not a record of NATS-Bench's {space.word} space ({_reason(err)}). Expected the files of "
            f"{space.folder}."
        ) from err
    return PublishedArchitecture(numbers.pop(), trials)


def _trials(part: Mapping[str, Any], epochs: int) -> list[PublishedTrial]:
    trials = [_trial(dataset.lower(), seed, epochs, result) for (dataset, seed), result in part["all_results"].items()]
    if missing := {*DATASETS} - {trial.dataset for trial in trials}:
        raise ValueError(f"it has no training of {epochs} epochs on {', '.join(sorted(missing))}")
    return trials


def _trial(dataset: str, seed: int, epochs: int, result: Mapping[str, Any]) -> PublishedTrial:
    if result["epochs"] != epochs or type(seed) is not int:
        raise ValueError(f"a training on {dataset} has {shown(result['epochs'])} epochs and the seed {shown(seed)}")
    splits = _SPLITS[dataset]
    curves = tuple(
        [_number(values.get(key(epoch))) for epoch in range(epochs)] for values, key in _sources(result, splits)
    )
    final = [curve[-1] for curve in curves]
    for name, value in zip(ACCURACIES, final, strict=False):
        if value is None or not 0 <= value <= 100.001:
            raise ValueError(f"the final {name} on {dataset} with seed {seed} is {value!r}, expected 0 to 100")
    latency = result["latency"]
    costs = [
        _needed(result, "params"),
        _number(latency[0]) if latency else None,
        _needed(result, "flop"),
        _seconds([result["train_times"][epoch] for epoch in range(epochs)], dataset),
        *(_number(result["eval_times"].get(f"{split}@{epochs - 1}")) for split in splits),
    ]
    assert len(final) + len(costs) == len(STATISTICS)
    return PublishedTrial(epochs, dataset, seed, (*final, *costs), curves)


def _sources(
    result: Mapping[str, Any], splits: tuple[str, ...]
) -> Iterator[tuple[Mapping[Any, Any], Callable[[int], Any]]]:
    """Yield the dict of each curve, and the function from an epoch to its key in that dict."""
    for trained, evaluated in (("train_acc1es", "eval_acc1es"), ("train_losses", "eval_losses")):
        yield result[trained], int
        for split in splits:
            yield result[evaluated], f"{split}@{{}}".format


def _needed(result: Mapping[str, Any], name: str) -> float:
    value = _number(result[name])
    if value is None or value < 0:
        raise ValueError(f"its {name!r} is {result[name]!r}, expected a number that is not negative")
    return value


def _seconds(times: Sequence[float], dataset: str) -> float | None:
    """Return the time of a training; None if it is NaN for every epoch, where it was not measured."""
    if all(math.isnan(value) for value in times):
        return None
    wrong = [value for value in times if not 0 <= value < math.inf]
    if wrong:
        raise ValueError(f"'train_times' of an epoch on {dataset} is {wrong[0]!r}, expected seconds for each epoch")
    return math.fsum(times)


def _number(value: Any) -> float | None:
    """Return a finite number; None for NaN, infinity and what is not there."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def _reason(err: Exception) -> str:
    return f"it has no {shown(err.args[0])}" if isinstance(err, KeyError) else str(err)
