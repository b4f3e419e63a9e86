"""`EpochSeeds`: seeds per epoch, so that a resumed training gives the same results as an uninterrupted one."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils.data import DataLoader

from retiarii.evaluator._seeding import seed_everything
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.space import rng_for


class EpochSeeds(pytorch_lightning.Callback):
    """Seeds all randomness of an epoch from the epoch's number, so that a resumed training gives the same results.

    It must be the first callback. Loaders get their order from generators of their own, since the time at which
    Lightning begins to iterate over them depends on its version and on whether training is resumed. A training that
    continues from a checkpoint uses the seed of the training that wrote it.

    Args:
        seed: The seed of all epochs.
        train_data: The loaders that ``Trainer.fit`` gets, in any form; None if the module has its own.
    """

    def __init__(self, seed: int, train_data: Any = None) -> None:
        self._root = seed
        self._train_data = train_data
        self._next_epoch = 0

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Seed the workers of the first epoch, which may read before the epoch starts."""
        seed_everything(self._seed(self._next_epoch, 0))
        self._order(self._train_data, self._next_epoch)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Seed the workers of a later epoch, and the order of the batches."""
        self._next_epoch = trainer.current_epoch + 1
        seed_everything(self._seed(trainer.current_epoch, 0))
        self._order(trainer.train_dataloader, trainer.current_epoch)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Seed the global generators when the first batch has been read."""
        if batch_idx == 0:
            seed_everything(self._seed(trainer.current_epoch, 1))

    def state_dict(self) -> dict[str, Any]:
        """Return the seed and the number of the next epoch, which the trainer lacks when a training begins."""
        return {"seed": self._root, "next_epoch": self._next_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the epoch after the last one."""
        self._root, self._next_epoch = state_dict["seed"], state_dict["next_epoch"]

    def _order(self, loaders: Any, epoch: int) -> None:
        for number, loader in enumerate(loaders_in(loaders)):
            _set_generator(loader, torch.Generator().manual_seed(self._seed(epoch, 2, number)))

    def _seed(self, *numbers: int) -> int:
        return rng_for(self._root, *numbers).getrandbits(63)


def without_generators(loaders: Any) -> Any:
    """Let loaders use torch's global generator, in place, and return them."""
    for loader in loaders_in(loaders):
        _set_generator(loader, None)
    return loaders


def loaders_in(loaders: Any) -> list[DataLoader[Any]]:
    """Return the loaders in nested lists and dicts."""
    return [leaf for leaf in pytree.tree_leaves(loaders) if isinstance(leaf, DataLoader)]


def _set_generator(loader: DataLoader[Any], generator: torch.Generator | None) -> None:
    """Set the generator of the order of a loader's samples; None for torch's global one, which all else uses.

    A generator of the user would continue from epoch to epoch, and its state is unknown when training is resumed.
    """
    if hasattr(loader.sampler, "generator"):
        loader.sampler.generator = generator
    loader.generator = None
