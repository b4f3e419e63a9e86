"""`LatencyTable`: measured latencies of blocks, which add up to those of networks, with the error of the sums."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from retiarii.errors import ConfigError
from retiarii.nn.pytorch.counting import evaluating
from retiarii.profiler._latency import measure_latency
from retiarii.profiler._memory import arguments_of
from retiarii.profiler._profilers import Profiler, engine_of
from retiarii.space import AdditiveCost, Architecture

FORMAT = "retiarii latency table 1"

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_PLAIN = (bool, int, float, str, tuple)


@dataclass(frozen=True)
class TableError:
    """How far sums of a latency table are from measured networks that were not used to fit it.

    Attributes:
        networks: The number of networks.
        mape: The mean absolute error as a share of the measured latency.
        spearman: The rank correlation of sums and measurements; NaN for fewer than three networks.
    """

    networks: int
    mape: float
    spearman: float

    def __str__(self) -> str:
        return f"error {self.mape:.1%}, rank correlation {self.spearman:.2f}, on {self.networks} networks"


@dataclass
class LatencyTable:
    """Latencies of the blocks of networks, measured on one device.

    The latency of a network is ``scale * (sum over its blocks) + rest_ms``; ``scale`` and ``rest_ms`` are fitted to
    measured networks, and `error` is that of other measured networks. `measure` makes a table, `save` and `load` keep
    it as JSON, and `profiler` returns the latency of architectures, for constraints, objectives and penalties.

    Attributes:
        device: Where blocks were measured.
        threads: The threads of torch on the CPU.
        input_shapes: The shapes of the input.
        scale: The factor of the sum.
        rest_ms: What networks take beside their blocks.
        error: The error of the sums; None if it was not measured.
        blocks: The latency of each block in milliseconds, by its key.
        descriptions: What each block is.
    """

    device: str
    threads: int
    input_shapes: list[list[int]]
    scale: float = 1.0
    rest_ms: float = 0.0
    error: TableError | None = None
    blocks: dict[str, float] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        model: nn.Module,
        example_input: Any,
        device: str = "cpu",
        *,
        networks: int = 20,
        max_seconds: float = 0.3,
        seed: int = 0,
    ) -> LatencyTable:
        """Measure the blocks of random architectures, and the error of their sums.

        A block is a module that is reached from the network through `torch.nn.Sequential` and lists of modules only.
        Blocks with the same contents and input shapes are one block. Half of the networks fit ``scale`` and
        ``rest_ms``; the error is that of the other half.

        Args:
            model: The model with choices.
            example_input: A batch, or a tuple of the arguments of ``forward``.
            device: Where to measure.
            networks: The number of random architectures, at least 6.
            max_seconds: The longest time for one block, and for one network.
            seed: The seed of the architectures.

        Raises:
            ConfigError: There are too few networks.
        """
        if networks < 6:
            raise ConfigError(f"LatencyTable.measure got networks={networks!r}, expected at least 6.")
        arguments = on_device(example_input, device)
        shapes = [list(leaf.shape) for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)]
        table = cls(device, torch.get_num_threads(), shapes)
        engine, rng = engine_of(model, example_input), random.Random(seed)
        rows = []
        for _ in range(networks):
            network = engine.build_unchecked(engine.space.sample(rng)).to(device)
            total = sum(table.blocks_of(network, arguments, max_seconds).values())
            rows.append((total, measure_latency(network, arguments, max_seconds=max_seconds).median_ms))
        table._fit(rows)
        return table

    def _fit(self, rows: list[tuple[float, float]]) -> None:
        sums, measured = np.array(rows).T
        fitted = np.arange(len(rows)) % 2 == 0
        design = np.stack([sums[fitted], np.ones(fitted.sum())], axis=1)
        scale, rest = np.linalg.lstsq(design / measured[fitted, None], np.ones(fitted.sum()), rcond=None)[0]
        self.scale, self.rest_ms = float(scale), float(rest)
        found, wanted = scale * sums[~fitted] + rest, measured[~fitted]
        mape = float(np.mean(np.abs(found / wanted - 1)))
        self.error = TableError(len(wanted), mape, _spearman(found, wanted))

    def blocks_of(self, network: nn.Module, example_input: Any, max_seconds: float = 0.3) -> dict[str, float]:
        """Return the latency of each block of a network by its name; blocks that are not in the table are measured.

        Args:
            network: A plain network, on the device of the table.
            example_input: A batch, or a tuple of the arguments of ``forward``.
            max_seconds: The longest time for a block that is measured.
        """
        found: dict[str, float] = {}
        for name, module, arguments in _calls(network, on_device(example_input, self.device)):
            description = _description(module, arguments)
            key = hashlib.blake2b(description.encode(), digest_size=12).hexdigest()
            if key not in self.blocks:
                self.blocks[key] = measure_latency(module, arguments, max_seconds=max_seconds).median_ms
                self.descriptions[key] = description
            found[name] = found.get(name, 0.0) + self.blocks[key]
        return found

    def profiler(self, model: nn.Module, example_input: Any) -> LatencyProfiler:
        """Return the latency of the architectures of a model, in milliseconds.

        Args:
            model: The model with choices that was measured, or one with blocks like them.
            example_input: A batch like that of the table, or a tuple of the arguments of ``forward``.

        Raises:
            ConfigError: The input has other shapes than that of the table.
        """
        shapes = [list(leaf.shape) for leaf in tree_leaves(arguments_of(example_input)) if isinstance(leaf, Tensor)]
        if shapes != self.input_shapes:
            raise ConfigError(
                f"The input has the shapes {shapes}, but the latency table was measured with {self.input_shapes}. "
                "Measure another table for this input."
            )
        engine = engine_of(model, example_input)

        def parts(network: nn.Module) -> dict[str, float]:
            blocks = self.blocks_of(network.to(self.device), example_input)
            return {"the rest": self.rest_ms, **{name: self.scale * ms for name, ms in blocks.items()}}

        return LatencyProfiler(engine.additive_cost("latency_ms", parts))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON."""
        Path(path).write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LatencyTable:
        """Read a table that `save` wrote. Nothing in the file is ever run.

        Raises:
            ConfigError: The file cannot be read, or is no latency table.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"The latency table {os.fspath(path)!r} cannot be read: {error}") from error
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise ConfigError(
                f"{os.fspath(path)!r} is no latency table: expected a JSON object with 'format': {FORMAT!r}, as "
                "LatencyTable.save writes it."
            )
        try:
            stated = data.pop("error")
            table = cls(**data, error=None if stated is None else TableError(**stated))
            table.blocks = {str(key): float(ms) for key, ms in table.blocks.items()}
        except (TypeError, ValueError, KeyError, AttributeError) as problem:
            raise ConfigError(f"The latency table {os.fspath(path)!r} is damaged: {problem}") from problem
        return table


class LatencyProfiler(Profiler):
    """The latency of architectures in milliseconds, added up from a `LatencyTable`.

    Args:
        cost: The sum.
    """

    __name__ = "latency_ms"

    def __init__(self, cost: AdditiveCost) -> None:
        self._cost = cost

    def profile(self, sample: Mapping[str, Any]) -> float:
        """Return the latency of an architecture."""
        return self._cost(sample if isinstance(sample, Architecture) else Architecture(sample))


def on_device(example_input: Any, device: str) -> tuple[Any, ...]:
    """Return the arguments of ``forward`` on a device."""
    moved: tuple[Any, ...] = tree_map(
        lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, arguments_of(example_input)
    )
    return moved


def _calls(network: nn.Module, arguments: tuple[Any, ...]) -> list[tuple[str, nn.Module, tuple[Any, ...]]]:
    """Run a network, and return the name, the module and the arguments of each call of a block."""
    calls: list[tuple[str, nn.Module, tuple[Any, ...]]] = []
    names = {module: name for name, module in _blocks(network, "")}
    hooks = [
        module.register_forward_pre_hook(lambda module, args: calls.append((names[module], module, args)))
        for module in names
    ]
    try:
        with evaluating(network), torch.inference_mode():
            network(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _blocks(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    for child_name, child in module.named_children():
        path = f"{name}.{child_name}" if name else child_name
        if isinstance(child, _CONTAINERS):
            yield from _blocks(child, path)
        else:
            yield path, child
    if not name and not module._modules:
        yield "", module


def _description(module: nn.Module, arguments: tuple[Any, ...]) -> str:
    """Return a text that is the same for blocks that compute the same on the same shapes."""
    shapes = [tuple(leaf.shape) if isinstance(leaf, Tensor) else leaf for leaf in tree_leaves(arguments)]
    attributes = [
        (name, key, value)
        for name, inner in module.named_modules()
        for key, value in vars(inner).items()
        if key != "training" and not key.startswith("_") and isinstance(value, _PLAIN)
    ]
    return f"{module!r} on {shapes} with {attributes}"


def _spearman(one: Any, other: Any) -> float:
    if len(one) < 3:
        return float("nan")
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
