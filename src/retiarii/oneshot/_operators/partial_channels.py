"""`PartialChannels`: the layer choices of PC-DARTS, whose candidates run on a part of their channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retiarii.errors import SupernetError
from retiarii.oneshot._decisions.label_lookup import Lookup
from retiarii.oneshot._operators.operator import Operator, weighted_sum
from retiarii.oneshot._operators.primitive_operators import LayerChoiceOperator

_POOLS = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


class PartialChannels(LayerChoiceOperator):
    """Passes the first ``1 / share`` of the channels through the candidates; the other channels bypass them.

    The two parts are joined and shuffled, so that the next choice gets other channels. Where candidates reduce the
    spatial size, the bypass is pooled. If a choice changes the number of channels, or ``share`` does not divide it, all
    channels are mixed as in DARTS. Single paths use all channels.

    Args:
        path: Its path in the model, for messages.
        mutable: The primitive.
        lookup: The decisions of the supernet.
        share: ``K`` of the paper.

    Reference:
        PC-DARTS (Xu et al., 2020), arXiv:1907.05737, eq. 1; the shuffle and the pooling are those of its published
        code.
    """

    def __init__(self, path: str, mutable: Any, lookup: Lookup, share: int) -> None:
        super().__init__(path, mutable, lookup)
        self._share = share
        self._narrowed: list[nn.Module] | None = None
        self._keeps_channels = True

    def mix(self, *args: Any, **kwargs: Any) -> Any:
        """Return the joined and shuffled channels.

        Raises:
            SupernetError: A candidate contains layers that cannot run on a part of the channels.
        """
        (x,) = args if len(args) == 1 and isinstance(args[0], Tensor) and not kwargs else (None,)
        if x is None or x.dim() < 3 or x.shape[1] % self._share or not self._keeps_channels:
            return super().mix(*args, **kwargs)
        (decision,) = self.decisions
        assert decision.weights is not None
        size = x.shape[1] // self._share
        candidates = self._candidates()
        for candidate in candidates:
            refresh(candidate)
        outputs = [candidate(x[:, :size]) for candidate in candidates]
        mixed = weighted_sum(decision.weights.unbind(), outputs, self.path, self.decisions)
        if mixed.shape[1] != size:
            self._keeps_channels = False  # of its layers' making: the same next time
            return super().mix(x)
        rest = x[:, size:]
        if rest.shape[2:] != mixed.shape[2:]:
            rest = _POOLS[x.dim() - 2](rest, mixed.shape[2:])
        return _shuffled(torch.cat([mixed, rest], dim=1), self._share)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_narrowed": None}  # they refer to the layers of this very operator

    def _candidates(self) -> list[nn.Module]:
        if self._narrowed is None:
            names = self.mutable.names
            self._narrowed = [narrowed(self._modules[name], self._share, f"{self.path}.{name}") for name in names]  # type: ignore[arg-type]  # candidates are never None
        return self._narrowed


def _shuffled(x: Tensor, groups: int) -> Tensor:
    return x.reshape(len(x), groups, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_PER_CHANNEL = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.PReLU)
_PER_CHANNEL_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def narrowed(module: nn.Module, share: int, path: str) -> nn.Module:
    """Return a module that runs another on a part of the channels, with the leading part of its weights.

    Everything but the sizes is shared; the result has no parameters of its own.

    Args:
        module: A convolution, a normalisation per channel, a layer without weights or with single numbers as weights,
            or a module made of these.
        share: The number by which channels are divided.
        path: The path of the module.

    Raises:
        SupernetError: A part is of another type, or its channels cannot be divided.
    """
    if isinstance(module, _CONVOLUTIONS):
        return _NarrowConvolution(module, share, path)
    if isinstance(module, (*_PER_CHANNEL, *_PER_CHANNEL_NORMS)):
        return _NarrowLayer(module, share, path)
    if isinstance(module, LayerChoiceOperator):
        return _NarrowChoice(
            module, [narrowed(child, share, f"{path}.{name}") for name, child in module.named_children()]
        )
    own = [tensor for tensor in (*module._parameters.values(), *module._buffers.values()) if tensor is not None]
    if any(tensor.dim() for tensor in own) or isinstance(module, Operator):
        raise SupernetError(
            f"PCDARTS passes a part of the channels, but does not know how to do so in {path!r} "
            f"({type(module).__name__}). It knows convolutions, batch and instance normalisation, PReLU, and modules "
            "made of these. Use channel_share=1, or another strategy.",
            path=path,
        )
    children = {name: narrowed(child, share, f"{path}.{name}") for name, child in module.named_children()}
    if not children:
        return module
    narrow: nn.Module = _twin_of(module, children)
    vars(narrow).update({"_parameters": module._parameters, "_buffers": module._buffers})  # single numbers
    return narrow


_NOT_SHARED = ("_modules", "_parameters", "_buffers", "_compiled_call_impl")
_ORIGINAL = "_narrowed_from"


def refresh(module: nn.Module) -> None:
    """Copy to narrow modules what has changed in the originals: modes, and attributes that users schedule."""
    for part in module.modules():
        if _ORIGINAL in part.__dict__:
            _follow(part, part.__dict__[_ORIGINAL])


def _twin_of(module: nn.Module, children: dict[str, nn.Module]) -> Any:
    """Return a module that shares everything with another, but has other children and no tensors of its own."""
    twin = object.__new__(type(module))
    _follow(twin, module)
    twin.__dict__.update({"_modules": children, "_parameters": {}, "_buffers": {}, _ORIGINAL: module})
    return twin


def _follow(twin: nn.Module, module: nn.Module) -> None:
    twin.__dict__.update({name: value for name, value in module.__dict__.items() if name not in _NOT_SHARED})


class _NarrowChoice(nn.Module):
    """A choice between layers inside a candidate: the weighted sum of all, on the part of the channels."""

    _choice: Any
    _candidates: Any

    def __init__(self, choice: LayerChoiceOperator, candidates: list[nn.Module]) -> None:
        super().__init__()
        object.__setattr__(self, "_choice", choice)  # not as children: the weights belong to the supernet
        object.__setattr__(self, "_candidates", candidates)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        for candidate in self._candidates:
            refresh(candidate)
        (decision,) = self._choice.decisions
        outputs = [run(*args, **kwargs) for run in self._candidates]
        mixed = weighted_sum(decision.weights.unbind(), outputs, self._choice.path)
        return self._choice.mutable.answer(mixed, decision.weights)


class _NarrowLayer(nn.Module):
    """A layer whose tensors are all one per channel, or single numbers."""

    _layer: Any
    _twin: Any

    def __init__(self, layer: nn.Module, share: int, path: str) -> None:
        super().__init__()
        object.__setattr__(self, "_layer", layer)  # not as a child: the weights belong to the supernet
        object.__setattr__(self, "_twin", _twin_of(layer, {}))
        self._share = share
        self._path = path

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self._follow_layer()
        for kind in ("_parameters", "_buffers"):
            tensors, parts = getattr(self._layer, kind), getattr(self._twin, kind)
            parts.update({name: None if tensor is None else self._part(tensor) for name, tensor in tensors.items()})
        return self._twin(*args, **kwargs)

    def _follow_layer(self) -> None:
        _follow(self._twin, self._layer)

    def _part(self, tensor: Tensor) -> Tensor:
        return tensor if tensor.dim() == 0 or len(tensor) == 1 else tensor[: self._size(len(tensor))]

    def _size(self, channels: int) -> int:
        if channels % self._share:
            raise SupernetError(
                f"{self._path!r} has {channels} channels, which cannot be divided by channel_share={self._share}. Use "
                "a divisor.",
                path=self._path,
            )
        return channels // self._share


class _NarrowConvolution(_NarrowLayer):
    """A convolution without groups, or a depthwise one."""

    def __init__(self, layer: Any, share: int, path: str) -> None:
        super().__init__(layer, share, path)
        if layer.groups not in (1, layer.in_channels):
            raise SupernetError(
                f"PCDARTS cannot pass a part of the channels through {path!r}, which has groups={layer.groups}. It "
                "knows convolutions without groups and depthwise ones.",
                path=path,
            )
        self._is_depthwise = layer.groups > 1
        self._groups = self._size(layer.groups) if self._is_depthwise else 1

    def _follow_layer(self) -> None:
        super()._follow_layer()
        self._twin.groups = self._groups

    def _part(self, tensor: Tensor) -> Tensor:
        part = tensor[: self._size(len(tensor))]
        if tensor.dim() > 1 and not self._is_depthwise:
            part = part[:, : self._size(tensor.shape[1])]
        return part
