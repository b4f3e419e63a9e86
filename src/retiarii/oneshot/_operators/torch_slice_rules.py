"""The rules for the layers of `torch.nn`: how their sizes share weights, and when mixtures of them merge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from retiarii.nn.pytorch.weight_slices import WEIGHT_SLICES
from retiarii.oneshot._decisions.configurations import Config
from retiarii.oneshot._operators.slice_rule import SliceRule, elementwise_largest, same_but


def _largest_convolution(possible: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the arguments of a convolution whose weight contains that of all others.

    A weight has ``in_channels / groups`` input channels per group. Where all convolutions are depthwise, so is the
    largest; otherwise it has the greatest number of groups that divides all others, so that each group is large enough.
    """
    largest = elementwise_largest(possible)
    if not _is_depthwise(possible):
        largest["groups"] = math.gcd(*possible["groups"])
    return largest


def _is_depthwise(possible: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether the number of groups is always that of the channels."""
    return tuple(possible["groups"]) == tuple(possible["in_channels"]) and max(possible["groups"]) > 1


def _largest_divided(possible: Mapping[str, Sequence[Any]], *, part: str, whole: str) -> dict[str, Any]:
    """Return the largest arguments of a layer in which one argument divides another and does not shape weights."""
    largest = elementwise_largest(possible)
    if largest[whole] % largest[part]:
        largest[part] = 1
    return largest


def _largest_attention(possible: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the arguments of the largest attention; keys and values without a width have that of the embedding."""
    largest = _largest_divided(possible, part="num_heads", whole="embed_dim")
    for name in ("kdim", "vdim"):
        if any(width is not None for width in possible[name]):
            largest[name] = max(largest["embed_dim"] if width is None else width for width in possible[name])
    return largest


def _convolution_merges(configs: Sequence[Config], full: Config) -> bool:
    """Return whether one convolution with zero-padded kernels can compute a mixture of these.

    Kernels differ in size around the same centre: each padding makes up for the smaller kernel, so that all outputs
    have the same size and see the same positions. Channels differ without groups, or in depthwise convolutions.
    """
    sizes = ("in_channels", "out_channels", "kernel_size", "padding", "groups", "device")
    if not same_but(sizes, configs, full) or full["padding_mode"] != "zeros":
        return False
    plain = all(config["groups"] == 1 for config in (*configs, full))
    depthwise = all(config["groups"] == config["in_channels"] == config["out_channels"] for config in (*configs, full))
    return (plain or depthwise) and all(_same_positions(config, full) for config in configs)


def _same_positions(config: Config, full: Config) -> bool:
    if isinstance(full["padding"], str) or isinstance(config["padding"], str):
        odd = all(size % 2 for size in (*_numbers(config["kernel_size"]), *_numbers(full["kernel_size"])))
        return config["padding"] == full["padding"] == "same" and odd
    spatial = range(len(_numbers(full["kernel_size"])) if isinstance(full["kernel_size"], (tuple, list)) else 1)
    for dim in spatial:
        small, large = _at(config["kernel_size"], dim), _at(full["kernel_size"], dim)
        dilation = _at(full["dilation"], dim)
        missing = _at(full["padding"], dim) - _at(config["padding"], dim)
        if missing != (large - small) // 2 * dilation or 2 * missing != (large - small) * dilation:
            return False
    return True


def _transposed_merges(configs: Sequence[Config], full: Config) -> bool:
    sizes = ("in_channels", "out_channels", "device")
    return same_but(sizes, configs, full) and full["groups"] == 1


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _at(value: Any, dim: int) -> int:
    return int(value[dim] if isinstance(value, (tuple, list)) else value)


def _linear_merges(configs: Sequence[Config], full: Config) -> bool:
    return same_but(("in_features", "out_features", "device"), configs, full)


def _norm_merges(configs: Sequence[Config], full: Config) -> bool:
    """Channels are normalised one by one; scale and shift mask the channels that a configuration lacks."""
    return bool(full["affine"]) and same_but(("num_features", "device"), configs, full)


def _embedding_merges(configs: Sequence[Config], full: Config) -> bool:
    plain = full["max_norm"] is None and full["padding_idx"] is None
    return plain and same_but(("num_embeddings", "embedding_dim", "device"), configs, full)


def _convolution(dims: int) -> SliceRule:
    return SliceRule(
        largest=_largest_convolution,
        merges=_convolution_merges,
        inputs="in_channels",
        outputs="out_channels",
        feature_dim=-dims - 1,
    )


def _transposed(dims: int) -> SliceRule:
    return replace(_convolution(dims), merges=_transposed_merges)


def _norm(feature_dim: int) -> SliceRule:
    return SliceRule(merges=_norm_merges, inputs="num_features", outputs="num_features", feature_dim=feature_dim)


def _transformer(*features: str) -> SliceRule:
    largest = partial(_largest_divided, part="nhead", whole="d_model")
    return SliceRule(largest=largest, inputs="d_model", outputs="d_model", feature_dim=-1, features=features)


def _recurrent(*third: str) -> SliceRule:
    positional = ("input_size", "hidden_size", "num_layers", *third, "bias", "batch_first", "dropout", "bidirectional")
    return SliceRule(inputs="input_size", feature_dim=-1, features=("input",), positional=positional)


_RULES: dict[type[nn.Module], SliceRule] = {
    nn.Linear: SliceRule(merges=_linear_merges, inputs="in_features", outputs="out_features", feature_dim=-1),
    nn.Bilinear: SliceRule(outputs="out_features", feature_dim=-1),
    nn.Conv1d: _convolution(1),
    nn.Conv2d: _convolution(2),
    nn.Conv3d: _convolution(3),
    nn.ConvTranspose1d: _transposed(1),
    nn.ConvTranspose2d: _transposed(2),
    nn.ConvTranspose3d: _transposed(3),
    nn.BatchNorm1d: _norm(1),
    nn.BatchNorm2d: _norm(1),
    nn.BatchNorm3d: _norm(1),
    nn.SyncBatchNorm: _norm(1),
    nn.InstanceNorm1d: _norm(-2),
    nn.InstanceNorm2d: _norm(-3),
    nn.InstanceNorm3d: _norm(-4),
    nn.LayerNorm: SliceRule(inputs="normalized_shape", outputs="normalized_shape"),
    nn.RMSNorm: SliceRule(inputs="normalized_shape", outputs="normalized_shape"),
    nn.GroupNorm: SliceRule(
        largest=partial(_largest_divided, part="num_groups", whole="num_channels"),
        inputs="num_channels",
        outputs="num_channels",
        feature_dim=1,
    ),
    nn.Embedding: SliceRule(merges=_embedding_merges, outputs="embedding_dim", feature_dim=-1),
    nn.EmbeddingBag: SliceRule(outputs="embedding_dim", feature_dim=-1),
    nn.PReLU: SliceRule(inputs="num_parameters", outputs="num_parameters", feature_dim=1, any_width=1),
    nn.MultiheadAttention: SliceRule(
        largest=_largest_attention,
        inputs="embed_dim",
        outputs="embed_dim",
        feature_dim=-1,
        features={"query": "embed_dim", "key": "kdim", "value": "vdim"},
    ),
    nn.TransformerEncoderLayer: _transformer("src"),
    nn.TransformerDecoderLayer: _transformer("tgt", "memory"),
    nn.RNN: _recurrent("nonlinearity"),
    nn.GRU: _recurrent(),
    nn.LSTM: _recurrent(),
}

SLICE_RULES: dict[type[nn.Module], SliceRule] = {
    layer: replace(rule, **vars(WEIGHT_SLICES[layer])) if layer in WEIGHT_SLICES else rule
    for layer, rule in _RULES.items()
}
"""For each type of layer with weights, how different sizes share them."""
