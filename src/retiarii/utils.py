"""Contexts, automatic labels, and state dicts of fixed models, under the names that NNI gave them."""

from __future__ import annotations

from retiarii.errors import NoContextError
from retiarii.nn.pytorch._freezing.state_dicts import original_state_dict_hooks
from retiarii.nn.pytorch._labels.context_stack import ContextStack, get_current_context
from retiarii.nn.pytorch._labels.namespace import ModelNamespace

__all__ = ["ContextStack", "ModelNamespace", "NoContextError", "get_current_context", "original_state_dict_hooks"]
