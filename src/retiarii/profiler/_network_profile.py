"""`profile`: parameters, FLOPs, memory and latency of one network, in all and of each module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from retiarii.nn.pytorch.counting import FlopsRules, evaluating, flops_of_parts, params_of_parts
from retiarii.profiler._latency import Latency, measure_latency
from retiarii.profiler._memory import arguments_of, inference_bytes, saved_bytes_of_parts, training_bytes


@dataclass(frozen=True)
class ModuleProfile:
    """The costs of one module, without those of the modules inside of it.

    Attributes:
        name: Its name in the network; empty for the network itself.
        kind: Its class.
        output_shape: The shape of the first tensor of its output; None if it was not called, or returns none.
        params: The number of its parameters.
        flops: The floating-point operations of its calls in one forward pass; a multiply-add counts as two.
        activation_bytes: The activations that it keeps for the backward pass.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    params: int
    flops: float
    activation_bytes: int


@dataclass(frozen=True)
class NetworkProfile:
    """The costs of one network.

    Attributes:
        params: The number of parameters.
        flops: The floating-point operations of one forward pass; a multiply-add counts as two.
        activation_bytes: The activations that training keeps for the backward pass.
        inference_bytes: The peak of the activations of a forward pass without gradients.
        training_bytes: The estimated peak memory of a training step with Adam; see `retiarii.profiler.training_bytes`.
        latency: The time of a forward pass; None if it was not measured.
        modules: The modules that cost something or were called, in the order of ``named_modules``.
    """

    params: int
    flops: float
    activation_bytes: int
    inference_bytes: int
    training_bytes: int
    latency: Latency | None
    modules: tuple[ModuleProfile, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the costs as plain JSON data."""
        return asdict(self)


def profile(
    network: nn.Module, example_input: Any, *, rules: FlopsRules | None = None, latency: bool = False
) -> NetworkProfile:
    """Return the costs of one network. It runs a few times, as copies or in evaluation mode, and stays as it was.

    Args:
        network: A plain PyTorch module, for example of `retiarii.nn.pytorch.freeze`. A model with choices counts with
            all of its candidates: profile the network of an architecture instead.
        example_input: A batch, or a tuple of the arguments of ``forward``.
        rules: The FLOPs of modules in which nothing can be counted; see `retiarii.nn.pytorch.engine.count_flops`.
        latency: Whether to measure the latency too; see `measure_latency`.
    """
    params, flops = params_of_parts(network), flops_of_parts(network, example_input, rules=rules)
    saved = saved_bytes_of_parts(network, example_input)
    shapes = output_shapes(network, example_input)
    kinds = {name: type(module).__name__ for name, module in network.named_modules()}
    kinds.update({name: name for name in flops if name not in kinds})  # called, and not registered
    modules = tuple(
        ModuleProfile(
            name,
            kind,
            shapes.get(name),
            int(params.get(name, 0)),
            flops.get(name, 0.0),
            int(saved.get(name, 0)),
        )
        for name, kind in kinds.items()
        if name in shapes or name in params or name in flops
    )
    return NetworkProfile(
        int(sum(params.values())),
        sum(flops.values()),
        int(sum(saved.values())),
        inference_bytes(network, example_input),
        training_bytes(network, example_input),
        measure_latency(network, example_input) if latency else None,
        modules,
    )


def output_shapes(network: nn.Module, example_input: Any) -> dict[str, tuple[int, ...] | None]:
    """Return the shape of the first tensor that each called module returns, by the name of the module.

    Args:
        network: It is run once in evaluation mode, and left as it was.
        example_input: A batch, or a tuple of the arguments of ``forward``.
    """
    names = {module: name for name, module in network.named_modules()}
    shapes: dict[str, tuple[int, ...] | None] = {}

    def note(module: nn.Module, args: Sequence[Any], output: Any) -> None:
        first = next((leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)), None)
        shapes[names[module]] = None if first is None else tuple(first.shape)

    hooks = [module.register_forward_hook(note) for module in names]
    try:
        with evaluating(network), torch.no_grad():
            network(*arguments_of(example_input))
    finally:
        for hook in hooks:
            hook.remove()
    return shapes
