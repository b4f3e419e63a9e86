"""`WidthCheck`: whether mixtures of layers of chosen size compute what the single networks compute."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch.engine import evaluating
from retiarii.oneshot._decisions.decision import Decision
from retiarii.oneshot._operators.sliced_layer import SlicedLayer
from retiarii.oneshot._supernets.supernet import Supernet

_TOLERANCE = 1e-3
_COARSE_TOLERANCE = 0.05
_MAX_NAMED = 16
_FAILED = (ArithmeticError, AssertionError, LookupError, RuntimeError, SupernetError, TypeError, ValueError)


class WidthCheck:
    """Compares, once, the supernet's output as a path and as a mixture that is certain of the same architecture.

    In a mixture, layers of chosen size return their full width, with zeros where a smaller layer has no features.
    Functions that join, split, reshape or average features see those zeros, so that the mixture differs from the
    networks. The check compares outputs on a real batch, because the functions in ``forward`` are not known.

    Args:
        supernet: The supernet.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self._smallest = {label: min(decision.values) for label, decision in _sizes(supernet).items()}
        self._inputs: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._rounding = _TOLERANCE

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Remember the first input that the supernet gets inside the block."""

        def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if self._inputs is None:
                self._inputs = args, kwargs

        handle = self._supernet.module.register_forward_pre_hook(keep, with_kwargs=True) if self._smallest else None
        try:
            yield
        finally:
            if handle is not None:
                handle.remove()

    def finding(self) -> str | None:
        """Return a warning; None if mixtures are right or cannot be compared.

        Models that use random numbers in evaluation mode, or whose output has another shape in mixtures, cannot be
        compared. Afterwards the supernet is set to another path or mixture than before.
        """
        if self._inputs is None:
            return None
        with _measuring(self._supernet.module):
            difference = self._difference(self._smallest)
            if difference is None or difference <= self._rounding:
                return None
            allowed = max(self._difference({}) or 0.0, self._rounding)  # at full width it is no matter of width
            if difference <= allowed:
                return None
            single = {label: self._difference({label: self._smallest[label]}) for label in self._named()}
        amount = f"by {difference:.0%}" if difference < math.inf else "by infinite numbers"
        labels = [label for label, alone in single.items() if alone is not None and alone > allowed]
        return (
            f"The mixtures of this search do not compute what its networks compute: with {_shown(labels)} certain of "
            f"the smallest value, the supernet's output differs {amount} from that of the network. In a "
            "mixture, layers of chosen size return their full width, filled up with zeros, and functions that join, "
            "split, reshape or average features (torch.cat, chunk, view, mean) then see features that the network has "
            "not. Add features of chosen width instead of joining them, choose sizes inside of blocks whose output has "
            "one size, or use a strategy that samples single paths (RandomOneShot, ENAS)."
        )

    def _named(self) -> list[str]:
        """Return the labels that are checked one by one: at most ``_MAX_NAMED``, to limit the time."""
        return list(self._smallest)[:_MAX_NAMED]

    def _difference(self, values: Mapping[str, Any]) -> float | None:
        """Return how far mixture and path are apart, relative to the path; None where they cannot be compared.

        Args:
            values: The values of some labels with sizes; other such labels have their largest value.
        """
        sizes = _sizes(self._supernet)
        self._choose({label: values.get(label, max(decision.values)) for label, decision in sizes.items()})
        try:
            path, again = self._output(seed=0), self._output(seed=1)
        except _FAILED:
            return None  # training that path raises the same error
        if path is None or again is None or not torch.equal(path, again):
            return None
        for decision in self._supernet.decisions.values():
            decision.be_certain(path.device)
        self._supernet.fill_slots()
        mixture = self._output(seed=0)
        if mixture is None or mixture.shape != path.shape:
            return None
        is_half = path.dtype in (torch.half, torch.bfloat16) or torch.is_autocast_enabled(path.device.type)
        if is_half or path.device.type != "cpu":  # TensorFloat-32 rounds convolutions on GPUs by default
            self._rounding = _COARSE_TOLERANCE
        scale = path.abs().max().item()
        if scale == 0:
            return None
        difference = (mixture - path).abs().max().item() / scale
        return difference if math.isfinite(difference) else math.inf

    def _choose(self, values: Mapping[str, Any]) -> None:
        for label, decision in self._supernet.decisions.items():
            decision.choose(values.get(label, decision.choice.default()))
        self._supernet.fill_slots()

    def _output(self, seed: int) -> Tensor | None:
        assert self._inputs is not None
        args, kwargs = self._inputs
        torch.manual_seed(seed)
        output = self._supernet.module(*args, **kwargs)
        while isinstance(output, (tuple, list)) and output:
            output = output[0]
        is_number = isinstance(output, Tensor) and output.is_floating_point() and output.numel() > 0
        return output if is_number else None


def _sizes(supernet: Supernet) -> dict[str, Decision]:
    """Return the decisions with several numbers as values that sizes of layers depend on, by label."""
    layers = [module for module in supernet.module.modules() if isinstance(module, SlicedLayer)]
    found = {decision.label: decision for layer in layers for decision in layer.decisions}
    return {
        label: decision
        for label, decision in found.items()
        if len(decision.values) > 1 and all(type(value) is int for value in decision.values)
    }


def _shown(labels: list[str]) -> str:
    return f"the label{'s' if len(labels) > 1 else ''} {', '.join(map(repr, labels))}" if labels else "all sizes"


@contextlib.contextmanager
def _measuring(module: nn.Module) -> Iterator[None]:
    """Set a module to evaluation mode inside the block, without gradients; random generators keep their state."""
    devices = {tensor.device for tensor in module.parameters() if tensor.device.type == "cuda"}
    with evaluating(module), torch.no_grad(), torch.random.fork_rng(sorted(device.index for device in devices)):
        yield
