"""Parameters and FLOPs of networks, in all and of each module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import nn

if TYPE_CHECKING:
    from torch.utils.flop_counter import FlopCounterMode

__all__ = [
    "FlopsRule",
    "FlopsRules",
    "count_flops",
    "count_params",
    "evaluating",
    "factors_of_flops",
    "factors_of_params",
    "flops_of_parts",
    "params_of_parts",
]

FlopsRule: TypeAlias = "Callable[[nn.Module, tuple[Any, ...], Any], float]"
"""Returns the FLOPs of one call of a module, given the module, its positional arguments and its output."""

FlopsRules: TypeAlias = "Mapping[type[Any], FlopsRule]"
"""Rules for modules of these classes and their subclasses, which take the place of counting inside of them."""


Operations: TypeAlias = "dict[str, list[tuple[float, ...]]]"
"""The factors of the FLOPs of each operation, by the module that does it."""


def count_params(network: nn.Module) -> int:
    """Return how many parameters a network has, trainable or not; shared ones count once."""
    return sum(parameter.numel() for parameter in network.parameters())


def params_of_parts(network: nn.Module) -> dict[str, float]:
    """Return the number of parameters that each module has itself, by its name; shared ones count once."""
    seen: set[int] = set()
    counts: dict[str, float] = {}
    for name, module in network.named_modules():
        for parameter in module._parameters.values():
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                counts[name] = counts.get(name, 0.0) + parameter.numel()
    return counts


def factors_of_params(network: nn.Module) -> dict[str, tuple[float, ...]]:
    """Return the sizes of each parameter, by its name and the number of its sizes; shared ones count once."""
    return {f"{name}/{parameter.dim()}": tuple(parameter.shape) for name, parameter in network.named_parameters()}


def count_flops(network: nn.Module, example_input: Any, *, rules: FlopsRules | None = None) -> int:
    """Return the floating-point operations of one forward pass; a multiply-add counts as two.

    Counted by `torch.utils.flop_counter`: matrix products, convolutions and attention; cheaper operations count zero.

    Args:
        network: It is run once in evaluation mode, on the CPU or wherever its parameters are, and left as it was.
        example_input: A batch, or a tuple of the arguments of ``forward``.
        rules: The FLOPs of modules in which nothing can be counted, such as those with kernels of their own.
    """
    return int(_counts(network, example_input, rules or {}).get("Global", 0.0))


def flops_of_parts(network: nn.Module, example_input: Any, *, rules: FlopsRules | None = None) -> dict[str, float]:
    """Return the FLOPs that each module computes itself, by its name; see `count_flops`, which returns their sum.

    What a module computes in the modules inside of it counts there. A module that is not registered in another one has
    the name of its class.
    """
    return _own_counts(network, _counts(network, example_input, rules or {}))


def factors_of_flops(
    network: nn.Module, example_input: Any, *, rules: FlopsRules | None = None
) -> dict[str, float | tuple[float, ...]]:
    """Return the FLOPs of each operation, as factors whose product they are, by the name of the module that does it.

    Where the operations of a module are not known, there are its FLOPs instead. The sum of all is `count_flops`.
    """
    operations: Operations = {}
    counts = _counts(network, example_input, rules or {}, operations)
    by_place: dict[str, list[tuple[float, ...]]] = {}
    for name, factors in operations.items():
        by_place.setdefault(_place(network, name), []).extend(factors)
    parts: dict[str, float | tuple[float, ...]] = {}
    for place, count in _own_counts(network, counts).items():
        found = by_place.get(place, [])
        if sum(map(prod, found)) == count:
            parts.update({f"{place}#{index}/{len(factors)}": factors for index, factors in enumerate(found)})
        else:
            parts[place] = count
    return parts


def _own_counts(network: nn.Module, counts: Mapping[str, float]) -> dict[str, float]:
    own = dict(counts)
    for name, count in counts.items():
        if name != "Global":
            own[_outer(name, counts)] -= count
    found: dict[str, float] = {}
    for name, count in own.items():
        inside = _place(network, name)
        found[inside] = found.get(inside, 0.0) + count
    return {name: count for name, count in found.items() if count}


def _place(network: nn.Module, name: str) -> str:
    """Return the name of a module in the network, from that which the counter gives it."""
    root = type(network).__name__
    return "" if name in ("Global", root) else name.removeprefix(f"{root}.")


def _outer(name: str, counts: Mapping[str, float]) -> str:
    """Return the nearest module around a module that was called itself; ``Global`` if there is none."""
    while "." in name:
        name = name.rpartition(".")[0]
        if name in counts:
            return name
    return "Global"


def _counts(
    network: nn.Module, example_input: Any, rules: FlopsRules, operations: Operations | None = None
) -> dict[str, float]:
    """Return the FLOPs inside of each module that was called, and of the whole network as ``Global``.

    The factors of each operation are added to ``operations``.
    """
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count  # takes a tenth of a second to import

    def attention(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
        return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]  # torch does not annotate it

    formulas: dict[Any, Any] = {  # torch does not count this one
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention
    }
    if operations is not None:
        formulas |= _noting_formulas(operations, lambda: counter.mod_tracker.parents)
    arguments = example_input if isinstance(example_input, tuple) else (example_input,)
    with ExitStack() as stack:
        stack.enter_context(evaluating(network))
        stack.enter_context(torch.no_grad())
        stack.enter_context(_no_fused_attention())
        counter = stack.enter_context(FlopCounterMode(display=False, custom_mapping=formulas))
        for module in network.modules() if rules else ():
            rule = next((rules[cls] for cls in type(module).__mro__ if cls in rules), None)
            if rule is not None:
                stack.enter_context(_counted_by(rule, module, counter))
        network(*arguments)
        return {name: float(sum(counts.values())) for name, counts in counter.flop_counts.items()}


def _noting_formulas(operations: Operations, parents: Callable[[], set[str]]) -> dict[Any, Any]:
    """Return formulas of matrix products and convolutions that also note their factors at the innermost module."""

    def noted(*factors: int) -> int:
        place = max(parents(), key=lambda name: (name != "Global", name.count("."), len(name)))
        operations.setdefault(place, []).append(factors)
        return prod(factors)

    def product(first: Any, second: Any, **options: Any) -> int:
        return noted(2, *first, second[-1])

    def added(bias: Any, first: Any, second: Any, **options: Any) -> int:
        return noted(2, *first, second[-1])

    def convolution(
        inputs: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
        *args: Any, out_shape: Any, **options: Any,
    ) -> int:  # fmt: skip
        places = prod((inputs if transposed else out_shape)[2:])
        return noted(2 * inputs[0], places, prod(weight[2:]), *weight[:2])

    aten = torch.ops.aten
    products = {aten.mm: product, aten.bmm: product, aten.addmm: added, aten.baddbmm: added}
    return {**products, aten.convolution: convolution, aten._convolution: convolution}


@contextmanager
def _no_fused_attention() -> Iterator[None]:
    """Let `torch.nn.MultiheadAttention` compute step by step inside the block; its fused kernel is not counted."""
    is_fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fused)


@contextmanager
def _counted_by(rule: FlopsRule, module: nn.Module, counter: FlopCounterMode) -> Iterator[None]:
    """Count what a rule says for the calls of a module inside the block, and nothing else in it."""
    before: list[tuple[set[str], dict[str, dict[Any, int]]]] = []

    def start(module: nn.Module, args: Any) -> None:
        before.append((set(counter.mod_tracker.parents), {name: dict(c) for name, c in counter.flop_counts.items()}))

    def end(module: nn.Module, args: Any, output: Any) -> None:
        around, counts = before.pop()
        counter.flop_counts.clear()
        for name, known in counts.items():
            counter.flop_counts[name].update(known)
        for name in around:
            counter.flop_counts[name][rule] += rule(module, args, output)  # type: ignore[assignment]  # numbers of a user

    hooks = module.register_forward_pre_hook(start), module.register_forward_hook(end)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation mode inside the block; afterwards each of its modules has its own mode again."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, is_training in modes.items():
            module.training = is_training
