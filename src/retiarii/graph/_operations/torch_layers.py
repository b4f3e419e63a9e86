"""Constructor arguments of PyTorch's layers, read from an instance and checked by building it again.

Arguments are accepted only if the class, built with them, gives a layer of the same structure: the same attributes,
children, hooks, and the same shapes of parameters and buffers. Layers are built on the meta device, so a check costs no
memory and draws no random numbers.
"""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from retiarii.graph._operations.nested_values import leaves
from retiarii.nn.pytorch.constructor_calls import TORCH_STATE
from retiarii.space.construction import CALL_ATTRIBUTE

_VOLATILE = frozenset({CALL_ATTRIBUTE, "_flat_weights", "_flat_weight_refs", "_load_hook", "_initialize_hook"})
_UNSEEN = ("device", "dtype")
_FAILURES = (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AssertionError, NotImplementedError)


def constructor_signature(cls: type) -> inspect.Signature:
    """Return the signature of a constructor; for recurrent layers, which take ``*args``, the real one.

    Raises:
        ValueError: The class has no signature.
    """
    return _signature(cls)


@functools.cache
def _signature(cls: Any) -> inspect.Signature:
    if cls not in (nn.RNN, nn.LSTM, nn.GRU):
        return inspect.signature(cls)
    every = inspect.signature(nn.RNNBase).parameters
    names = [name for name in every if name != "mode" and (cls is nn.LSTM or name != "proj_size")]
    parameters = [every[name] for name in names]
    if cls is nn.RNN:
        text = inspect.Parameter("nonlinearity", inspect.Parameter.POSITIONAL_OR_KEYWORD, default="tanh")
        parameters.insert(3, text)
    return inspect.Signature(parameters)


def read_arguments(module: nn.Module) -> dict[str, Any] | None:
    """Return the constructor arguments of a PyTorch layer, by name; None if its attributes do not tell them.

    Sizes that are equal in all dimensions become one number if the layer accepts that.
    """
    checked = (_checked(module, reading) for reading in _readings(module))
    return next((arguments for arguments in checked if arguments is not None), None)


def _checked(module: nn.Module, reading: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return arguments without defaults, in their shortest form; None if they give another layer."""
    cls = type(module)
    parameters = constructor_signature(cls).parameters
    known = {name: value for name, value in reading.items() if name in parameters}
    raw = {name: value for name, value in known.items() if not _same(value, parameters[name].default)}
    short = {name: _collapsed(value) for name, value in raw.items()}
    if is_built_by(module, cls, (), short):
        return short
    if not is_built_by(module, cls, (), raw):
        return None
    found = raw
    for name, value in short.items():
        attempt = {**found, name: value}
        if value is not raw[name] and is_built_by(module, cls, (), attempt):
            found = attempt
    return found


def is_built_by(module: nn.Module, cls: type, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a constructor call gives a layer of the same structure; weights and their dtype may differ."""
    args, kwargs = copy.deepcopy((args, dict(kwargs)), _meta_memo((args, kwargs)))
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            rebuilt = cls(*args, **kwargs)
    except _FAILURES:
        return False
    return type(rebuilt) is type(module) and _same_structure(rebuilt, module)


def _attributes(module: nn.Module) -> dict[str, Any]:
    """Return the attributes that have the names of constructor parameters."""
    found: dict[str, Any] = {}
    for name, parameter in constructor_signature(type(module)).parameters.items():
        if name in _UNSEEN or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = getattr(module, name, parameter.empty)
        if name == "bias" and not isinstance(value, bool):
            value = _has_bias(module, value)
        if value is not parameter.empty and not isinstance(value, nn.Parameter):
            found[name] = value
    return found


def _has_bias(module: nn.Module, value: Any) -> Any:
    if not getattr(module, "affine", True) or not getattr(module, "elementwise_affine", True):
        return inspect.Parameter.empty  # no weight, so no bias
    return getattr(module, "in_proj_bias", value) is not None


def _readings(module: nn.Module) -> Iterator[dict[str, Any]]:
    """Yield possible arguments, read from attributes of the same names and from other attributes."""
    attributes = _attributes(module)
    if isinstance(module, nn.Transformer):
        every: tuple[tuple[str, ...], ...] = ((), ("encoder",), ("decoder",), ("encoder", "decoder"))
        for customs in every:
            yield {**attributes, **_of_transformer(module, customs)}
    else:
        special = next((read(module) for kinds, read in _READERS if isinstance(module, kinds)), {})
        yield {**attributes, **special}


def _of_transformer_layer(module: Any) -> dict[str, Any]:
    return {
        "d_model": module.self_attn.embed_dim,
        "nhead": module.self_attn.num_heads,
        "dim_feedforward": module.linear1.out_features,
        "dropout": module.dropout.p,
        "activation": module.activation,
        "layer_norm_eps": module.norm1.eps,
        "batch_first": module.self_attn.batch_first,
        "bias": module.linear1.bias is not None,
    }


def _of_transformer(module: nn.Transformer, customs: tuple[str, ...]) -> dict[str, Any]:
    """Return the arguments of a transformer, given whether encoder and decoder are the user's."""
    found: dict[str, Any] = {}
    for name in ("encoder", "decoder"):
        half: Any = getattr(module, name)
        layers: Any = getattr(half, "layers", ())
        if name in customs:
            found[f"custom_{name}"] = half
        elif len(layers) and hasattr(layers[0], "self_attn"):
            found |= {**_of_transformer_layer(layers[0]), "norm_first": layers[0].norm_first}
            found[f"num_{name}_layers"] = len(layers)
    return {**found, "d_model": module.d_model, "nhead": module.nhead, "batch_first": module.batch_first}


def _of_stack(module: Any) -> dict[str, Any]:
    first = module.layers[0] if len(module.layers) else None
    return {"encoder_layer": first, "decoder_layer": first}


_READERS: list[tuple[Any, Callable[[Any], dict[str, Any]]]] = [
    (nn.MultiheadAttention, lambda module: {"add_bias_kv": module.bias_k is not None}),
    ((nn.TransformerEncoderLayer, nn.TransformerDecoderLayer), _of_transformer_layer),
    ((nn.TransformerEncoder, nn.TransformerDecoder), _of_stack),
    (nn.PairwiseDistance, lambda module: {"p": module.norm}),
    (nn.AdaptiveLogSoftmaxWithLoss, lambda module: {"cutoffs": module.cutoffs[:-1]}),
    (nn.RNNCellBase, lambda module: {"num_chunks": module.weight_ih.shape[0] // module.hidden_size}),
]
if hasattr(nn, "LinearCrossEntropyLoss"):  # since PyTorch 2.13
    _READERS.append(
        (
            nn.LinearCrossEntropyLoss,
            lambda module: {"in_features": module.linear.in_features, "bias": module.linear.bias is not None},
        )
    )


def _collapsed(value: Any) -> Any:
    """Return 3 for (3, 3): layers expand one number to a tuple."""
    is_repeated = isinstance(value, tuple) and bool(value) and all(_same(item, value[0]) for item in value)
    return value[0] if is_repeated else value


def _meta_memo(arguments: Any) -> dict[int, Any]:
    """Return a memo for ``deepcopy`` that copies the tensors of modules without their values."""
    memo: dict[int, Any] = {}
    modules = [leaf for leaf in leaves(arguments) if isinstance(leaf, nn.Module)]
    for module in modules:
        for inner in module.modules():
            memo[id(vars(inner).get(CALL_ATTRIBUTE))] = None
            for value in (*inner._parameters.values(), *inner._buffers.values()):
                if value is not None and not is_lazy(value):
                    empty = torch.empty_like(value, device="meta")
                    is_parameter = isinstance(value, nn.Parameter)
                    memo[id(value)] = nn.Parameter(empty, value.requires_grad) if is_parameter else empty
    memo.pop(id(None), None)
    return memo


def _same_structure(rebuilt: nn.Module, module: nn.Module) -> bool:
    """Return whether two layers have the same attributes, children, hooks, and shapes of parameters and buffers."""
    twins, originals = dict(rebuilt.named_modules()), dict(module.named_modules())
    return list(twins) == list(originals) and all(_alike(twin, originals[path]) for path, twin in twins.items())


def _alike(twin: nn.Module, module: nn.Module) -> bool:
    if type(twin) is not type(module) or _shapes(twin) != _shapes(module) or _hooks(twin) != _hooks(module):
        return False
    made, present = _plain(twin), _plain(module)
    if any(name not in present or not _same(value, present[name]) for name, value in made.items()):
        return False
    return not any(hasattr(type(module), name) for name in present.keys() - made.keys())  # attributes that users added


def _plain(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in TORCH_STATE and name not in _VOLATILE}


def _shapes(module: nn.Module) -> list[Any]:
    named = (*module._parameters.items(), *module._buffers.items())
    shapes = [
        (name, None if value is None else "lazy" if is_lazy(value) else tuple(value.shape)) for name, value in named
    ]
    return [*shapes, len(module._parameters), sorted(module._non_persistent_buffers_set)]


def _hooks(module: nn.Module) -> list[int]:
    """Return the number of hooks of each kind that can change the result of a layer."""
    return [len(getattr(module, name)) for name in ("_forward_hooks", "_forward_pre_hooks")]


def _same(one: Any, other: Any) -> bool:
    """Return whether two attributes are surely equal."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.device == other.device and torch.equal(one, other) if not one.is_meta else False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return bool(one == other)
