"""Frameworks in which models are written: `retiarii.nn.pytorch` and `retiarii.nn.keras`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes

if TYPE_CHECKING:
    from retiarii.nn import keras as keras
    from retiarii.nn import pytorch as pytorch

__getattr__, __dir__ = lazy_attributes(__name__, {}, modules=("keras", "pytorch"))
