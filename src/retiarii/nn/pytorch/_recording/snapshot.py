"""`Snapshot`: the state of a module right after its construction, to find out later whether it was changed.

Values are compared by a digest of all bytes, because the usual ways of writing into weights leave no other trace:
``parameter.data.normal_()`` does not count in torch's version counter.

A cryptographic hash of all weights takes as long as their initialisation, so large tensors are compressed first: each
block of words becomes two sums of products with fixed random weights. Weights differ from word to word, so the order
counts. A sum of products modulo 2**64 is blind in the highest bits, where the signs are; therefore the second sum takes
the words with their bytes reversed. Two contents that differ anywhere collide with a probability of at most 2**-57.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor
from torch.nn.parameter import is_lazy

Digest: TypeAlias = "tuple[torch.dtype, tuple[int, ...], bytes] | None"
_Words: TypeAlias = "np.ndarray[Any, np.dtype[np.uint64]]"

_TINY = 1 << 10  # bytes up to which the digest is the contents
_SMALL = 1 << 12  # bytes up to which the hash alone is as fast
_BLOCK = 1 << 13  # words; a block and its weights fit into the cache
_USUAL = frozenset({Tensor, nn.Parameter})


def digest(tensor: Tensor) -> Digest:
    """Return a digest of the type, shape and values of a tensor; None for a tensor without values.

    The device, the strides and the number of threads do not count. ``-0.0`` differs from ``0.0``, and so do NaNs with
    different bits.
    """
    if tensor.is_meta or is_lazy(tensor) or isinstance(tensor, FakeTensor):
        return None
    return tensor.dtype, tensor.shape, _digest_of(_bytes_of(tensor))


def _bytes_of(tensor: Tensor) -> np.ndarray[Any, Any]:
    if tensor.dtype is torch.float32 and tensor.is_cpu and type(tensor) in _USUAL:  # the short way for almost all
        return tensor.detach().numpy().ravel()
    values = tensor.detach().cpu().resolve_conj().resolve_neg()
    return values.contiguous().view(-1).view(torch.uint8).numpy()


def _digest_of(contents: np.ndarray[Any, Any]) -> bytes:
    if contents.nbytes <= _TINY:
        return contents.tobytes()
    if contents.nbytes <= _SMALL:
        return hashlib.blake2b(contents.data, digest_size=16).digest()
    end = contents.nbytes // 8 * 8
    contents = contents.view(np.uint8)
    compressed = [*_sums(contents[:end].view(np.uint64)), contents[end:].tobytes()]
    return hashlib.blake2b(b"".join(compressed), digest_size=16).digest()


def _sums(words: _Words) -> Iterator[bytes]:
    """Yield two words for each block."""
    forward, reverse = _weights()
    for start in range(0, words.size, _BLOCK):
        block = words[start : start + _BLOCK]
        yield np.einsum("i,i", block, forward[: block.size]).tobytes()
        yield np.einsum("i,i", block.byteswap(), reverse[: block.size]).tobytes()


@cache
def _weights() -> _Words:
    weights: _Words = np.random.default_rng(0).integers(0, 1 << 64, (2, _BLOCK), dtype=np.uint64)
    return weights


# What torch keeps in the ``__dict__`` of every module.
TORCH_STATE = frozenset(vars(nn.Module()))

_PLAIN = frozenset({bool, int, float, str, bytes, tuple, type(None)})


class Snapshot:
    """Digests of the parameters of a module and its children, and their plain attributes.

    Buffers count only where there is no parameter: running statistics change in every forward pass.

    Args:
        module: The module; no reference to it is kept.
    """

    __slots__ = ("_digests", "_structure")

    def __init__(self, module: nn.Module) -> None:
        self._digests = {name: digest(tensor) for name, tensor in _tensors(module)}
        self._structure = _structure(module)

    def changed_tensors(self, module: nn.Module) -> list[str]:
        """Return the names of tensors that were changed or added."""
        return [name for name, tensor in _tensors(module) if self._digests.get(name, ()) != digest(tensor)]

    def changed_structure(self, module: nn.Module) -> bool:
        """Return whether children, plain attributes or hooks were changed."""
        return self._structure != _structure(module)

    def changed_children(self, module: nn.Module) -> bool:
        """Return whether children, also of children, were added, removed, renamed or replaced by another class."""
        return [state[:2] for state in self._structure] != [_plain_state(child)[:2] for child in module.modules()]


def _tensors(module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    if not module._modules:  # most layers; torch's own iterators take longer than the digests
        own: list[tuple[str, Tensor]] = [
            (name, value) for name, value in module._parameters.items() if value is not None
        ]
        return own or [(name, value) for name, value in module._buffers.items() if value is not None]
    parameters = list(module.named_parameters(remove_duplicate=False))
    return parameters or list(module.named_buffers(remove_duplicate=False))


def _structure(module: nn.Module) -> tuple[tuple[Any, ...], ...]:
    return tuple(map(_plain_state, module.modules())) if module._modules else (_plain_state(module),)


def _plain_state(module: nn.Module) -> tuple[Any, ...]:
    """Return the class, the plain attributes, the names of the children and the number of hooks of one module."""
    state = vars(module)
    cls = type(module)
    plain = [value for name, value in state.items() if type(value) in _PLAIN and name != "training"]
    hooks = sum([len(value) for value in state.values() if type(value) is OrderedDict])
    return getattr(cls, "cls_to_become", None) or cls, list(state["_modules"]), plain, hooks
