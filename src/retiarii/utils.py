"""Contexts, automatic labels, and state dicts of fixed models, under the names that NNI gave them."""

from __future__ import annotations

from retiarii.errors import NoContextError
from retiarii.nn.pytorch._context import ContextStack, get_current_context
from retiarii.nn.pytorch._namespace import ModelNamespace
from retiarii.nn.pytorch._state_dicts import original_state_dict_hooks

__all__ = ["ContextStack", "ModelNamespace", "NoContextError", "get_current_context", "original_state_dict_hooks"]
