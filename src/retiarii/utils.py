"""Contexts, automatic labels, and state dicts of fixed models, under the names that NNI gave them."""

from __future__ import annotations

from retiarii.errors import NoContextError
from retiarii.nn.pytorch import original_state_dict_hooks
from retiarii.nn.pytorch.labels import ContextStack, ModelNamespace, get_current_context

__all__ = ["ContextStack", "ModelNamespace", "NoContextError", "get_current_context", "original_state_dict_hooks"]
