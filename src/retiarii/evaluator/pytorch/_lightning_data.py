"""Data loaders with choices in their arguments, and copies of loaders that share their data sets."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch.utils.data

from retiarii.evaluator._trace import trace
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.space import Expression

S = TypeVar("S")
T = TypeVar("T")

if TYPE_CHECKING:

    class DataLoader(torch.utils.data.DataLoader[S]):
        """`torch.utils.data.DataLoader`, with choices allowed in its arguments."""

        def __init__(
            self,
            dataset: torch.utils.data.Dataset[S],
            batch_size: int | Expression | None = 1,
            shuffle: bool | Expression | None = None,
            sampler: Any = None,
            batch_sampler: Any = None,
            num_workers: int | Expression = 0,
            collate_fn: Callable[[list[S]], Any] | None = None,
            pin_memory: bool | Expression = False,
            drop_last: bool | Expression = False,
            timeout: float | Expression = 0,
            worker_init_fn: Callable[[int], None] | None = None,
            multiprocessing_context: Any = None,
            generator: torch.Generator | None = None,
            **kwargs: Any,
        ) -> None: ...

else:
    DataLoader = trace(torch.utils.data.DataLoader)


@dataclass(frozen=True)
class TrainingData:
    """The data of a Lightning evaluator, with the arguments that say how they are used.

    Attributes:
        train_dataloaders: Training data, in any form that ``Trainer.fit`` takes.
        val_dataloaders: Validation data, likewise.
        monitor: The metric by which trials are compared; None where it is found by its name.
        fit_kwargs: Further arguments of ``Trainer.fit``.
    """

    train_dataloaders: Any
    val_dataloaders: Any
    monitor: str | None
    fit_kwargs: Mapping[str, Any]


def fresh_loaders(loaders: Any) -> Any:
    """Copy data loaders, so that samplers and generators are in their initial state; data sets are shared.

    Args:
        loaders: A loader, a data module, or lists, tuples and dicts of them. Other objects are not copied.
    """
    if isinstance(loaders, (torch.utils.data.DataLoader, pytorch_lightning.LightningDataModule)):
        return fresh_copy(loaders)
    if isinstance(loaders, (list, tuple)):
        return type(loaders)(fresh_loaders(loader) for loader in loaders)
    if isinstance(loaders, dict):
        return {name: fresh_loaders(loader) for name, loader in loaders.items()}
    return loaders


def fresh_copy(value: T) -> T:
    """Return a deep copy that shares the data sets found in containers, loaders and modules."""
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
