"""`is_equal`: nested values that are equal to the last bit."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree


def is_equal(first: Any, second: Any) -> bool:
    """Return whether two nested values are equal to the last bit; NaN equals NaN."""
    leaves, spec = pytree.tree_flatten(first)
    others, other_spec = pytree.tree_flatten(second)
    return spec == other_spec and all(map(_is_equal_leaf, leaves, others))


def _is_equal_leaf(first: Any, second: Any) -> bool:
    if not isinstance(first, torch.Tensor) or not isinstance(second, torch.Tensor):
        return type(first) is type(second) and (not isinstance(first, (int, float, str, bool)) or first == second)
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return bool(((first == second) | (first.isnan() & second.isnan())).all())
