"""The cost of the classic API's trainers and mutators, compared with the searches that they drive.

Each ratio compares two things that are measured in turns in the same run, in processor time on one thread; medians over
rounds. Networks have 8 layers with 4 candidates each, the same on both sides. The trainers compute a metric, the
accuracy, for each batch; the searches by themselves do not. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from typing import Any

import torch
from supernet import SIZES, batch_of, compared, model
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from retiarii import __version__
from retiarii.classic.pytorch.darts import DartsMutator, DartsTrainer
from retiarii.classic.pytorch.enas import EnasMutator, EnasTrainer
from retiarii.classic.pytorch.mutables import LayerChoice
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.oneshot import DARTS, ENAS, RandomOneShot, SearchLoop

SEED = 0


def space(size: str) -> torch.nn.Module:
    """Return the network with choices of the classic API; the same weights at each call."""
    torch.manual_seed(SEED)
    return model(SIZES[size][2], lambda number, options: LayerChoice(options, key=f"layer{number}"))


def sgd(network: Any) -> torch.optim.Optimizer:
    """Return the optimizer of all sides."""
    return torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)


def accuracy(output: torch.Tensor, target: torch.Tensor) -> float:
    """Return the share of right answers."""
    return float((output.argmax(1) == target).float().mean())


def metrics(output: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    """Return the accuracy by name."""
    return {"acc": accuracy(output, target)}


def loss(network: Any, data: Any) -> torch.Tensor:
    """Return the loss of a batch."""
    return F.cross_entropy(network(data[0]), data[1])


def darts_step(size: str, rounds: int, repeats: int) -> float:
    """Return the ratio of the steps of `DartsTrainer` to those of the strategy in a `SearchLoop`."""
    data, other = batch_of(size), batch_of(size)
    network = space(size)
    trainer = DartsTrainer(
        network, F.cross_entropy, metrics, sgd(network), 1, TensorDataset(*data), TensorDataset(*data),
        DartsMutator(network, seed=SEED), workers=0, device="cpu",
    )  # fmt: skip
    trainer.train_loader, trainer.valid_loader = [data] * repeats, [other] * repeats  # type: ignore[assignment]  # lists as loaders
    search = DARTS(gradient_clip_val=5.0).search(space(size), seed=SEED)
    loop = SearchLoop(search, loss, sgd(search.supernet))

    def alone() -> None:
        for _ in range(repeats):
            loop.step(data, other)

    return compared(lambda: trainer.train_one_epoch(0), alone, rounds, 1)


def enas_step(size: str, rounds: int, repeats: int) -> float:
    """Return the ratio of the steps of `EnasTrainer`, of weights and controller, to those of the strategy."""
    data, other = batch_of(size), batch_of(size)
    network, unused = space(size), TensorDataset(torch.zeros(20, 1), torch.zeros(20))
    trainer = EnasTrainer(
        network, F.cross_entropy, metrics, accuracy, sgd(network), 1, unused, unused,
        EnasMutator(network, seed=SEED), batch_size=4, workers=0, device="cpu",
        child_steps=repeats, mutator_steps=1, mutator_steps_aggregate=repeats,
    )  # fmt: skip
    trainer.train_loader, trainer.valid_loader = [data], [other]  # type: ignore[assignment]  # lists as loaders
    strategy = ENAS(ctrl_steps_aggregate=repeats, keep_sampled=False)
    search = strategy.search(space(size), seed=SEED)
    loop = SearchLoop(search, loss, sgd(search.supernet), gradient_clip_val=5.0)

    def alone() -> None:
        search.supernet.train()
        for _ in range(repeats):
            loop.step(data)
        search.supernet.eval()
        for _ in range(repeats):
            search.architecture_step(lambda: accuracy(search.supernet(other[0]), other[1]))

    return compared(lambda: trainer.train_one_epoch(0), alone, rounds, 1)


def random_step(size: str, rounds: int, repeats: int) -> float:
    """Return the ratio of training steps under a `RandomMutator` to those of `RandomOneShot`."""
    data = batch_of(size)

    def trained(network: Any, reset: Callable[[], None]) -> Callable[[], None]:
        optimizer = sgd(network)

        def step() -> None:
            optimizer.zero_grad()
            reset()
            torch.autograd.backward(loss(network, data))
            optimizer.step()

        return step

    network = space(size)
    mutator = RandomMutator(network, seed=SEED)
    search = RandomOneShot(keep_sampled=False).search(space(size), seed=SEED)
    return compared(trained(network, mutator.reset), trained(search.supernet, search.reset), rounds, repeats)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rounds, begin = options.rounds, time.time()
    few = max(rounds // 3, 2)
    result = {
        "benchmark": "classic",
        "darts_step_tiny": round(darts_step("tiny", rounds, 20), 3),
        "darts_step_cifar": round(darts_step("cifar", few, 2), 3),
        "enas_step_tiny": round(enas_step("tiny", rounds, 20), 3),
        "enas_step_cifar": round(enas_step("cifar", few, 2), 3),
        "random_step_tiny": round(random_step("tiny", rounds, 20), 3),
        "random_step_cifar": round(random_step("cifar", few, 2), 3),
        "targets": {"darts_step": 1.05, "enas_step": 1.05},
        "rounds": rounds,
        "seed": SEED,
        "seconds": round(time.time() - begin, 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "retiarii": __version__,
        "machine": platform.machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
