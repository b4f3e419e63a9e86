"""Memory of a network: activations of inference, activations kept for the backward pass, and the peak of training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from retiarii.nn.pytorch.counting import evaluating

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]

STATES = {torch.optim.SGD: 0, torch.optim.Adam: 2, torch.optim.AdamW: 2, torch.optim.RMSprop: 1, torch.optim.Adagrad: 1}
"""Tensors of the size of each parameter that optimizers of torch keep, with default arguments."""


def inference_bytes(network: nn.Module, example_input: Any) -> int:
    """Return the peak of the activations of one forward pass without gradients, in bytes.

    Measured on a real pass in evaluation mode: all tensors that are alive at the same time, without the parameters and
    the input. Tensors that share storage count once. What kernels allocate inside of themselves is not seen.

    Args:
        network: It runs as a copy, where its parameters are.
        example_input: A batch, or a tuple of the arguments of ``forward``.
    """
    with _copied(network) as copied, torch.no_grad(), AllocationTracker() as tracker:
        copied.eval()(*arguments_of(example_input))
    return int(tracker.peak_bytes)


def saved_bytes_of_parts(network: nn.Module, example_input: Any) -> dict[str, float]:
    """Return the bytes that a training forward pass keeps for the backward pass, by the module that keeps them first.

    The parameters, the buffers and the input do not count; tensors that share storage count once.

    Args:
        network: It runs as a copy, in training mode.
        example_input: A batch, or a tuple of the arguments of ``forward``.
    """
    with _copied(network) as copied:
        return _saved(copied.train(), arguments_of(example_input))


def training_bytes(
    network: nn.Module, example_input: Any, *, optimizer: type[torch.optim.Optimizer] | int = torch.optim.Adam
) -> int:
    """Estimate the peak memory of one training step, in bytes: the input and what kernels use inside not counted.

    Parameters, buffers and the optimizer's state are there all the time. While the backward pass goes through the
    modules in reverse order, their activations become free and their gradients are added; each module also needs the
    gradients of its output and input, and the output of the network stays. The estimate is the largest sum, or that of
    the optimizer's step, which needs all gradients and, as Adam does, temporary tensors: two of the size of the largest
    parameter on the CPU, one for each parameter on a GPU. See `measured_training_bytes`.

    Args:
        network: It runs as a copy, in training mode.
        example_input: A batch, or a tuple of the arguments of ``forward``.
        optimizer: The class of the optimizer, or the number of tensors that it keeps for each parameter.
    """
    states = optimizer if isinstance(optimizer, int) else STATES.get(optimizer, 2)
    saved = saved_bytes_of_parts(network, example_input)
    outputs = _output_bytes(network, example_input)
    weights = {
        name: sum(tensor.nbytes for tensor in module._parameters.values() if tensor is not None)
        for name, module in network.named_modules()
    }
    all_weights = sum({id(tensor): tensor.nbytes for tensor in network.parameters()}.values())
    fixed = (1 + states) * all_weights + sum(tensor.nbytes for tensor in network.buffers())
    step = all_weights + (_step_bytes(network, all_weights) if states > 1 else 0)
    result = next(reversed(outputs.values()), 0)  # which the training loop holds
    kept, gradients, peak = sum(saved.values()) + result, 0.0, float(step)
    for name in reversed(outputs):
        peak = max(peak, kept + gradients + 2 * outputs[name])
        kept -= saved.get(name, 0.0)
        gradients += weights.get(name, 0)
    return int(fixed + max(peak, kept + gradients))


def measured_training_bytes(
    network: nn.Module,
    example_input: Any,
    *,
    optimizer: OptimizerFactory = torch.optim.Adam,
    loss: Callable[[Any], Tensor] | None = None,
) -> int:
    """Run two training steps and return the peak memory of the second, in bytes, counted as in `training_bytes`.

    Args:
        network: It is trained as a copy.
        example_input: A batch, or a tuple of the arguments of ``forward``.
        optimizer: Makes the optimizer of parameters.
        loss: Returns the loss of an output; None for the mean of all its tensors.
    """
    with _copied(network) as copied:
        stepper = optimizer(copied.train().parameters())
        arguments = arguments_of(example_input)
        with AllocationTracker() as tracker:
            for _ in range(2):
                tracker.peak_bytes = tracker.live_bytes()
                output = copied(*arguments)
                torch.autograd.backward(_mean(output) if loss is None else loss(output))
                del output
                stepper.step()
                stepper.zero_grad()
    tensors = {id(tensor): tensor.nbytes for tensor in (*copied.parameters(), *copied.buffers())}
    return int(tracker.peak_bytes + sum(tensors.values()))


def arguments_of(example_input: Any) -> tuple[Any, ...]:
    """Return the arguments of ``forward``."""
    return example_input if isinstance(example_input, tuple) else (example_input,)


class AllocationTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not annotate it
    """Counts the bytes of the tensors that operations make inside a ``with`` block.

    Attributes:
        peak_bytes: The largest sum of tensors that were alive at the same time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.peak_bytes = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def live_bytes(self) -> int:
        """Return the sum of the tensors that are alive now."""
        for key, (reference, _) in list(self._alive.items()):
            if reference.expired():  # type: ignore[no-untyped-call]  # torch does not annotate it
                del self._alive[key]
        return sum(size for _, size in self._alive.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        known = {storage_of(leaf)._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        output = func(*args, **kwargs)
        live = self.live_bytes()
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                storage = storage_of(leaf)
                if storage._cdata not in known and storage._cdata not in self._alive:
                    reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]  # torch does not annotate it
                    self._alive[storage._cdata] = reference, storage.nbytes()
                    live += storage.nbytes()
        self.peak_bytes = max(self.peak_bytes, live)
        return output


def storage_of(tensor: Tensor) -> torch.UntypedStorage:
    """Return the memory of a tensor."""
    return tensor.untyped_storage()


@contextmanager
def _copied(network: nn.Module) -> Iterator[nn.Module]:
    """Give a copy of a network, and leave the random generators as they were."""
    devices = {tensor.device for tensor in network.parameters() if tensor.is_cuda}
    with torch.random.fork_rng(devices=list(devices)):
        yield copy.deepcopy(network)


def _saved(network: nn.Module, arguments: tuple[Any, ...]) -> dict[str, float]:
    names = {module: name for name, module in network.named_modules()}
    ignored = [*network.parameters(), *network.buffers(), *(a for a in tree_leaves(arguments) if isinstance(a, Tensor))]
    seen = {storage_of(tensor)._cdata for tensor in ignored}
    found: dict[str, float] = {}
    inside: list[str] = [""]
    alive: list[torch.UntypedStorage] = []  # so that no two have one address

    def pack(tensor: Tensor) -> Tensor:
        storage = storage_of(tensor)
        if storage._cdata not in seen:
            seen.add(storage._cdata)
            alive.append(storage)
            found[inside[-1]] = found.get(inside[-1], 0.0) + storage.nbytes()
        return tensor

    hooks = [module.register_forward_pre_hook(lambda module, args: inside.append(names[module])) for module in names]
    hooks += [module.register_forward_hook(lambda module, args, output: _left(inside)) for module in names]
    with saved_tensors_hooks(pack, lambda tensor: tensor), torch.enable_grad():
        output = network(*arguments)
    del output
    for hook in hooks:
        hook.remove()
    return found


def _left(inside: list[str]) -> None:
    inside.pop()


def _output_bytes(network: nn.Module, example_input: Any) -> dict[str, int]:
    """Return the size of the outputs of the innermost modules, in the order of their last calls."""
    names = {module: name for name, module in network.named_modules() if not module._modules}
    found: dict[str, int] = {}

    def note(module: nn.Module, args: Any, output: Any) -> None:
        tensors = {storage_of(leaf)._cdata: leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)}
        found.pop(names[module], None)
        found[names[module]] = sum(tensor.nbytes for tensor in tensors.values())

    hooks = [module.register_forward_hook(note) for module in names]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), evaluating(network):
            network(*arguments_of(example_input))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _step_bytes(network: nn.Module, all_weights: int) -> int:
    """Return the temporary memory of a step of Adam."""
    sizes = [tensor.nbytes for tensor in network.parameters()]
    is_at_once = any(tensor.is_cuda for tensor in network.parameters())
    return all_weights if is_at_once else 2 * max(sizes, default=0)


def _mean(output: Any) -> Tensor:
    tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.requires_grad]
    return torch.stack([tensor.float().mean() for tensor in tensors]).sum()
