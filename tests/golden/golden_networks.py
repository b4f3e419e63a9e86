"""The networks whose frozen, exported and extracted forms are recorded: those of the examples, and one of each kind."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.graph import Mutator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@dataclass(frozen=True)
class Network:
    """How to build a base model.

    Attributes:
        make: Builds it.
        size: Of an example input.
        mutators: What changes its graph afterwards.
    """

    make: Callable[[], torch.nn.Module]
    size: tuple[int, ...]
    mutators: Callable[[], list[Mutator]] = list


def from_example(file: str, *names: str) -> list[Any]:
    """Run an example up to where all names are bound, which is before its search, and return what they stand for."""
    path = EXAMPLES / file
    module = types.ModuleType(f"example_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where classes are looked up when their sources are read
    for statement in ast.parse(path.read_text()).body:
        if all(name in vars(module) for name in names):
            break
        exec(compile(ast.Module([statement], []), str(path), "exec"), vars(module))
    return [vars(module)[name] for name in names]


def mnasnet() -> torch.nn.Module:
    return from_example("mnasnet_mutators.py", "MnasNet")[0]()


def mnasnet_mutators() -> list[Mutator]:
    fill, add = from_example("mnasnet_mutators.py", "BlockMutator", "AddLayer")
    return [*(fill(f"block{number}") for number in range(3)), add()]


def conv(inputs: Any, outputs: Any, kernel: Any = 3, **options: Any) -> torch.nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options), nn.BatchNorm2d(outputs)
    )


def cell_operations(channels: int, stride: int = 1) -> dict[str, Callable[..., torch.nn.Module]]:
    return {
        "max_pool": lambda *place: nn.MaxPool2d(3, stride, 1),
        "skip": lambda *place: nn.Identity() if stride == 1 else conv(channels, channels, 1, stride=stride),
        "sep_conv": lambda *place: nn.Sequential(
            conv(channels, channels, 3, groups=channels, stride=stride), nn.ReLU(), conv(channels, channels, 1)
        ),
        "conv": lambda *place: conv(channels, channels, 3, stride=stride),
    }


class DartsNet(nn.Module):
    """Three cells of DARTS on a tiny image: what a cell outputs depends on its loose ends."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 4)
        self.cells = nn.ModuleList(
            nn.Cell(cell_operations(4), 3, 2, 2, merge_op="all", label="normal") for _ in range(3)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(12, 4, 1) for _ in range(3))
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = x = self.stem(x)
        for cell, shrink in zip(self.cells, self.shrink, strict=True):
            before, x = x, shrink(cell([before, x]))
        return self.head(x.mean((2, 3)))


@nn.model_wrapper
class LooseEnds(nn.Module):
    """The layer after a cell has as many inputs as the cell has loose ends, so the constructor runs again."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Cell(cell_operations(4), 3, 2, 2, merge_op="loose_end")
        self.head = nn.Linear(4 * len(self.cell.output_node_indices), 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cell([x, x + 1]).mean((2, 3)))


def nas_bench_101() -> torch.nn.Module:
    operations = {
        "conv3": lambda size: conv(size, size),
        "conv1": lambda size: conv(size, size, 1),
        "pool": lambda size: nn.MaxPool2d(3, 1, 1),
    }
    return nn.Sequential(
        nn.NasBench101Cell(operations, 3, 8, lambda i, o: conv(i, o, 1), 5, 7, label="cell"), nn.Conv2d(8, 2, 1)
    )


def nas_bench_201() -> torch.nn.Module:
    operations = {
        "none": lambda i, o: conv(i, o, 1),
        "conv3": lambda i, o: conv(i, o),
        "pool": lambda i, o: nn.Sequential(conv(i, o, 1), nn.AvgPool2d(3, 1, 1)),
    }
    return nn.Sequential(nn.NasBench201Cell(operations, 3, 4, label="cell"), nn.Conv2d(4, 2, 1))


class Widths(nn.Module):
    """Choices in arguments, expressions of them, a depth, attributes read in forward."""

    def __init__(self) -> None:
        super().__init__()
        width, kernel = nn.ValueChoice([4, 6, 8], label="width"), nn.ValueChoice([1, 3, 5], label="kernel")
        self.stem = conv(3, width, kernel)
        self.blocks = nn.Repeat(lambda index: conv(width, width, kernel), (1, 3), label="depth")
        self.scale = nn.ValueChoice([0.5, 1.0], label="scale")
        self.hidden = nn.Linear(width, nn.ValueChoice.max(width * 2, 10))
        self.head = nn.Linear(nn.ValueChoice.max(width * 2, 10), 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.blocks(F.relu(self.stem(x))))
        return self.head(F.relu(self.hidden(x.mean((2, 3))))) * self.scale


class Nested(nn.Module):
    """Choices in candidates of choices, to three levels, and a module that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        inner = nn.LayerChoice({"a": nn.Conv2d(3, 3, 1), "b": nn.LayerChoice([nn.ReLU(), nn.Tanh()], label="act")})
        self.outer = nn.LayerChoice([nn.Sequential(inner, conv(3, 3)), nn.Identity(), conv(3, 3, 1)], label="outer")
        self.head = nn.Linear(3, 5)
        self.again = self.outer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.again(self.outer(x)).mean((2, 3)))


class Skips(nn.Module):
    """Choices of one of several inputs."""

    reduction, n_chosen = "sum", 1

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv(3, 3) for _ in range(3))
        self.picks = nn.ModuleList(
            nn.InputChoice(number + 2, self.n_chosen, self.reduction, label=f"pick{number}") for number in range(2)
        )
        self.head = nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = [x, self.layers[0](x)]
        for layer, pick in zip(self.layers[1:], self.picks, strict=True):
            chosen = pick(outputs)
            outputs.append(layer(x if chosen is None else chosen))
        return self.head(outputs[-1].mean((2, 3)))


class Subsets(Skips):
    """Choices of any number of inputs, averaged."""

    reduction, n_chosen = "mean", None


@nn.model_wrapper
class Rebuilt(nn.Module):
    """A value that the constructor computes with, and initial weights of its own."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        depth = nn.ModelParameterChoice([1, 2, 3], label="depth")
        width = nn.ValueChoice([4, 8], label="width")
        self.layers = nn.Sequential(*[nn.Conv2d(3 if i == 0 else width, width, 1) for i in range(depth)])
        self.act = nn.LayerChoice({"relu": nn.ReLU(), "prelu": nn.PReLU()})
        self.head = nn.Linear(width, classes)
        self.apply(self.initialise)

    @staticmethod
    def initialise(module: torch.nn.Module) -> None:
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.uniform_(module.weight, -0.1, 0.1)
            torch.nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.layers(x)).mean((2, 3)))


@nn.basic_unit
class Squeeze(nn.Module):
    """A basic unit that computes with its arguments."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.down = nn.Linear(channels, max(1, channels // ratio))
        self.up = nn.Linear(max(1, channels // ratio), channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.up(F.relu(self.down(x.mean((2, 3))))).sigmoid()[:, :, None, None]


class Pretrained(nn.Module):
    """Weights that were changed after the constructor, tied ones, buffers, torch's own layers, and a basic unit."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 4, 1)
        self.op = nn.LayerChoice([nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)], label="op")
        self.squeeze = Squeeze(4, nn.ValueChoice([1, 2, 4], label="ratio"))
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.register_buffer("offset", torch.linspace(0, 1, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.squeeze(self.op(self.stem(x))).mean((2, 3))
        return self.second(F.relu(self.first(x))) + self.offset


def pretrained() -> torch.nn.Module:
    model = Pretrained()
    with torch.no_grad():
        for number, weight in enumerate([*model.op.parameters(), *model.first.parameters(), model.stem.bias]):
            weight.copy_(torch.linspace(-1, 1, weight.numel()).reshape(weight.shape) / (number + 1))
    return model


def of_example(file: str, name: str, *further: str, size: tuple[int, ...] = (2, 1, 8, 8)) -> Network:
    def make() -> torch.nn.Module:
        found = from_example(file, name, *further)[0]
        return found() if isinstance(found, type) else found

    return Network(make, size)


NETWORKS = {
    "example_classic_mnist": of_example("classic_mnist.py", "Net", "candidates", size=(2, 1, 12, 12)),
    "example_digits": of_example("digits.py", "Net"),
    "example_digits_early_stopping": of_example("digits_early_stopping.py", "model"),
    "example_digits_lightning": of_example("digits_lightning.py", "Net"),
    "example_digits_pareto": of_example("digits_pareto.py", "model"),
    "example_mnasnet_mutators": Network(mnasnet, (2, 1, 8, 8), mnasnet_mutators),
    "example_oneshot_digits": of_example("oneshot_digits.py", "Net"),
    "example_oneshot_mnist": of_example("oneshot_mnist.py", "Net", "conv"),
    "example_oneshot_mnist_cells": of_example("oneshot_mnist.py", "CellNet", "conv"),
    "example_own_loop": of_example("own_loop.py", "model", size=(2, 8)),
    "darts_cells": Network(DartsNet, (2, 3, 4, 4)),
    "loose_ends": Network(LooseEnds, (2, 4, 4, 4)),
    "nas_bench_101": Network(nas_bench_101, (2, 3, 4, 4)),
    "nas_bench_201": Network(nas_bench_201, (2, 3, 4, 4)),
    "widths": Network(Widths, (2, 3, 4, 4)),
    "nested": Network(Nested, (2, 3, 4, 4)),
    "skips": Network(Skips, (2, 3, 4, 4)),
    "subsets": Network(Subsets, (2, 3, 4, 4)),
    "rebuilt": Network(Rebuilt, (2, 3, 4, 4)),
    "pretrained": Network(pretrained, (2, 3, 4, 4)),
}
