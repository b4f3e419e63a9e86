"""`SliceRule`: how layers of one type and of different sizes share weights, and the regions that they use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from retiarii.nn.pytorch.weight_slices import Region, WeightSlices
from retiarii.oneshot._decisions.configurations import Config


class RegionMask:
    """The expectation of a tensor that is cut to a random region and padded with zeros.

    Multiplying the full tensor by the mask gives ``sum_c p_c pad(tensor[region_c])``. Along each dimension the regions
    cut the positions into a few segments; the mask is computed per segment and then spread, so that it costs little
    beside the layer itself.

    Args:
        full: The shape of the full tensor.
        regions: The region of each of ``C`` configurations.
    """

    def __init__(self, full: Sequence[int], regions: Sequence[Region]) -> None:
        self._spread: list[tuple[int, Tensor]] = []
        inside = torch.ones(len(regions), *[1] * len(full))
        for dim, size in enumerate(full):
            cuts = sorted({0, size, *(edge for region in regions for edge in region[dim])})
            starts = torch.tensor(cuts[:-1])
            ranges = torch.tensor([region[dim] for region in regions])
            covered = (starts >= ranges[:, :1]) & (starts < ranges[:, 1:])
            inside = inside * covered.float().reshape(len(regions), *[1] * dim, -1, *[1] * (len(full) - dim - 1))
            if len(cuts) > 2:
                lengths = torch.tensor([stop - start for start, stop in itertools.pairwise(cuts)])
                self._spread.append((dim, torch.repeat_interleave(torch.arange(len(lengths)), lengths)))
        self._inside = inside

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Return the mask, to be broadcast against the full tensor.

        Args:
            probabilities: ``[C]``, of the configurations; need not sum to 1.
        """
        if self._inside.device != probabilities.device or self._inside.dtype != probabilities.dtype:
            self._inside = self._inside.to(probabilities)
            self._spread = [(dim, positions.to(probabilities.device)) for dim, positions in self._spread]
        mask: Tensor = torch.tensordot(probabilities, self._inside, dims=1)
        for dim, positions in self._spread:
            mask = mask.index_select(dim, positions)
        return mask


def elementwise_largest(possible: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the largest value of each argument: the maximum of numbers, and of tuples of numbers by position.

    Args:
        possible: The distinct values of each argument of the constructor. Of other types the first is returned.
    """
    return {name: _largest(values) for name, values in possible.items()}


def never(configs: Sequence[Config], full: Config) -> bool:
    """Return False: mixtures of this layer are computed from the outputs."""
    return False


@dataclass(frozen=True)
class SliceRule(WeightSlices):
    """How layers of one type and of different sizes share weights: each uses a part of the tensors of the largest.

    Args:
        region: From the name of a tensor and the shapes of the full tensor and the part, the part's place.
        blocks: Tensors that stack blocks along the first dimension, each of which is cut by itself; name to number. A
            name can be a pattern (``"bias_*"``).
        stacks: Tensors that some layers have as one and others as several, which the one stacks along the first
            dimension; the name of the one to those of the others.
        largest: From the possible values of each argument, the arguments of the layer that owns the weights.
        merges: Whether a mixture of the outputs of these configurations equals the output of one layer with the mixture
            of their zero-padded weights; given all configurations and the full one. True is a promise about mathematics
            that makes mixtures as cheap as one layer.
        inputs: The argument that holds the size of the input's feature dimension(s), if there is one.
        outputs: The argument that holds the size of the output's feature dimension(s), if there is one.
        feature_dim: The first feature dimension of input and output; None means the last ones.
        features: The names of the arguments of ``forward`` that have the feature dimension, in the order of its
            signature; others, such as masks and initial states, are passed as they are. Empty means all. As a mapping,
            to the arguments of the constructor that hold their sizes; where that is None, ``inputs`` does.
        positional: The names of the constructor's positional arguments, where its signature hides them.
        any_width: A value of ``inputs`` and ``outputs`` with which a layer takes any width and returns the same width.
    """

    largest: Callable[[Mapping[str, Sequence[Any]]], dict[str, Any]] = elementwise_largest
    merges: Callable[[Sequence[Config], Config], bool] = never
    inputs: str | None = None
    outputs: str | None = None
    feature_dim: int | None = None
    features: Sequence[str] | Mapping[str, str] = ()
    positional: Sequence[str] = ()
    any_width: int | None = None

    def narrow_all(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], config: Config, full: Config
    ) -> tuple[list[Any], dict[str, Any]]:
        """Cut the arguments of ``forward`` that have the full width to what a configuration expects."""
        names = list(self.features) or [""] * len(args)
        cut = [self.narrow(arg, config, full, name) for name, arg in zip(names, args, strict=False)]
        named = {
            name: self.narrow(arg, config, full, name) if not self.features or name in self.features else arg
            for name, arg in kwargs.items()
        }
        return [*cut, *args[len(cut) :]], named

    def narrow(self, value: Any, config: Config, full: Config, name: str = "") -> Any:
        """Cut an input of the full width to what a configuration expects.

        Args:
            value: The input; anything but a tensor is passed as it is.
            config: The configuration.
            full: That of the largest layer.
            name: The name of the argument of ``forward``, where inputs differ in width.
        """
        sizes = self._width(config, name), self._width(full, name)
        if sizes[0] is None or sizes[0] == self.any_width or not isinstance(value, Tensor):
            return value
        for dim, size, whole in self._sizes(value, *sizes):
            if size < whole == value.shape[dim]:
                value = value.narrow(dim, 0, size)
        return value

    def _width(self, config: Config, name: str) -> Any:
        """Return the size of the feature dimension of one input; None if there is none."""
        own = config[self.features[name]] if isinstance(self.features, Mapping) and name in self.features else None
        return config[self.inputs] if own is None and self.inputs is not None else own

    def widen(self, value: Any, config: Config, full: Config) -> Any:
        """Pad an output of a configuration with zeros to the full width."""
        if isinstance(value, tuple):  # attention returns its weights too
            return (self.widen(value[0], config, full), *value[1:])
        if self.outputs is None or config[self.outputs] == self.any_width or not isinstance(value, Tensor):
            return value
        padding = [0] * (2 * value.dim())
        for dim, size, whole in self._sizes(value, config[self.outputs], full[self.outputs]):
            padding[2 * (value.dim() - 1 - dim) + 1] = whole - size
        return F.pad(value, padding) if any(padding) else value

    def _sizes(self, value: Tensor, size: Any, whole: Any) -> list[tuple[int, int, int]]:
        """List dimension, size in the configuration and full size of each feature dimension."""
        sizes, wholes = _as_tuple(size), _as_tuple(whole)
        first = value.dim() - len(sizes) if self.feature_dim is None else self.feature_dim % value.dim()
        return [(first + offset, *pair) for offset, pair in enumerate(zip(sizes, wholes, strict=True))]


def same_but(names: Sequence[str], configs: Sequence[Config], full: Config) -> bool:
    """Return whether all configurations agree in every argument that is not named."""
    return all(config[name] == full[name] for config in configs for name in full if name not in names)


def _largest(values: Sequence[Any]) -> Any:
    numbers = [value for value in values if isinstance(value, (int, float))]
    if len(numbers) == len(values):
        return max(numbers)
    if all(isinstance(value, (tuple, list)) for value in values) and len({len(value) for value in values}) == 1:
        return tuple(_largest(column) for column in zip(*values, strict=True))
    return next((value for value in values if value is not None), None)


def _as_tuple(size: Any) -> tuple[int, ...]:
    return tuple(size) if isinstance(size, (tuple, list)) else (int(size),)
