"""The time of conversion, mutation, building and checking of graphs, on a model of 100 layers.

- ``convert_ms``: `convert_to_graph` of the model (target: below 1,000).
- ``mutation_ms``: one mutation: fork, find a node, change it, insert another, check the graph (target: at most 5).
- ``fork_ms``: a fork alone.
- ``build_ms``: `build_module` with copies of the weights, next to ``copy.deepcopy`` of the model.
- ``check_ms``: shapes of all layers on an example input.
- ``forward_ratio``: a forward of the generated model over one of the hand-written model (target: at most 1.02), the
  median of the ratios of alternating runs; ``forward_ratio_same`` is the same measure of the hand-written model against
  a copy of itself: what the machine's noise makes of 1.
- ``code_ms``: the model as a Python file.

Prints one JSON line; medians over the repeats.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch

import retiarii.nn.pytorch as nn
from retiarii.graph import GraphEngine, Model, Mutator, build_module, check, convert_to_graph, export_code

SEED = 0
WIDTH = 16


class Block(nn.Module):
    """Three convolutions with a shortcut, as in a residual network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + x)


class Net(nn.Module):
    """A residual network of 100 layers with weights: 33 blocks of three, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[Block(WIDTH) for _ in range(33)])
        self.fc = nn.Linear(WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the classes."""
        return self.fc(self.blocks(x).mean((2, 3)))


class OneMutation(Mutator):
    """Changes one convolution and adds a layer after it."""

    def mutate(self, model: Model) -> None:
        """Change the model."""
        node = model.get_node_by_name("blocks.16.conv2")
        kernel = self.choice([3, 5])
        node.operation.parameters["kernel_size"] = kernel
        node.operation.parameters["padding"] = kernel // 2
        node.graph.insert_node_on_edge(node.outgoing_edges[0], "extra", nn.Identity, {})


def median_ms(function: Callable[[], Any], repeats: int) -> float:
    """Return the median time of a call in milliseconds, after one call that does not count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def forward_ratio(first: torch.nn.Module, second: torch.nn.Module, x: torch.Tensor, repeats: int) -> float:
    """Return the median of time(first) / time(second) over pairs of runs in alternating order."""
    ratios = []
    with torch.no_grad():
        for model in (first, second) * 3:
            model(x)
        for number in range(repeats):
            pair = [(first, 0), (second, 1)] if number % 2 == 0 else [(second, 1), (first, 0)]
            times = [0.0, 0.0]
            for model, index in pair:
                start = time.perf_counter()
                model(x)
                times[index] = time.perf_counter() - start
            ratios.append(times[0] / times[1])
    return statistics.median(ratios)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    net, x = Net().eval(), torch.randn(2, 3, 8, 8).repeat(1, 6, 1, 1)[:, :WIDTH].contiguous()
    model = convert_to_graph(net)
    engine = GraphEngine(net, [OneMutation()])
    engine.base_graph({})
    generated, twin = build_module(model).eval(), copy.deepcopy(net)
    result = {
        "benchmark": "graph",
        "layers": 100,
        "nodes": sum(1 for _ in model.get_nodes()),
        "convert_ms": round(median_ms(lambda: convert_to_graph(net), repeats), 2),
        "fork_ms": round(median_ms(model.fork, repeats * 10), 3),
        "mutation_ms": round(median_ms(lambda: engine.run({}, lambda choice: choice.default()), repeats * 10), 3),
        "build_ms": round(median_ms(lambda: build_module(model), repeats), 2),
        "deepcopy_ms": round(median_ms(lambda: copy.deepcopy(net), repeats), 2),
        "check_ms": round(median_ms(lambda: check(model, x), repeats), 1),
        "code_ms": round(median_ms(lambda: export_code(model), repeats), 1),
        "forward_ratio": round(forward_ratio(generated, net, x, repeats * 40), 4),
        "forward_ratio_same": round(forward_ratio(twin, net, x, repeats * 40), 4),
        "torch": version("torch"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
