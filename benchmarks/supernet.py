"""The cost of weight sharing: training steps of a supernet, compared with the same computation written by hand.

Each ratio compares two things that are measured in turns in the same run, in processor time on one thread; medians over
rounds. Networks have 8 layers with 4 candidates each. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from time import process_time
from typing import Any

import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii import __version__
from retiarii.oneshot import DARTS, RandomOneShot, Supernet, build_supernet, fit_supernet, subnet

LAYERS = 8
SIZES = {"tiny": (8, 8, 4), "cifar": (32, 32, 16)}  # batch, edge and channels


def candidates(channels: int) -> list[torch.nn.Module]:
    """Return four candidates of equal cost, so that every path is as long as every other."""
    return [torch.nn.Conv2d(channels, channels, 3, padding=1) for _ in range(4)]


def model(channels: int, choose: Callable[[int, list[torch.nn.Module]], torch.nn.Module]) -> torch.nn.Module:
    """Return the network; ``choose`` makes a module of the number and the candidates of a layer."""
    layers = [choose(number, candidates(channels)) for number in range(LAYERS)]
    blocks = [torch.nn.Sequential(layer, torch.nn.BatchNorm2d(channels), torch.nn.ReLU()) for layer in layers]
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, channels, 3, padding=1), *blocks, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(channels, 10),
    )  # fmt: skip


def space(channels: int) -> torch.nn.Module:
    """Return the network with choices."""
    return model(channels, lambda number, options: nn.LayerChoice(options, label=f"layer{number}"))


def batch_of(size: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one batch."""
    batch, edge, _ = SIZES[size]
    return torch.randn(batch, 3, edge, edge), torch.randint(10, (batch,))


def compared(first: Callable[[], Any], second: Callable[[], Any], rounds: int, repeats: int) -> float:
    """Return the time of the first divided by that of the second: the median over rounds, measured in turns."""
    ratios = []
    for function in (first, second):
        function()
    for number in range(rounds):
        times = {}
        for name, function in sorted({"first": first, "second": second}.items(), reverse=bool(number % 2)):
            begin = process_time()
            for _ in range(repeats):
                function()
            times[name] = process_time() - begin
        ratios.append(times["first"] / times["second"])
    return statistics.median(ratios)


def train_step(network: Any, parameters: Any, data: tuple[torch.Tensor, torch.Tensor]) -> Callable[[], None]:
    """Return a function that trains a network on one batch."""
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(network(data[0]), data[1]))
        optimizer.step()

    return step


def path_step(size: str, rounds: int, repeats: int) -> float:
    """Return the ratio of a sampled path's training step, sampling included, to the same network alone."""
    supernet = build_supernet(space(SIZES[size][2])).train()
    data, rng = batch_of(size), random.Random(0)
    architecture = supernet.space.sample(rng)
    alone = subnet(supernet, architecture)
    trained = train_step(supernet, supernet.parameters(), data)

    def sampled() -> None:
        supernet.set_architecture(supernet.space.sample(rng), check=False)
        trained()

    return compared(sampled, train_step(alone, alone.parameters(), data), rounds, repeats)


class Mixture(torch.nn.Module):
    """A mixed operation as a person would write it."""

    def __init__(self, options: list[torch.nn.Module]) -> None:
        super().__init__()
        self.options = torch.nn.ModuleList(options)
        self.alpha = torch.nn.Parameter(1e-3 * torch.randn(len(options)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum."""
        weights = self.alpha.softmax(0)
        total: torch.Tensor = sum(weight * option(x) for weight, option in zip(weights, self.options, strict=True))
        return total


def darts_step(size: str, rounds: int, repeats: int, *, careful: bool) -> float:
    """Return the ratio of a step of DARTS, for architecture and weights, to the mixture written by hand.

    Args:
        size: The size of the batch and network.
        rounds: The number of measurements of each.
        repeats: The number of steps per measurement.
        careful: Whether the handwritten architecture step computes gradients of ``alpha`` only; otherwise it calls
            ``backward()``, as published code does.
    """
    data, other = batch_of(size), batch_of(size)
    search = DARTS().search(space(SIZES[size][2]))
    network = search.supernet.train()
    trained = train_step(network, network.parameters(), data)

    def ours() -> None:
        search.architecture_step(lambda: F.cross_entropy(network(other[0]), other[1]))
        search.reset()
        trained()

    by_hand = model(SIZES[size][2], lambda number, options: Mixture(options))
    alphas = [parameter for name, parameter in by_hand.named_parameters() if name.endswith("alpha")]
    weights = [parameter for name, parameter in by_hand.named_parameters() if not name.endswith("alpha")]
    optimizer = torch.optim.Adam(alphas, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    weight_step = train_step(by_hand, weights, data)

    def theirs() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(by_hand(other[0]), other[1])
        if careful:
            for alpha, gradient in zip(alphas, torch.autograd.grad(loss, alphas), strict=True):
                alpha.grad = gradient
        else:
            torch.autograd.backward(loss)
        optimizer.step()
        weight_step()

    return compared(ours, theirs, rounds, repeats)


def resampling(rounds: int) -> dict[str, float]:
    """Return the milliseconds that a new path of a supernet with 34 labels takes."""
    choices = [nn.LayerChoice([torch.nn.Identity() for _ in range(8)], label=f"l{number}") for number in range(34)]
    search = RandomOneShot(keep_sampled=False).search(torch.nn.Sequential(*choices))
    times = []
    for _ in range(rounds):
        begin = process_time()
        for _ in range(200):
            search.reset()
        times.append((process_time() - begin) * 1e3 / 200)
    return {"resample_34_labels_ms": round(statistics.median(times), 4)}


def lightning_fit(rounds: int, steps: int) -> float:
    """Return the ratio of single-path training under Lightning to plain Lightning on the same network alone."""
    import pytorch_lightning

    class Module(pytorch_lightning.LightningModule):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])  # type: ignore[operator]  # set below

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)

    x, y = batch_of("tiny")
    data = torch.utils.data.TensorDataset(x.repeat(steps, 1, 1, 1), y.repeat(steps))
    loader = torch.utils.data.DataLoader(data, batch_size=len(y))
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)

    def fitted(run: Callable[[Any, Any], Any]) -> Callable[[], None]:
        def fit() -> None:
            trainer = pytorch_lightning.Trainer(
                max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
                enable_model_summary=False, default_root_dir=tempfile.gettempdir(),
            )  # fmt: skip
            run(trainer, Module())

        return fit

    channels = SIZES["tiny"][2]
    search = RandomOneShot(keep_sampled=False).search(space(channels))
    alone = subnet(search, search.supernet.space.default())

    def plain(trainer: Any, module: Any) -> None:
        module.model = alone
        trainer.fit(module, loader)

    ours = fitted(lambda trainer, module: fit_supernet(search, module, trainer, loader))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compared(ours, fitted(plain), rounds, 1)


def peak_memory(kind: str) -> None:
    """Train in this process, and print by how many bytes its peak memory grew, and the bytes of all weights."""
    torch.manual_seed(0)
    data = torch.randn(256, 3, 32, 32), torch.randint(10, (256,))
    base = space(32)
    network: Any = (
        build_supernet(base).train()
        if kind == "supernet"
        else subnet(build_supernet(base), build_supernet(base).space.default())
    )
    rng = random.Random(0)
    step = train_step(network, network.parameters(), data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(6):
        if isinstance(network, Supernet):
            network.set_architecture(network.space.sample(rng), check=False)
        step()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps([grown, sum(weight.numel() * weight.element_size() for weight in network.parameters())]))


def memory_ratio() -> float:
    """Return the peak memory of single-path training in units of the network's alone plus the stored weights."""
    measured = {}
    for kind in ("supernet", "alone"):
        command = [sys.executable, __file__, "--memory", kind]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        measured[kind] = json.loads(output)
    (ours, weights), (alone, own) = measured["supernet"], measured["alone"]
    # Momentum and gradients come with the weights: three times their size.
    return float(ours / (alone + 3 * (weights - own)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--memory", choices=["supernet", "alone"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.memory:
        peak_memory(options.memory)
        return
    rounds, begin = options.rounds, time.time()
    few = max(rounds // 3, 2)
    result = {
        "benchmark": "supernet",
        "path_step_tiny": round(path_step("tiny", rounds, 20), 3),
        "path_step_cifar": round(path_step("cifar", few, 1), 3),
        "lightning": round(lightning_fit(few, 100), 3),
        "darts_step_tiny": round(darts_step("tiny", rounds, 10, careful=True), 3),
        "darts_step_cifar": round(darts_step("cifar", few, 1, careful=True), 3),
        "darts_step_tiny_against_backward": round(darts_step("tiny", rounds, 10, careful=False), 3),
        **resampling(rounds),
        "peak_memory": round(memory_ratio(), 3),
        "targets": {
            "path_step": 1.05, "lightning": 1.1, "darts_step": 1.05, "resample_34_labels_ms": 0.1, "peak_memory": 1.1,
        },
        "rounds": rounds,
        "seconds": round(time.time() - begin, 1),
        "torch": torch.__version__,
        "retiarii": __version__,
        "machine": platform.machine(),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
