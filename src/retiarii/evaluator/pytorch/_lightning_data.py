"""Data loaders, and copies that leave the data where they are."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import torch.utils.data

from retiarii.evaluator._tracing import trace
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning

T = TypeVar("T")

if TYPE_CHECKING:
    from torch.utils.data import DataLoader
else:
    DataLoader = trace(torch.utils.data.DataLoader)


def fresh_loaders(loaders: T) -> T:
    """Copy data loaders, so that samplers and generators start anew; data sets are shared, not copied.

    Args:
        loaders: A loader, or lists, tuples and mappings of them. Anything that is no torch ``DataLoader`` stays
            the same object.
    """
    if isinstance(loaders, torch.utils.data.DataLoader):
        return fresh_copy(loaders)
    if isinstance(loaders, (list, tuple)):
        return type(loaders)(fresh_loaders(loader) for loader in loaders)  # type: ignore[return-value]
    if isinstance(loaders, dict):
        return {name: fresh_loaders(loader) for name, loader in loaders.items()}  # type: ignore[return-value]
    return loaders


def fresh_copy(value: T) -> T:
    """Copy deeply, except for the data sets that are in plain sight: in containers, loaders and modules."""
    return copy.deepcopy(value, {id(dataset): dataset for dataset in _datasets(value)})


def _datasets(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.utils.data.Dataset):
        yield value
    elif isinstance(value, torch.utils.data.DataLoader):
        yield value.dataset
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _datasets(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _datasets(item)
    elif isinstance(value, (pytorch_lightning.LightningModule, pytorch_lightning.LightningDataModule)):
        for attribute in vars(value).values():
            yield from _datasets(attribute)
