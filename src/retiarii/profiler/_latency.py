"""`measure_latency`: the time of a forward pass, measured until it is known well enough."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from retiarii.errors import ConfigError
from retiarii.nn.pytorch.counting import evaluating
from retiarii.profiler._memory import arguments_of

_BATCH = 5  # runs between two looks at the spread


@dataclass(frozen=True)
class Latency:
    """The time of a forward pass.

    Attributes:
        median_ms: The median of the runs, in milliseconds.
        iqr_ms: The distance between the quartiles, in milliseconds.
        min_ms: The fastest run.
        runs: The number of runs, without those to warm up.
        is_stable: Whether the standard error of the median fell below the wanted share of it before the time was up.
        device: Where the network ran.
        threads: The threads of torch on the CPU.
        batch_size: The length of the first dimension of the first tensor of the input.
    """

    median_ms: float
    iqr_ms: float
    min_ms: float
    runs: int
    is_stable: bool
    device: str
    threads: int
    batch_size: int

    def __str__(self) -> str:
        stable = "" if self.is_stable else ", not stable"
        return f"{self.median_ms:.3g} ms (IQR {self.iqr_ms:.2g} ms, {self.runs} runs{stable})"


def measure_latency(
    network: nn.Module,
    example_input: Any,
    *,
    device: str | torch.device | None = None,
    warmup: int = 3,
    min_runs: int = 10,
    max_seconds: float = 2.0,
    tolerance: float = 0.02,
) -> Latency:
    """Measure how long a forward pass takes, in evaluation mode and without gradients.

    Runs are repeated until the standard error of their median (1.25 IQR / 1.35 / sqrt(n), as for a normal distribution)
    is below ``tolerance`` of it, or the time is up. On a GPU each run waits for the device to finish.

    Args:
        network: It is left as it was; with another ``device`` it is moved there and back.
        example_input: A batch, or a tuple of the arguments of ``forward``.
        device: Where to run; None for the device of the first parameter, or the CPU.
        warmup: Runs that do not count.
        min_runs: The smallest number of runs that count.
        max_seconds: The time after which no new run starts.
        tolerance: The wanted relative error of the median.

    Raises:
        ConfigError: A number is impossible.
    """
    if min_runs < 2 or warmup < 0 or max_seconds <= 0 or tolerance <= 0:
        raise ConfigError(
            f"measure_latency got warmup={warmup!r}, min_runs={min_runs!r}, max_seconds={max_seconds!r} and "
            f"tolerance={tolerance!r}, expected at least 0 and 2 runs, and numbers above 0."
        )
    home = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    place = home if device is None else torch.device(device)
    arguments = tree_map(lambda leaf: leaf.to(place) if isinstance(leaf, Tensor) else leaf, arguments_of(example_input))
    if place != home:
        network.to(place)
    try:
        times, is_stable = _times(network, arguments, place, warmup, min_runs, max_seconds, tolerance)
    finally:
        if place != home:
            network.to(home)
    quartiles = statistics.quantiles(times, n=4)
    return Latency(
        1e3 * statistics.median(times),
        1e3 * (quartiles[2] - quartiles[0]),
        1e3 * min(times),
        len(times),
        is_stable,
        str(place),
        torch.get_num_threads(),
        next((leaf.shape[0] for leaf in arguments if isinstance(leaf, Tensor) and leaf.dim()), 1),
    )


def _times(
    network: nn.Module,
    arguments: tuple[Any, ...],
    device: torch.device,
    warmup: int,
    min_runs: int,
    max_seconds: float,
    tolerance: float,
) -> tuple[list[float], bool]:
    """Return the seconds of each run, and whether their median is known well enough."""
    times: list[float] = []
    with evaluating(network), torch.inference_mode():
        for _ in range(warmup):
            network(*arguments)
        end = time.perf_counter() + max_seconds
        while True:
            for _ in range(_BATCH if times else min_runs):
                _synchronise(device)
                begin = time.perf_counter()
                network(*arguments)
                _synchronise(device)
                times.append(time.perf_counter() - begin)
            if _relative_error(times) <= tolerance:
                return times, True
            if time.perf_counter() >= end:
                return times, False


def _relative_error(times: list[float]) -> float:
    """Return the standard error of a median as a share of it, from the distance between the quartiles."""
    low, median, high = statistics.quantiles(times, n=4)
    return float(1.25 * (high - low) / 1.35 / len(times) ** 0.5 / median)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
