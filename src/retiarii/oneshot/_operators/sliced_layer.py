"""`SlicedLayer`: a layer whose constructor arguments are choices, as slices of one set of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch.weight_slices import Piece, join
from retiarii.oneshot._decisions.configurations import Config, Configurations
from retiarii.oneshot._operators.operator import Operator, labelled, weighted_sum
from retiarii.oneshot._operators.slice_rule import RegionMask, SliceRule
from retiarii.oneshot._operators.tensor_traits import match_tensors

_MAX_VIEWS = 1024
_PLAIN = (bool, int, float, str)
_CANNOT_BE_BUILT = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
_DERIVE = (
    "derive one of them from another (out_channels=groups * 2), use one choice of tuples for all of them, or exclude "
    "the combination: by filter=... of RandomOneShot and ENAS, which train single paths"
)


@dataclass(frozen=True)
class _Binding:
    """One tensor of a smaller layer, and the parts of the largest layer's tensors that it consists of.

    Attributes:
        name: The tensor's name in the layer, with dots for layers within.
        target: The dict that the part is written into.
        key: The tensor's name in that dict.
        pieces: One, or several that are stacked along the first dimension.
        is_buffer: Whether it is a buffer, not a parameter.
    """

    name: str
    target: MutableMapping[str, Any]
    key: str
    pieces: tuple[Piece, ...]
    is_buffer: bool

    def part(self) -> Tensor:
        """Return the tensor, differentiable with respect to the full ones; a view where it is one box of one tensor."""
        return join(self.pieces)


@dataclass(frozen=True)
class _View:
    """A layer of one configuration without weights of its own."""

    layer: nn.Module
    config: Config
    bindings: tuple[_Binding, ...]

    def bind(self, training: bool) -> nn.Module:
        """Set the layer's tensors to their parts of the full weights, and return the layer."""
        for binding in self.bindings:
            binding.target[binding.key] = binding.part()
        if self.layer.training != training:
            self.layer.train(training)
        _refresh(self.layer)
        return self.layer

    def detach_buffers(self) -> list[tuple[Tensor, Tensor]]:
        """Replace the buffers of the bound layer by copies; return pairs of the full buffer's part and the copy.

        A layer changes its buffers in place, and a backward pass needs them as they were.
        """
        pairs = [(binding, binding.part()) for binding in self.bindings if binding.is_buffer]
        for binding, part in pairs:
            binding.target[binding.key] = part.clone()
        return [(part, binding.target[binding.key]) for binding, part in pairs]


class SlicedLayer(Operator):
    """The operator of a layer of torch with choices in its arguments.

    The largest layer owns the weights. On a path, a layer of the chosen configuration without weights of its own
    computes with views of them, so that it is the standalone layer with these weights. A mixture is the sum over
    all configurations of their outputs, padded with zeros to the full width and weighted by the exact joint probability
    of the configuration (DARTS, eq. 2); inputs of the full width are cut to what a configuration expects. Where the
    layer is linear in its weights, this equals one layer with the mixture of the zero-padded weights (the masks of
    FBNetV2, arXiv:2004.05565, eq. 4, for channels), and that is what is computed.

    Args:
        path: Its path in the model, for messages.
        configurations: The sets of constructor arguments.
        rule: How sizes share weights.
        original: The layer of the base model; its weights are kept if it is the largest.

    Attributes:
        layer: The largest layer.

    Raises:
        SupernetError: The largest layer cannot be built.
    """

    def __init__(self, path: str, configurations: Configurations, rule: SliceRule, original: nn.Module) -> None:
        super().__init__(path)
        self.configurations = configurations
        self.decisions = configurations.decisions
        self.rule = rule
        self.full_config = rule.largest(configurations.possible())
        self.layer = self._largest_layer(original)
        self._set_later = _set_later(original, self._empty(configurations.current()))
        self._views: dict[Hashable, _View] = {}
        self._mixed: _Mixture | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the active path or the mixture."""
        if self.configurations.is_mixed:
            if self._mixed is None:
                self._mixed = _Mixture(self)
            return self._mixed(*args, **kwargs)
        return self._current().bind(self.training)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:  # what the model reads from its layer, such as conv.out_channels or embedding.weight
            if name.startswith("_") or "_views" not in self.__dict__:
                raise
            if self.configurations.is_mixed and hasattr(self.layer, name):
                raise AttributeError(
                    f"{self.path!r} is a mixture of layers of several sizes, so that {name!r} has no single value. Do "
                    "not read it in forward, or use a strategy that samples single paths (RandomOneShot, ENAS)."
                ) from None
            if self.configurations.is_mixed:
                raise
            return getattr(self._current().bind(self.training), name)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_views": {}, "_mixed": None}  # they hold tensors of this very layer

    def active_tensor(self, name: str) -> Tensor:
        """Return the active slice of a tensor."""
        return next(binding.part() for binding in self._current().bindings if binding.name == name)

    def slices_of(self, name: str) -> Hashable:
        """Return the parts of a tensor that all combinations of values use; None if they cannot be listed.

        Layers whose slices of their tensors are equal can share one tensor.
        """
        if not all(decision.values for decision in self.decisions):
            return None
        grid = self.configurations.grid
        parts = []
        for config in grid.configs:
            pieces = next((b.pieces for b in self.view(config).bindings if b.name == name), ())
            parts.append(
                tuple((piece.source[piece.key].shape, piece.blocks, piece.region, piece.block) for piece in pieces)
            )
        labels = tuple(decision.label for decision in self.decisions)
        return labels, tuple(parts[number] for number in grid.of_combination.tolist())

    def view(self, config: Config) -> _View:
        """Return a layer of a configuration whose tensors can be set to views of the weights.

        Raises:
            SupernetError: It has a tensor that is missing in the largest layer, or smaller there.
        """
        layer = self._empty(config)
        for path, attributes in self._set_later.items():
            vars(layer.get_submodule(path)).update(attributes)
        owners = dict(self.layer.named_modules())
        bindings = []
        for prefix, module in layer.named_modules():
            for kind in ("_parameters", "_buffers"):
                for key, part in getattr(module, kind).items():
                    if part is not None:
                        name = f"{prefix}.{key}" if prefix else key
                        pieces = self._pieces(name, part, getattr(owners[prefix], kind))
                        bindings.append(_Binding(name, getattr(module, kind), key, pieces, kind == "_buffers"))
        return _View(layer, config, tuple(bindings))

    def _current(self) -> _View:
        key = self.configurations.key
        view = self._views.get(key)
        if view is None:
            if len(self._views) >= _MAX_VIEWS:
                self._views.clear()
            view = self._views[key] = self.view(self.configurations.current())
        return view

    def _pieces(self, name: str, part: Tensor, source: Any) -> tuple[Piece, ...]:
        pieces = self.rule.pieces(name, part.shape, source)
        if not pieces:
            full = source.get(name.rpartition(".")[2])
            raise SupernetError(
                f"{self.path!r}{labelled(self.configurations.decisions)} ({type(self.layer).__name__}) has a tensor "
                f"{name!r} of shape {tuple(part.shape)} in one configuration, which is not contained in that of "
                f"the largest layer ({None if full is None else tuple(full.shape)}). Use a LayerChoice between the "
                "layers instead of choices in their arguments.",
                path=self.path,
            )
        return pieces

    def check(self) -> None:
        """Build every configuration once, without weights.

        Raises:
            SupernetError: A configuration cannot be built: its arguments do not fit each other.
        """
        decisions = self.configurations.decisions
        if math.prod(len(decision.values) for decision in decisions) in range(1, _MAX_VIEWS + 1):
            for config in self.configurations.grid.configs:
                self._empty(config)

    def _empty(self, config: Config) -> nn.Module:
        """Return a layer of a configuration on the meta device.

        Raises:
            SupernetError: Its arguments do not fit each other.
        """
        try:
            with torch.device("meta"):
                return _build(self.configurations.cls, {**config, **({"device": None} if "device" in config else {})})
        except _CANNOT_BE_BUILT as err:
            decisions = self.configurations.decisions
            ways_out = "leave out the candidates that do not fit" if len(decisions) == 1 else _DERIVE
            raise SupernetError(
                f"{self.path!r}{labelled(decisions)} cannot be built with every combination of its choices: "
                f"{self.configurations.shown(config)} fails with: {err}. A supernet needs every "
                f"combination, so {ways_out}.",
                path=self.path,
            ) from err

    def _largest_layer(self, original: nn.Module) -> nn.Module:
        try:
            largest = _build(self.configurations.cls, self.full_config)
        except _CANNOT_BE_BUILT as err:
            raise SupernetError(
                f"The largest layer of {self.path!r}{labelled(self.configurations.decisions)}, "
                f"{self.configurations.shown(self.full_config)}, "
                f"which holds the weights of all other sizes, cannot be built: {err}",
                path=self.path,
            ) from err
        match_tensors(largest, original)
        state = original.state_dict()
        shapes = {name: tensor.shape for name, tensor in largest.state_dict().items()}
        is_largest = {name: tensor.shape for name, tensor in state.items()} == shapes
        if is_largest:
            largest.load_state_dict(state)
        _take_parameters(largest, original, with_values=is_largest)
        return largest.train(original.training)


class _Mixture:
    """The mixture of all configurations of one sliced layer."""

    def __init__(self, owner: SlicedLayer) -> None:
        self._owner = owner
        self._configurations = owner.configurations
        configs = self._configurations.grid.configs
        self._views = [owner.view(config) for config in configs]
        self._merged: _View | None = None
        if owner.rule.merges(configs, owner.full_config):
            self._merged = owner.view(owner.full_config)
            self._masks = {binding.name: self._mask(binding) for binding in self._merged.bindings}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._merged is None:
            return self._mixed_outputs(args, kwargs)
        return self._mixed_weights(self._merged)(*args, **kwargs)

    def _mixed_weights(self, merged: _View) -> nn.Module:
        probabilities = self._configurations.probabilities()
        layer = merged.bind(self._owner.training)
        for binding in merged.bindings:
            mask = self._masks[binding.name]
            if mask is not None:
                part = binding.part()
                binding.target[binding.key] = part * mask(probabilities).to(part.dtype)
        return layer

    def _mixed_outputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        probabilities = self._configurations.probabilities()
        rule, full = self._owner.rule, self._owner.full_config
        outputs = []
        supported = sorted(self._configurations.supported(), key=self._num_statistics)
        for number in supported:
            view = self._views[number]
            layer = view.bind(self._owner.training)
            statistics = view.detach_buffers()
            narrowed, named = rule.narrow_all(args, kwargs, view.config, full)
            outputs.append(rule.widen(layer(*narrowed, **named), view.config, full))
        for part, after in statistics:  # of the last: channels of several configurations see one batch, not several
            part.copy_(after)
        decisions = self._configurations.decisions
        return weighted_sum([probabilities[number] for number in supported], outputs, self._owner.path, decisions)

    def _num_statistics(self, number: int) -> int:
        """Return how many running statistics a configuration has: the last to run is the one with the most."""
        return sum(binding.part().numel() for binding in self._views[number].bindings if binding.is_buffer)

    def _mask(self, binding: _Binding) -> RegionMask | None:
        """Return the mask of a parameter; None for buffers: statistics are shared as they are."""
        if binding.is_buffer:
            return None
        parts = [{other.name: other.pieces[0] for other in view.bindings}[binding.name] for view in self._views]
        return RegionMask(parts[0].source[binding.key].shape, [part.region for part in parts])


def _build(cls: Callable[..., Any], config: Mapping[str, Any]) -> nn.Module:
    layer: nn.Module = cls(**config)
    return layer


def _take_parameters(largest: nn.Module, original: nn.Module, *, with_values: bool) -> None:
    """Let the parameters of the model's layer be those of the largest layer: an optimizer may have them already.

    Args:
        largest: Gets parameters of the same names.
        original: The layer of the model.
        with_values: Whether they keep their values; else they get those of the largest layer, and its sizes.
    """
    owners = dict(largest.named_modules())
    fresh = dict(largest.named_parameters())
    for name, parameter in original.named_parameters():
        if name in fresh:
            prefix, _, key = name.rpartition(".")
            if not with_values:
                parameter.grad = None
                parameter.data = fresh[name].data
            setattr(owners[prefix], key, parameter)


def _set_later(original: nn.Module, fresh: nn.Module) -> dict[str, dict[str, Any]]:
    """Return attributes that the model's constructor set after that of the layer: ``bn.momentum = 0.01``; by path."""
    changed: dict[str, dict[str, Any]] = {}
    others = dict(fresh.named_modules())
    for path, module in original.named_modules():
        before = vars(others[path]) if path in others else {}
        changed[path] = {
            name: value
            for name, value in vars(module).items()
            if name != "training" and isinstance(before.get(name), _PLAIN) and value != before[name]
        }
    return {path: attributes for path, attributes in changed.items() if attributes}


def _refresh(layer: nn.Module) -> None:
    """Update the second list of weights that recurrent layers keep."""
    if isinstance(layer, nn.RNNBase):
        layer._flat_weights = [getattr(layer, name) for name in layer._flat_weights_names]
