"""Architectures per second that constraints on FLOPs and parameters check while sampling, and by building each network.

The space is like that of MobileNetV3: five stages of two to four inverted residual blocks, each with a kernel size and
an expansion, and a width per stage; 50 labels, 3.5e21 architectures, an image of 224 x 224 pixels. ``--hub`` measures
ready spaces of `retiarii.hub.pytorch` too, all or those that are named, with their default arguments. Prints one JSON
line.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import time
from typing import Any

import torch
from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii import __version__, at_most
from retiarii.hub import pytorch as hub
from retiarii.nn.pytorch import model_wrapper
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.space import Architecture

SEED = 0
HUB = ("MobileNetV3Space", "GPTSpace", "AutoformerSpace", "ProxylessNAS", "ShuffleNetSpace", "NasBench201")
STAGES = [((16, 24), 1), ((24, 32, 40), 2), ((40, 48, 64), 2), ((80, 96, 112), 2), ((128, 160, 192), 2)]


class InvertedResidual(torch.nn.Module):
    """Expansion, depthwise convolution and projection, with a skip connection where the shapes allow it."""

    def __init__(self, inputs: Any, outputs: Any, kernel: Any, expansion: Any, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, hidden, kernel, stride=stride, padding=kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the features of the next block."""
        out: Tensor = self.layers(features)
        return out + features if out.shape == features.shape else out


@model_wrapper
class MobileNet(torch.nn.Module):
    """A space of the size of MobileNetV3's."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        stages = []
        inputs: Any = 16
        for stage, (widths, stride) in enumerate(STAGES):
            width = nn.ValueChoice(list(widths), label=f"stage{stage}/width")

            def block(
                index: int, stage: int = stage, before: Any = inputs, width: Any = width, stride: int = stride
            ) -> torch.nn.Module:
                kernel = nn.ValueChoice([3, 5, 7], label=f"stage{stage}/block{index}/kernel")
                expansion = nn.ValueChoice([3, 4, 6], label=f"stage{stage}/block{index}/expansion")
                return InvertedResidual(
                    before if index == 0 else width, width, kernel, expansion, 1 if index else stride
                )

            stages.append(nn.Repeat(block, (2, 4), label=f"stage{stage}/depth"))
            inputs = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.Conv2d(inputs, 960, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classify = nn.Linear(960, 1000)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores."""
        scores: Tensor = self.classify(self.head(self.stages(self.stem(images))))
        return scores


def engine_of(model: torch.nn.Module) -> PythonEngine:
    """Return the engine of a model of images, or of texts of 64 tokens."""
    engine = PythonEngine(model)
    is_of_texts = type(model).__name__ == "GPTSpace"
    engine.example_input = torch.zeros(1, 64, dtype=torch.long) if is_of_texts else torch.zeros(1, 3, 224, 224)
    return engine


def measured(model: torch.nn.Module, draws: int, builds: int) -> dict[str, Any]:
    """Return the rates of a space with bounds that about one of five architectures keeps."""
    engine = engine_of(model)
    reports, learning = [], []
    for name in ("params", "flops"):
        begin = time.perf_counter()
        reports.append(engine.costs[name].learn())
        learning.append(round(time.perf_counter() - begin, 1))

    rng = random.Random(SEED)
    begin = time.perf_counter()
    sample = [engine.space.sample(rng) for _ in range(2_000)]
    for architecture in sample:
        for name in ("params", "flops"):
            engine.costs[name](architecture)
    warming = time.perf_counter() - begin
    bounds = {name: sorted(map(engine.costs[name], sample))[800] for name in ("flops", "params")}
    rate = sampling_rate(engine, bounds, draws)

    fresh = engine_of(model)
    begin = time.perf_counter()
    wrong = 0
    for architecture in (engine.space.sample(rng) for _ in range(builds)):
        found = fresh.measure(fresh.build(architecture), ("flops", "params"))
        wrong += sum(cost != engine.costs[name](architecture) for name, cost in found.items())
    return {
        "per_second": round(rate),
        "per_second_building": round(builds / (time.perf_counter() - begin), 1),
        "wrong": wrong,
        "checked": builds,
        "learning_seconds": learning,
        "seconds_for_the_next_2000": round(warming, 1),
        "networks_built": [report.num_built for report in reports],
        "additive": [report.is_additive for report in reports],
        "parts": [report.num_parts for report in reports],
    }


def sampling_rate(engine: PythonEngine, bounds: dict[str, float], draws: int) -> float:
    """Return how many architectures per second are drawn and checked."""
    drawn = 0

    def counted(architecture: Architecture) -> bool:
        nonlocal drawn
        drawn += 1
        return True

    limits = [at_most(name, bound).resolved(engine.costs) for name, bound in bounds.items()]
    space, rng = engine.space.constrained(counted, *limits), random.Random(SEED + 1)
    begin = time.perf_counter()
    while drawn < draws:
        space.sample(rng)
    return drawn / (time.perf_counter() - begin)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--builds", type=int, default=30, help="architectures that are also built, and compared")
    parser.add_argument("--hub", nargs="*", metavar="SPACE", help="also measure ready spaces, all of these or some")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = {"benchmark": "profiler", "mobilenet_like": measured(MobileNet(), options.draws, options.builds)}
    for name in [] if options.hub is None else options.hub or HUB:
        result[name] = measured(getattr(hub, name)(), options.draws, options.builds)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "retiarii": __version__}
    print(json.dumps({**result, "targets": {"per_second": 5000, "wrong": 0}, "seed": SEED, **versions}))


if __name__ == "__main__":
    main()
