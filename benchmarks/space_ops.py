"""How fast architectures are drawn, changed, numbered and checked, and how fast a model is fixed to one.

Works on a space of the size of DARTS (34 choices), on one that is nested 50 levels deep, and on a model with 34 choices
that has about 2.8 million parameters once it is fixed; a hand-written constructor of the same network is measured in
turns with it. Prints one JSON line: medians over the seeds, of processor time on one thread.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import random
import statistics
from collections.abc import Callable, Sequence
from time import process_time
from types import ModuleType
from typing import Any

import torch

import retiarii.nn.pytorch as nn
from retiarii import __version__
from retiarii.space import ALWAYS, Architecture, Categorical, Choice, SearchSpace, rng_for, when
from retiarii.testing.spaces import darts

LEVELS = 50
WIDTHS = (52, 56, 60)
CELLS_PER_STAGE = 4


def nested() -> SearchSpace:
    """Return a space in which each level is active only if the level above says so."""
    choices: list[Choice] = []
    condition = ALWAYS
    for level in range(LEVELS):
        choices.append(Categorical(f"op{level}", ("inner", "conv", "pool"), condition=condition))
        choices.append(Categorical(f"width{level}", (16, 32, 64, 128), condition=condition))
        condition = when(f"op{level}", "inner")
    return SearchSpace(choices)


def per_second(operation: Callable[[], object], count: int) -> float:
    """Return how often an operation runs per second."""
    begin = process_time()
    for _ in range(count):
        operation()
    return count / (process_time() - begin)


def milliseconds(operation: Callable[[], object]) -> float:
    """Return the time that an operation takes once."""
    begin = process_time()
    operation()
    return (process_time() - begin) * 1e3


def rates(space: SearchSpace, rng: random.Random, count: int) -> dict[str, float]:
    """Return the operations per second on one space."""
    parents = itertools.cycle([space.sample(rng) for _ in range(100)])
    raw = itertools.cycle([space.sample(rng).to_json() for _ in range(100)])
    grid = iter(space.grid())
    return {
        "sample": per_second(lambda: space.sample(rng), count),
        "mutate": per_second(lambda: space.mutate(next(parents), rng), count),
        "crossover": per_second(lambda: space.crossover(next(parents), next(parents), rng), count),
        "grid": per_second(lambda: next(grid), count),
        "validate": per_second(lambda: space.architecture(next(raw)), count),
        "encode": per_second(lambda: space.encode(next(parents)), count),
        "key": per_second(lambda: Architecture(next(parents)).key, count),
    }


def counting(make: Callable[[], SearchSpace]) -> dict[str, float]:
    """Return the milliseconds that the first count of a new space and one numbered architecture take."""
    space = make()
    return {
        "size_ms": milliseconds(lambda: space.size),
        "at_ms": milliseconds(lambda: space.at(int(space.size) * 2 // 3)),
    }


def medians(runs: Sequence[dict[str, float]], digits: int) -> dict[str, float]:
    """Return the median of each number over the runs."""
    return {name: round(statistics.median(run[name] for run in runs), digits) for name in runs[0]}


class Decisions:
    """The functions that the network calls at each choice; here, they return the choices themselves."""

    layers: ModuleType = nn

    def operation(self, label: str, builders: dict[str, Callable[[], torch.nn.Module]]) -> torch.nn.Module:
        """Return one of several operations."""
        return nn.LayerChoice({name: build() for name, build in builders.items()}, label=label)

    def source(self, label: str, count: int) -> torch.nn.Module:
        """Return a module that picks one of several inputs."""
        return nn.InputChoice(n_candidates=count, n_chosen=1, label=label)

    def value(self, label: str, candidates: Sequence[float]) -> Any:
        """Return one of several values."""
        return nn.ValueChoice(candidates, label=label)


class Functions(Decisions):
    """The choices again, with functions that make the operations."""

    def operation(self, label: str, builders: dict[str, Callable[[], torch.nn.Module]]) -> torch.nn.Module:
        """Return one of several operations."""
        return nn.LayerChoice(builders, label=label)


class Pick(torch.nn.Module):
    """One of several inputs, as a person would write it."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the input at the index."""
        return inputs[self.index]


class HandWritten(Decisions):
    """The same network without retiarii: only the chosen parts are built, with plain torch layers."""

    layers = torch.nn

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture

    def operation(self, label: str, builders: dict[str, Callable[[], torch.nn.Module]]) -> torch.nn.Module:
        """Return the operation that is chosen."""
        return builders[self.architecture[label]]()

    def source(self, label: str, count: int) -> torch.nn.Module:
        """Return a module that picks the input that is chosen."""
        return Pick(self.architecture[label])

    def value(self, label: str, candidates: Sequence[float]) -> Any:
        """Return the value that is chosen."""
        return self.architecture[label]


def conv(layers: ModuleType, channels: Any, kernel: int, dilation: int = 1) -> list[torch.nn.Module]:
    """Return the layers of a depthwise separable convolution."""
    padding = dilation * (kernel - 1) // 2
    return [
        layers.ReLU(),
        layers.Conv2d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=False),
        layers.Conv2d(channels, channels, 1, bias=False),
        layers.BatchNorm2d(channels),
    ]


def operations(layers: ModuleType, channels: Any) -> dict[str, Callable[[], torch.nn.Module]]:
    """Return the eight operations of DARTS; "none" is a pooling to one value, which keeps the shapes simple."""
    sequential = layers.Sequential
    return {
        "none": lambda: sequential(layers.AvgPool2d(1), layers.Dropout(1.0)),
        "max_pool_3x3": lambda: sequential(layers.MaxPool2d(3, 1, 1), layers.BatchNorm2d(channels)),
        "avg_pool_3x3": lambda: sequential(layers.AvgPool2d(3, 1, 1), layers.BatchNorm2d(channels)),
        "skip_connect": lambda: layers.Identity(),
        "sep_conv_3x3": lambda: sequential(*conv(layers, channels, 3), *conv(layers, channels, 3)),
        "sep_conv_5x5": lambda: sequential(*conv(layers, channels, 5), *conv(layers, channels, 5)),
        "dil_conv_3x3": lambda: sequential(*conv(layers, channels, 3, 2)),
        "dil_conv_5x5": lambda: sequential(*conv(layers, channels, 5, 2)),
    }


class Cell(torch.nn.Module):
    """Four nodes, each the sum of two operations on chosen inputs; a reduction cell halves the image first."""

    def __init__(self, decide: Decisions, kind: str, channels_in: Any, channels: Any) -> None:
        super().__init__()
        layers = decide.layers
        self.preprocess = layers.Sequential(
            layers.ReLU(),
            layers.Conv2d(channels_in, channels, 1, stride=2 if kind == "reduce" else 1, bias=False),
            layers.BatchNorm2d(channels),
        )
        names = [f"{kind}/{{}}_{node}_{edge}" for node in range(2, 6) for edge in range(2)]
        self.edges = layers.ModuleList(
            decide.operation(name.format("op"), operations(layers, channels)) for name in names
        )
        self.sources = layers.ModuleList(
            decide.source(name.format("input"), 1 + index // 2) for index, name in enumerate(names)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the concatenated nodes."""
        states = [self.preprocess(x)]
        for node in range(0, len(self.edges), 2):
            terms = [self.edges[edge](self.sources[edge](states)) for edge in (node, node + 1)]
            states.append(terms[0] + terms[1])
        return torch.cat(states[1:], dim=1)


class Network(torch.nn.Module):
    """Cells in a row, in three stages; the two kinds of cells share their decisions."""

    def __init__(self, decide: Decisions) -> None:
        super().__init__()
        layers = decide.layers
        width = decide.value("width", WIDTHS)
        self.stem = layers.Sequential(layers.Conv2d(3, width, 3, padding=1, bias=False), layers.BatchNorm2d(width))
        cells, channels_in, channels = [], width, width
        for stage in range(3):
            for position in range(CELLS_PER_STAGE):
                kind = "reduce" if stage and not position else "normal"
                channels = channels * 2 if kind == "reduce" else channels
                cells.append(Cell(decide, kind, channels_in, channels))
                channels_in = channels * 4
        self.cells = layers.Sequential(*cells)
        self.head = layers.Sequential(
            layers.AdaptiveAvgPool2d(1),
            layers.Flatten(),
            layers.Dropout(decide.value("dropout", (0.0, 0.1, 0.2))),
            layers.Linear(channels_in, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.head(self.cells(self.stem(x)))


def shapes(model: torch.nn.Module) -> dict[str, torch.Size]:
    """Return the names and shapes of all parameters and buffers."""
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def model_times(base: torch.nn.Module, architecture: Architecture, repeats: int) -> dict[str, float]:
    """Return the milliseconds to fix a model, in turns with a hand-written constructor of the same network."""
    frozen, by_hand = nn.freeze(base, architecture), Network(HandWritten(architecture))
    assert shapes(frozen) == shapes(by_hand)
    assert frozen(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    names = ("freeze_ms", "by_hand_ms", "fixed_arch_ms", "fixed_arch_of_functions_ms")
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        times["freeze_ms"].append(milliseconds(lambda: nn.freeze(base, architecture)))
        times["by_hand_ms"].append(milliseconds(lambda: Network(HandWritten(architecture))))
        with nn.fixed_arch(architecture, verbose=False):
            times["fixed_arch_ms"].append(milliseconds(lambda: Network(Decisions())))
            times["fixed_arch_of_functions_ms"].append(milliseconds(lambda: Network(Functions())))
    result = {name: statistics.median(values) for name, values in times.items()}
    return result | {
        "freeze_per_second": 1e3 / result["freeze_ms"],
        "freeze_to_by_hand": result["freeze_ms"] / result["by_hand_ms"],
        "fixed_arch_to_by_hand": result["fixed_arch_ms"] / result["by_hand_ms"],
        "fixed_arch_of_functions_to_by_hand": result["fixed_arch_of_functions_ms"] / result["by_hand_ms"],
        "million_parameters": sum(parameter.numel() for parameter in frozen.parameters()) / 1e6,
    }


def model_metrics(seeds: Sequence[int], repeats: int) -> dict[str, float]:
    """Return how fast a model of the size of DARTS is built, and fixed to sampled architectures."""
    torch.set_num_threads(1)
    base = Network(Decisions())
    space = nn.extract_space(base)
    runs = [model_times(base, space.sample(rng_for(seed)), repeats) for seed in seeds]
    build_ms = milliseconds(lambda: Network(Decisions()))
    return {"labels": len(space), "build_base_ms": round(build_ms, 1)} | medians(runs, 3)


def main() -> None:
    """Measure each space with each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="operations per measurement")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--repeats", type=int, default=5, help="models built per seed")
    options = parser.parse_args()
    result = {
        "benchmark": "space_ops",
        "per_second": {
            make.__name__: medians([rates(make(), rng_for(seed), options.count) for seed in options.seeds], 0)
            for make in (darts, nested)
        },
        "counting": {make.__name__: medians([counting(make) for _ in options.seeds], 3) for make in (darts, nested)},
        "model": model_metrics(options.seeds, options.repeats),
        "count": options.count,
        "repeats": options.repeats,
        "seeds": options.seeds,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "retiarii": __version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
