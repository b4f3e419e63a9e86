"""Comparisons of networks, and of a supernet with a standalone network, for conformance tests.

They do not need pytest. Differences raise `AssertionError`.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.nn.pytorch import Mutable
from retiarii.oneshot import Supernet, subnet
from retiarii.space import Architecture, Expression, SearchSpace

__all__ = [
    "architectures_of",
    "assert_path_equals_subnet",
    "assert_same_outputs",
    "executed",
    "loss_of",
    "mix_with_certainty",
    "outputs_of",
    "remaining_choices",
    "shapes_of",
    "tensors_in",
]

_MANY = 64


def architectures_of(space: SearchSpace) -> list[Architecture]:
    """Return a few architectures: first, middle and last of a small space, else the default and two random ones."""
    if space.size <= _MANY:
        every = list(space.grid())
        return every if len(every) <= 3 else [every[0], every[len(every) // 2], every[-1]]
    rng = random.Random(0)
    return [space.default(), space.sample(rng), space.sample(rng)]


def tensors_in(output: Any) -> list[Tensor]:
    """List the tensors in nested tuples, lists and dicts."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = list(output.values())
    return [tensor for part in output for tensor in tensors_in(part)] if isinstance(output, (list, tuple)) else []


def loss_of(output: Any) -> Tensor:
    """Return a scalar in which every element of an output counts differently."""
    total = torch.zeros((), dtype=torch.float64)
    for part in tensors_in(output):
        total = total + (part.double() * torch.linspace(0.5, 1.5, part.numel()).reshape(part.shape)).sum()
    return total


def outputs_of(network: nn.Module, inputs: tuple[Any, ...]) -> list[Tensor]:
    """Return the outputs of a network in evaluation mode, with a fixed seed."""
    torch.manual_seed(0)
    with torch.no_grad():
        return tensors_in(network.eval()(*inputs))


def assert_same_outputs(one: nn.Module, other: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Check that two networks compute the same in evaluation mode."""
    found, expected = outputs_of(one, inputs), outputs_of(other, inputs)
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of a state dict."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def remaining_choices(network: nn.Module) -> Iterator[str]:
    """Yield the places where a network still has a primitive, or an attribute that is a choice."""
    for path, module in network.named_modules():
        if isinstance(module, Mutable):
            yield f"{path}: {type(module).__name__}"
        yield from (
            f"{path}.{name}: {value!r}" for name, value in vars(module).items() if isinstance(value, Expression)
        )


def executed(code: str, name: str | None = None) -> nn.Module:
    """Build the network from a file that `retiarii.graph.export_code` wrote, in a namespace of its own.

    Args:
        code: The text of the file.
        name: The class of the network; None for the last class of the file.
    """
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(code, "exported.py", "exec"), namespace)
    network: nn.Module = namespace[name or re.findall(r"^class (\w+)", code, re.MULTILINE)[-1]]()
    return network


def mix_with_certainty(supernet: Supernet) -> None:
    """Replace the active path of a supernet by a mixture with weight 1 on this path and 0 on all others."""
    for decision in supernet.decisions.values():
        if decision.values:
            decision.mix(torch.eye(len(decision.values), dtype=supernet.dtype)[decision.index])
        else:
            decision.be_certain(supernet.device, supernet.dtype)
    supernet.fill_slots()


def assert_path_equals_subnet(
    supernet: Supernet, architecture: Mapping[str, Any], *inputs: Any, to_the_last_bit: bool = True
) -> None:
    """Check one path of a supernet against the standalone network, in training and in evaluation mode.

    Outputs, gradients and running statistics must be equal, and weights outside the path must have no gradient.

    Args:
        supernet: Is set to the path, and left in evaluation mode.
        architecture: The path.
        *inputs: Arguments of ``forward``.
        to_the_last_bit: Whether outputs must be equal; gradients may always differ by rounding.
    """
    tolerance = 0.0 if to_the_last_bit else None  # None is that of the data type
    supernet.set_architecture(architecture)
    for training in (True, False):
        supernet.train(training)
        network = subnet(supernet, architecture)
        assert network.training is training
        torch.manual_seed(0)
        ours = supernet(*inputs)
        torch.manual_seed(0)
        theirs = network(*inputs)
        assert len(tensors_in(ours)) == len(tensors_in(theirs))
        for one, other in zip(tensors_in(ours), tensors_in(theirs), strict=True):
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
        if any(tensor.requires_grad for tensor in tensors_in(ours)):
            _assert_same_gradients(supernet, architecture, network, ours, theirs)
        after = subnet(supernet, architecture)  # statistics moved alike
        for (name, moved), (_, expected) in zip(after.named_buffers(), network.named_buffers(), strict=True):
            torch.testing.assert_close(moved, expected, msg=_naming(name))


def _assert_same_gradients(
    supernet: Supernet, architecture: Mapping[str, Any], network: nn.Module, ours: Any, theirs: Any
) -> None:
    for module in (supernet.module, network):
        module.zero_grad(set_to_none=True)
    for output in (ours, theirs):
        loss_of(output).backward()  # type: ignore[no-untyped-call]  # torch has no annotation for it
    gradients = copy.deepcopy(supernet)
    with torch.no_grad():
        for weight, source in zip(gradients.parameters(), supernet.parameters(), strict=True):
            weight.copy_(torch.zeros_like(source) if source.grad is None else source.grad)
    # The subnet of a supernet whose weights are its gradients has, as weights, the gradients of the slices.
    expected = dict(subnet(gradients, architecture).named_parameters())
    total = 0.0
    for name, weight in network.named_parameters():
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(expected[name], gradient, msg=_naming(name))
        total += gradient.abs().sum().item()
    everywhere = sum(weight.grad.abs().sum().item() for weight in supernet.parameters() if weight.grad is not None)
    assert abs(everywhere - total) <= 1e-5 * max(total, 1.0), "weights outside of the path have gradients"


def _naming(name: str) -> Any:
    return lambda text: f"{name}: {text}"
