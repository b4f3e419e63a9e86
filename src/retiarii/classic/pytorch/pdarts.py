"""P-DARTS in the classic API: stages of DARTS on deeper and deeper models with fewer and fewer candidates."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn, optim
from torch.utils.data import Dataset

from retiarii.classic.pytorch._mutable_tree import mutable_tree
from retiarii.classic.pytorch.base_trainer import BaseTrainer
from retiarii.classic.pytorch.callbacks import Callback, LRSchedulerCallback
from retiarii.classic.pytorch.darts import DartsMutator, DartsTrainer
from retiarii.classic.pytorch.mutables import LayerChoice
from retiarii.errors import ConfigError, SearchError

__all__ = ["PdartsMutator", "PdartsTrainer"]

_logger = logging.getLogger(__name__)

Switches: TypeAlias = Mapping[str, Sequence[bool]]
ModelCreator: TypeAlias = Callable[[int], tuple[nn.Module, Callable[[Any, Any], torch.Tensor], optim.Optimizer, Any]]


class PdartsMutator(DartsMutator):
    """The mutator of one stage: some candidates of the layer choices were dropped in the stages before.

    Args:
        model: A model with choices. It becomes a supernet, until `unbind`; dropped candidates are deleted from it.
        pdarts_epoch_index: The number of the stage, from 0.
        pdarts_num_to_drop: How many candidates of each choice are dropped after each stage.
        switches: From keys of layer choices to a boolean for each candidate: False for those that were dropped. Choices
            without a key in it keep all.
        seed: The seed of the search; None takes one from torch's global generator.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: Booleans do not fit a choice, or no candidate would be left after this stage.
    """

    def __init__(
        self,
        model: nn.Module,
        pdarts_epoch_index: int,
        pdarts_num_to_drop: Sequence[int],
        switches: Switches | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self._num_to_drop = pdarts_num_to_drop[pdarts_epoch_index]
        known = switches or {}
        found = [m for m in mutable_tree(model).traverse(deduplicate=False) if isinstance(m, LayerChoice)]
        kept = {choice.key: list(known.get(choice.key, [True] * len(choice))) for choice in found}
        for choice in found:
            choice._binding.check_free(choice)  # before anything is deleted
            self._check(choice, kept[choice.key])
        for choice in found:
            for position in reversed(range(len(choice))):
                if not kept[choice.key][position]:
                    del choice[position]
        super().__init__(model, seed=seed)
        self.switches = kept

    def _check(self, choice: LayerChoice, kept: Sequence[bool]) -> None:
        if len(kept) != len(choice):
            raise ConfigError(
                f"The switches of {choice.key!r} are {len(kept)} booleans, expected {len(choice)}, one for each "
                "candidate. Do the models of all stages have the same candidates under this key?"
            )
        if sum(kept) <= self._num_to_drop:
            raise ConfigError(
                f"{choice.key!r} has {sum(kept)} candidates in this stage, of which {self._num_to_drop} would be "
                "dropped, so that none is left. Drop fewer (pdarts_num_to_drop)."
            )

    def drop_paths(self) -> dict[str, list[bool]]:
        """Return the switches of the next stage: the least probable candidates of each layer choice are dropped, too.

        Of candidates that are equally probable, the first ones are dropped.
        """
        probabilities = self.search.probabilities()
        switches = {}
        for key, kept in self.switches.items():
            left = [position for position, is_kept in enumerate(kept) if is_kept]
            shares = list(probabilities[key].values())
            dropped = sorted(range(len(left)), key=lambda at: shares[at])[: self._num_to_drop]
            gone = {left[at] for at in dropped}
            switches[key] = [is_kept and position not in gone for position, is_kept in enumerate(kept)]
        return switches

    def export(self) -> dict[str, Any]:
        """Return the best architecture: masks over all candidates of the model, False for those that were dropped."""
        exported = super().export()
        for key, kept in self.switches.items():
            if key in exported:
                mask = torch.tensor(kept)
                mask[mask.clone()] = exported[key]
                exported[key] = mask
        return exported


class PdartsTrainer(BaseTrainer):
    """Searches with DARTS in stages. Each stage has a deeper model, without the least probable candidates so far.

    Candidates are dropped by the keys of their choices, so that the models of all stages need the same keys. Choices
    between inputs keep all of their candidates.

    Args:
        model_creator: Returns the model with a number of layers, the loss, the optimizer, and a scheduler of the
            learning rate or None.
        init_layers: The number of layers of the first stage.
        metrics: Computes a dict of metrics from output and target.
        num_epochs: The number of epochs of each stage.
        dataset_train: Pairs of input and target; one half for the weights, the other for the architecture.
        dataset_valid: Pairs of input and target, for validation.
        pdarts_num_layers: For each stage, how many layers it has beyond ``init_layers``.
        pdarts_num_to_drop: For each stage, how many candidates of each choice are dropped after it.
        mutator: Has to be None: each stage makes its own.
        batch_size: The number of samples of a batch.
        workers: The number of processes that load data.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        callbacks: Callbacks for which a stage is an epoch.
        unrolled: Whether the gradient of the architecture is of second order.
        arc_learning_rate: The learning rate of the architecture.
        checkpoint_file: Where the training is saved: each stage has a file, with ``_stage0`` and so on before the
            suffix. The same script, run again, goes on after the last finished epoch.

    Attributes:
        mutator: The mutator of the current stage.
        trainer: The `DartsTrainer` of the current stage.

    Raises:
        ConfigError: The numbers of stages differ, or a mutator was given.

    Reference:
        P-DARTS (Chen et al., 2019), arXiv:1904.12760, section 3.2: search space approximation. Deviations: section 3.3,
        the dropout after skip connections and the limit of their number, is left to the model; the epochs at the
        beginning of a stage in which only weights learn are left out.
    """

    def __init__(
        self,
        model_creator: ModelCreator,
        init_layers: int,
        metrics: Callable[[Any, Any], Mapping[str, Any]],
        num_epochs: int,
        dataset_train: Dataset[Any],
        dataset_valid: Dataset[Any],
        pdarts_num_layers: Sequence[int] = (0, 6, 12),
        pdarts_num_to_drop: Sequence[int] = (3, 2, 1),
        mutator: None = None,
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        callbacks: Sequence[Callback] | None = None,
        unrolled: bool = False,
        *,
        arc_learning_rate: float = 3.0e-4,
        checkpoint_file: str | os.PathLike[str] | None = None,
    ) -> None:
        if mutator is not None or len(pdarts_num_layers) != len(pdarts_num_to_drop):
            raise ConfigError(
                f"PdartsTrainer has mutator={mutator!r}, {len(pdarts_num_layers)} numbers of layers and "
                f"{len(pdarts_num_to_drop)} numbers of candidates to drop, expected no mutator, and both numbers for "
                "each stage."
            )
        self.model_creator = model_creator
        self.init_layers = init_layers
        self.pdarts_num_layers = list(pdarts_num_layers)
        self.pdarts_num_to_drop = list(pdarts_num_to_drop)
        self.callbacks = list(callbacks or [])
        self.checkpoint_file = checkpoint_file
        self._options: dict[str, Any] = {
            "metrics": metrics,
            "num_epochs": num_epochs,
            "dataset_train": dataset_train,
            "dataset_valid": dataset_valid,
            "batch_size": batch_size,
            "workers": workers,
            "device": device,
            "log_frequency": log_frequency,
            "unrolled": unrolled,
            "arc_learning_rate": arc_learning_rate,
        }
        self._current: tuple[PdartsMutator, DartsTrainer] | None = None

    @property
    def mutator(self) -> PdartsMutator:
        """The mutator of the current stage."""
        return self._started()[0]

    @property
    def trainer(self) -> DartsTrainer:
        """The trainer of the current stage."""
        return self._started()[1]

    def train(self) -> None:
        """Train all stages."""
        switches: dict[str, list[bool]] | None = None
        for stage in range(len(self.pdarts_num_layers)):
            mutator, trainer = self._current = self._stage(stage, switches)
            for callback in self.callbacks:
                callback.build(trainer.model, mutator, self)
                callback.on_epoch_begin(stage)
            _logger.info("Stage %d of %d", stage + 1, len(self.pdarts_num_layers))
            trainer.train()
            switches = mutator.drop_paths()
            for callback in self.callbacks:
                callback.on_epoch_end(stage)

    def _stage(self, stage: int, switches: Switches | None) -> tuple[PdartsMutator, DartsTrainer]:
        layers = self.init_layers + self.pdarts_num_layers[stage]
        model, criterion, optimizer, scheduler = self.model_creator(layers)
        mutator = PdartsMutator(model, stage, self.pdarts_num_to_drop, switches)
        file = None if self.checkpoint_file is None else Path(self.checkpoint_file)
        trainer = DartsTrainer(
            model,
            criterion,
            optimizer=optimizer,
            mutator=mutator,
            callbacks=[] if scheduler is None else [LRSchedulerCallback(scheduler)],
            checkpoint_file=None if file is None else file.with_name(f"{file.stem}_stage{stage}{file.suffix}"),
            **self._options,
        )
        return mutator, trainer

    def validate(self) -> None:
        """Measure the mixture of the current stage on the validation data."""
        self.trainer.validate()

    def export(self, file: str | os.PathLike[str]) -> None:
        """Write the best architecture of the current stage to a JSON file, for `apply_fixed_architecture`."""
        self.trainer.export(file)

    def checkpoint(self, file: str | os.PathLike[str]) -> None:
        """Write the state of the current stage, see `Trainer.checkpoint`."""
        self.trainer.checkpoint(file)

    def _started(self) -> tuple[PdartsMutator, DartsTrainer]:
        if self._current is None:
            raise SearchError("The first stage has not begun. Call train() first.")
        return self._current
