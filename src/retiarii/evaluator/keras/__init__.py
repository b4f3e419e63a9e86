"""Evaluators for Keras models.

`KerasEvaluator` trains with ``fit``. Keras (``pip install 'retiarii[keras]'``) is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes

if TYPE_CHECKING:
    from retiarii.evaluator.keras._keras_evaluator import KerasEvaluator

__all__ = ["KerasEvaluator"]

__getattr__, __dir__ = lazy_attributes(__name__, dict.fromkeys(__all__, f"{__name__}._keras_evaluator"))
