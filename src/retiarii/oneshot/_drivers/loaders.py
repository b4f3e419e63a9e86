"""Loaders of training data for the weights and for the architecture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset, RandomSampler, random_split

from retiarii.errors import ConfigError
from retiarii.oneshot._searches.distributed import is_distributed


def split_loader(
    loader: DataLoader[Any], fraction: float = 0.5, *, seed: int = 0
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Split the data of one loader into a part for the weights and one for the architecture.

    Args:
        loader: A loader of a data set with a length. Both parts have its batch size, workers, collation and shuffling.
        fraction: The share of the samples that is for the weights.
        seed: The seed of the split.

    Returns:
        The loaders for the weights and for the architecture.

    Raises:
        ConfigError: The data set has no length, the loader has a batch sampler of its own, or a part would be empty.

    Reference:
        DARTS (Liu et al., 2019), arXiv:1806.09055, section 3.1: "half of the training data" is held out as the
        validation set for the architecture.
    """
    dataset: Dataset[Any] = loader.dataset
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__") or loader.batch_size is None:
        raise ConfigError(
            f"A loader of {type(dataset).__name__} cannot be split: expected a data set with a length and a loader "
            "with a batch_size. Give two loaders, one for the weights and one for the architecture."
        )
    size = len(dataset)
    first = int(size * fraction)
    if not 0 < first < size:
        raise ConfigError(
            f"fraction={fraction!r} of {size} samples leaves one part empty. Use a number between 0 and 1."
        )
    parts = random_split(dataset, [first, size - first], generator=torch.Generator().manual_seed(seed))
    return _like(loader, parts[0]), _like(loader, parts[1])


def shared_out(loader: Any) -> Any:
    """Return a loader that gives each process its share of the batches; in a single process, the loader itself.

    Lightning does this for its own loaders; this function does it for those of a search. A loader that is not a plain
    `DataLoader`, or already has a sampler for several processes, is returned unchanged.
    """
    if not is_distributed() or type(loader) is not DataLoader or isinstance(loader.sampler, DistributedSampler):
        return loader
    if isinstance(loader.dataset, IterableDataset) or loader.batch_size is None:
        return loader
    shuffled = isinstance(loader.sampler, RandomSampler)
    return _like(loader, loader.dataset, DistributedSampler(loader.dataset, shuffle=shuffled))


class Cycle:
    """Yields the batches of a loader again and again, in the order of the loader, with a new pass when it is exhausted.

    Args:
        batches: A loader.
        start: The number of batches to skip, or the state of another cycle of the same loader. Only a state restores
            the order in which the loader shuffled the current pass.

    Attributes:
        num_batches: The number of batches yielded or skipped.

    Raises:
        ConfigError: The loader is empty.
    """

    def __init__(self, batches: Iterable[Any], start: int | Mapping[str, Any] = 0) -> None:
        self._batches = batches
        self._iterator: Iterator[Any] = iter(())
        self._num_passes = 0
        self._generator_before_pass: Tensor | None = None
        self.num_batches = 0
        if isinstance(start, int):
            self._skip(start)
        elif start["generator"] is not None:
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(start["generator"].cpu())  # loaded to the device of the model, perhaps
                self._skip(start["num_batches"])

    def state_dict(self) -> dict[str, Any]:
        """Return the position of this cycle, as ``start`` of another: tensors and plain data."""
        return {"num_batches": self.num_batches, "generator": self._generator_before_pass}

    def __iter__(self) -> Cycle:
        return self

    def __next__(self) -> Any:
        try:
            batch = next(self._iterator)
        except StopIteration:
            self._begin_pass()
            batch = self._first()
        self.num_batches += 1
        return batch

    def _begin_pass(self) -> None:
        sampler = getattr(self._batches, "sampler", None)
        if isinstance(sampler, DistributedSampler):
            sampler.set_epoch(self._num_passes)
        self._num_passes += 1
        self._generator_before_pass = torch.get_rng_state()  # from which loaders draw the order of their batches
        self._iterator = iter(self._batches)

    def _first(self) -> Any:
        try:
            return next(self._iterator)
        except StopIteration:
            raise ConfigError(
                "The loader for the architecture yields no batches, so that nothing can be learnt."
            ) from None

    def _skip(self, count: int) -> None:
        """Skip batches. Whole passes are not run if the loader knows its length."""
        length = length_of(self._batches)
        if length:
            self._num_passes = count // length
            self.num_batches = count - count % length
        for _ in range(count - self.num_batches):
            next(self)


def length_of(batches: Iterable[Any]) -> int:
    """Return the number of batches; 0 where the loader does not know it."""
    try:
        return len(batches) if isinstance(batches, Sized) else 0
    except TypeError:  # loaders of iterable data sets have a length that raises
        return 0


def _like(loader: DataLoader[Any], dataset: Dataset[Any], sampler: Any = None) -> DataLoader[Any]:
    return DataLoader(
        dataset,
        batch_size=loader.batch_size,
        shuffle=isinstance(loader.sampler, RandomSampler) if sampler is None else None,
        sampler=sampler,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        drop_last=loader.drop_last,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    )
