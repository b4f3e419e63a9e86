"""`SearchCallback`: Lightning drives a search, and the user's module stays as it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from retiarii.errors import ConfigError, MissingExtraError
from retiarii.oneshot._drivers.lightning_steps import BatchStatistics, collected_logs, loss_of, loss_scale, reward_of
from retiarii.oneshot._drivers.loaders import Cycle, shared_out
from retiarii.oneshot._searches.one_shot_search import OneShotSearch
from retiarii.oneshot._searches.search_record import SearchRecord

try:
    import pytorch_lightning
    from pytorch_lightning.strategies import DDPStrategy
except ModuleNotFoundError as err:
    if err.name != "pytorch_lightning":
        raise  # installed but broken: its own message says more
    raise MissingExtraError(
        "One-shot search inside Lightning needs pytorch_lightning, which is not installed. Install it with: "
        "pip install 'retiarii[lightning]'"
    ) from err


class SearchCallback(pytorch_lightning.Callback):
    """Searches while Lightning trains the supernet.

    The module's training step trains the weights: Lightning calls it as always, so that optimizers, schedulers,
    callbacks, precision, accumulation and clipping are those of the module and the trainer. Before each step the
    callback lets the architecture learn from a validation batch, through the same training step; where the search
    learns from rewards, after each epoch, through the validation step. Logging is off in these steps.
    Validation runs as always, on what `OneShotSearch.reset_for_validation` chooses, where batch normalisation uses the
    statistics of the batch if that is a single path.

    The state of the search is part of the trainer's checkpoints.

    Args:
        search: The running search, whose ``supernet.module`` is the model of the Lightning module.
        arch_dataloaders: Batches for the architecture, repeated as often as needed; a loader or a list of loaders. Not
            needed by searches whose phase is "none".
        on_record: Called after each epoch, in the main process.
        reward_metric_name: The metric that is the reward, if the strategy does not name it.
        smaller_is_better: Whether the reward is the negative of that metric.

    Attributes:
        history: The records of all epochs so far.

    Raises:
        ConfigError: The search needs batches for the architecture.
    """

    def __init__(
        self,
        search: OneShotSearch,
        arch_dataloaders: Any = None,
        *,
        on_record: Callable[[SearchRecord], None] | None = None,
        reward_metric_name: str | None = None,
        smaller_is_better: bool = False,
    ) -> None:
        if arch_dataloaders is None and search.phase != "none":
            raise ConfigError(
                "This strategy learns the architecture from validation batches, but there are none. Give both "
                "training and validation data; split_loader makes two loaders of one."
            )
        self.search = search
        self.history: list[SearchRecord] = []
        self._loaders = arch_dataloaders
        self._on_record = on_record
        self._sign = -1.0 if smaller_is_better else 1.0
        self._reward_metric_name = search.hints.reward_metric_name or reward_metric_name
        self._batches: Cycle | None = None
        self._start: int | dict[str, Any] = 0
        self._statistics: BatchStatistics | None = None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Check the trainer.

        Raises:
            ConfigError: Several processes train single paths, and the trainer's strategy does not allow unused weights;
                or the module uses manual optimization, and the search needs its loss.
        """
        if self.search.phase == "step" and not pl_module.automatic_optimization:
            raise ConfigError(
                f"{type(pl_module).__name__} uses manual optimization (automatic_optimization=False), but this "
                "strategy learns from the loss that training_step returns, before any backward pass or optimizer step. "
                "Use automatic optimization, a strategy that needs no such loss (RandomOneShot, ENAS), or a loop of "
                "your own around architecture_step of the search."
            )
        strategy = trainer.strategy
        finds_unused = getattr(strategy, "_ddp_kwargs", {}).get("find_unused_parameters", False)
        if isinstance(strategy, DDPStrategy) and trainer.world_size > 1 and not finds_unused:
            raise ConfigError(
                "In one-shot search not every weight takes part in every step, which the trainer's strategy does not "
                "expect. Use Trainer(strategy='ddp_find_unused_parameters_true')."
            )
        clip = self.search.hints.gradient_clip_val
        if clip is not None and trainer.gradient_clip_val is None:
            trainer.gradient_clip_val = clip

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin with the batches for the architecture."""
        if self._loaders is not None:
            self._batches = Cycle(_Chain(self._loaders), start=self._start)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Enter the epoch of the search."""
        self.search.begin_epoch(trainer.current_epoch, max(trainer.max_epochs or 0, 0))

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Let the architecture learn, and set the supernet for the weight step."""
        if self.search.phase == "step" and self.search.is_learning and self._batches is not None:
            val_batch = _moved(next(self._batches), trainer, pl_module)
            with collected_logs(pl_module), trainer.precision_plugin.train_step_context():
                self.search.architecture_step(
                    lambda: loss_of(pl_module.training_step(val_batch, batch_idx)),
                    train_loss=lambda: loss_of(pl_module.training_step(batch, batch_idx)),
                    optimizer=trainer.optimizers[0] if trainer.optimizers else None,
                    scale=loss_scale(trainer),
                )
        self.search.reset()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Let a controller learn, and record the epoch."""
        if self.search.phase == "epoch" and self.search.is_learning:
            self._learn_from_rewards(trainer, pl_module)
        record = self.search.record()
        self.history.append(record)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics(record.scalars(), step=trainer.global_step)
            if self._on_record is not None:
                self._on_record(record)

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Set the supernet for validation."""
        self.search.reset_for_validation()
        is_path = all(decision.weights is None for decision in self.search.supernet.decisions.values())
        if is_path and self._statistics is None:
            self._statistics = BatchStatistics(self.search.supernet.module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Go back to running statistics."""
        if self._statistics is not None:
            self._statistics.end()
            self._statistics = None

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the search, as tensors and plain data."""
        return {
            "search": self.search.state_dict(),
            "history": [record.to_json() for record in self.history],
            "batches": None if self._batches is None else self._batches.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint."""
        self.search.load_state_dict(state_dict["search"])
        self.history = [SearchRecord.from_json(record) for record in state_dict["history"]]
        self._start = state_dict["batches"] or 0

    def _learn_from_rewards(self, trainer: Any, pl_module: Any) -> None:
        num_steps = self.search.hints.steps_per_epoch
        assert self._loaders is not None  # checked in the constructor
        batches: Iterable[Any] = (
            _Chain(self._loaders) if num_steps is None else itertools.islice(self._batches or (), num_steps)
        )
        for batch_idx, batch in enumerate(batches):
            moved = _moved(batch, trainer, pl_module)
            self.search.architecture_step(lambda at=batch_idx, batch=moved: self._reward(trainer, pl_module, batch, at))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults

    def _reward(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> float:
        with collected_logs(pl_module) as logged, trainer.precision_plugin.val_step_context(), torch.no_grad():
            pl_module.on_validation_epoch_start()
            pl_module.validation_step(batch, batch_idx)
            pl_module.on_validation_epoch_end()  # where metrics over several batches are logged
            return self._sign * reward_of(logged, self._reward_metric_name)


def _moved(batch: Any, trainer: Any, pl_module: Any) -> Any:
    """Bring a batch to the device, through the hooks of the module."""
    return trainer.strategy.batch_to_device(pl_module.on_before_batch_transfer(batch, 0), dataloader_idx=0)


class _Chain:
    """The batches of one loader, or of several one after the other; each process gets its share."""

    def __init__(self, loaders: Any) -> None:
        self._loaders = [
            shared_out(loader) for loader in (loaders if isinstance(loaders, (list, tuple)) else [loaders])
        ]
        self.sampler = getattr(self._loaders[0], "sampler", None)

    def __len__(self) -> int:
        return sum(len(loader) for loader in self._loaders)

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self._loaders)


def join_search(
    search: OneShotSearch, module: Any, trainer: Any, arch_dataloaders: Any, **options: Any
) -> SearchCallback:
    """Give a Lightning module its supernet, and a trainer the callback that searches it, before all others.

    Args:
        search: The running search.
        module: Its ``self.model`` becomes the supernet's module, through ``set_model`` if it has one.
        trainer: A trainer that was not used yet.
        arch_dataloaders: Batches for the architecture.
        **options: Further arguments of `SearchCallback`.

    Raises:
        ConfigError: The search needs batches for the architecture.
    """
    if hasattr(module, "set_model"):
        module.set_model(search.supernet.module)
    else:
        module.model = search.supernet.module
    callback = SearchCallback(search, arch_dataloaders, **options)
    trainer.callbacks.insert(0, callback)
    return callback


def fit_supernet(
    search: OneShotSearch,
    module: Any,
    trainer: Any,
    train_dataloaders: Any,
    val_dataloaders: Any = None,
    *,
    arch_dataloaders: Any = None,
    on_record: Callable[[SearchRecord], None] | None = None,
    reward_metric_name: str | None = None,
    smaller_is_better: bool = False,
    **fit_kwargs: Any,
) -> SearchCallback:
    """Train and search a supernet with a Lightning module and trainer.

    Args:
        search: The running search.
        module: The user's Lightning module. Its ``self.model`` becomes the supernet's module, through ``set_model``
            if it has one.
        trainer: A trainer that was not used yet; it gets one more callback.
        train_dataloaders: Batches for the weights.
        val_dataloaders: Batches for validation, and for the architecture if there are no others.
        arch_dataloaders: Batches for the architecture.
        on_record: Called after each epoch, in the main process.
        reward_metric_name: The metric that is the reward, if the strategy does not name it.
        smaller_is_better: Whether the reward is the negative of that metric.
        **fit_kwargs: Further arguments of ``Trainer.fit``, for example ``ckpt_path``.

    Returns:
        The callback, whose ``history`` has the records of all epochs.

    Raises:
        ConfigError: The search needs batches for the architecture, or the trainer cannot do what it asks.
    """
    batches = val_dataloaders if arch_dataloaders is None else arch_dataloaders
    callback = join_search(
        search,
        module,
        trainer,
        batches,
        on_record=on_record,
        reward_metric_name=reward_metric_name,
        smaller_is_better=smaller_is_better,
    )
    trainer.fit(module, train_dataloaders, val_dataloaders, **fit_kwargs)
    if trainer.is_global_zero and not trainer.interrupted:
        search.warn_if_undecided()
    return callback
