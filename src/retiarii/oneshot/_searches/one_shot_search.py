"""`OneShotSearch`: a running one-shot search, independent of the training loop."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import Tensor, optim

from retiarii.errors import ConfigError
from retiarii.oneshot._searches.search_record import SearchRecord, entropy_of
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.space import Architecture, SearchSpace

logger = logging.getLogger(__name__)

Loss: TypeAlias = Callable[[], Tensor]
Phase: TypeAlias = Literal["none", "step", "epoch"]


@dataclass(frozen=True)
class DriverHints:
    """Settings of a strategy that the training loop has to follow.

    Attributes:
        steps_per_epoch: Architecture steps after each epoch, if they belong there; None is one per validation batch.
        reward_metric_name: The metric that is the reward; None is the only one, or "default".
        gradient_clip_val: Largest norm of the gradient of the weights; None leaves it to the driver.
    """

    steps_per_epoch: int | None = None
    reward_metric_name: str | None = None
    gradient_clip_val: float | None = None


class OneShotSearch(ABC):
    """A running search on a supernet.

    A driver trains the weights, and calls in turn::

        search.begin_epoch(epoch, num_epochs)
        for batch in train_batches:
            if search.phase == "step" and search.is_learning:
                search.architecture_step(...)      # on a validation batch
            search.reset()                         # sets the supernet for the next weight step
            loss(search.supernet(batch)).backward(), optimizer.step()
        # if search.phase == "epoch" and search.is_learning: architecture_step for validation batches
        record = search.record()
        # after the last epoch: search.warn_if_undecided()

    `SearchLoop` is such a driver, and `SearchCallback` lets Lightning be one. Everything random comes from the seed, on
    the CPU, so that processes with equal seeds set their supernets to the same at every step.

    Args:
        supernet: The supernet that is searched; the search sets its decisions.
        warmup_epochs: The number of epochs at the beginning in which only weights learn.
        hints: Settings for drivers.

    Attributes:
        supernet: The supernet.
        hints: Settings for drivers.
        epoch: The current epoch, from 0.
        num_epochs: The number of epochs in all; 0 before the first.
    """

    def __init__(self, supernet: Supernet, *, warmup_epochs: int = 0, hints: DriverHints = DriverHints()) -> None:
        self.supernet = supernet
        self.hints = hints
        self.epoch = 0
        self.num_epochs = 0
        self._warmup_epochs = warmup_epochs
        self._sampled: list[Architecture] = []
        self._is_said = False

    @property
    def phase(self) -> Phase:
        """When drivers call `architecture_step`: before each weight step, after each epoch, or never."""
        return "none"

    @property
    def learns_from(self) -> Literal["loss", "reward"]:
        """Whether the ``objective`` of `architecture_step` is a loss to minimize or a reward to maximize."""
        return "loss"

    @property
    def is_learning(self) -> bool:
        """Whether the warm-up is over."""
        return self.is_learning_in(self.epoch)

    def is_learning_in(self, epoch: int) -> bool:
        """Return whether the warm-up is over in an epoch."""
        return epoch >= self._warmup_epochs

    @property
    def temperature(self) -> float | None:
        """The temperature of the current epoch, for strategies that have one."""
        return None

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Enter an epoch and set what depends on it, such as a temperature.

        Args:
            epoch: Its number, from 0.
            num_epochs: The number of epochs in all.

        Raises:
            ConfigError: All epochs are warm-up, so that nothing would be learnt.
        """
        if 0 < num_epochs <= self._warmup_epochs:
            raise ConfigError(
                f"warmup_epochs={self._warmup_epochs} leaves none of the {num_epochs} epochs to learn the "
                "architecture. Use fewer, or train longer."
            )
        self.epoch = epoch
        self.num_epochs = num_epochs
        self._sampled.clear()

    @abstractmethod
    def reset(self) -> None:
        """Set the supernet to the path or mixture of the next weight step."""

    @abstractmethod
    def reset_for_validation(self) -> None:
        """Set the supernet to the path or mixture for the next validation batch."""

    @property
    def names_best(self) -> bool:
        """Whether `export` returns a learnt architecture; if not, a second search among the subnets finds the best."""
        return True

    @property
    def space(self) -> SearchSpace:
        """The space that is searched: the supernet's, perhaps with further constraints."""
        return self.supernet.space

    def architecture_step(
        self,
        objective: Callable[[], Any],
        *,
        train_loss: Loss | None = None,
        optimizer: optim.Optimizer | None = None,
        scale: float = 1.0,
    ) -> float | None:
        """Let the architecture learn from one validation batch. Weights and their gradients stay as they are.

        Args:
            objective: Computes the loss of the validation batch with the supernet as it is set by then, or the reward,
                see `learns_from`. It may be called several times.
            train_loss: Computes the loss of a training batch in the same way; second-order strategies need it.
            optimizer: The optimizer of the weights; second-order strategies imitate its next step.
            scale: Factor by which losses are multiplied before differentiation, for half precision.

        Returns:
            The loss or reward; None if the strategy learns nothing.
        """
        return None

    @abstractmethod
    def probabilities(self) -> dict[str, dict[Any, float]]:
        """Return, for each label, the probability of each value.

        A choice with too many subsets to list has the probability of each candidate, see `Decision.by_candidate`.
        """

    def entropies(self, probabilities: Mapping[str, Mapping[Any, float]]) -> dict[str, float]:
        """Return, for each label, the entropy of its distribution in nats.

        Args:
            probabilities: What `probabilities` returned. A choice with too many subsets to list is taken as independent
                decisions about its candidates; searches that know better override this.
        """
        decisions = self.supernet.decisions
        return {
            label: entropy_of(values.values())
            if label not in decisions or decisions[label].by_candidate is None
            else entropy_of(part for share in values.values() for part in (share, 1 - share))
            for label, values in probabilities.items()
        }

    @abstractmethod
    def export(self) -> Architecture:
        """Return the architecture that the search found best so far."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the state from which a search continues with the same numbers, without the weights of the supernet."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of `state_dict`, of the same strategy and space."""

    def _epoch_state(self) -> dict[str, Any]:
        """Return the part of the state that all searches share: epoch and sampled paths."""
        sampled = [architecture.to_json() for architecture in self._sampled]
        return {"epoch": self.epoch, "num_epochs": self.num_epochs, "sampled": sampled}

    def _load_epoch_state(self, state: Mapping[str, Any]) -> None:
        """Enter the epoch of a state.

        Raises:
            ConfigError: An epoch in it is not a whole number.
        """
        for name in ("epoch", "num_epochs"):
            if type(state[name]) is not int or state[name] < 0:
                raise ConfigError(f"The state of the search has {name}={state[name]!r}, expected a whole number.")
        self.begin_epoch(state["epoch"], state["num_epochs"])
        self._sampled = [Architecture.from_json(architecture) for architecture in state["sampled"]]

    def record(self) -> SearchRecord:
        """Return probabilities, entropies, temperature and sampled paths of the current epoch."""
        probabilities = self.probabilities()
        return SearchRecord(
            epoch=self.epoch,
            probabilities=probabilities,
            entropy=self.entropies(probabilities),
            temperature=self.temperature,
            sampled=tuple(self._sampled),
            is_learnt=self.names_best,
            num_values={
                label: int(decision.choice.cardinality)
                for label, decision in self.supernet.decisions.items()
                if label in probabilities and decision.by_candidate is not None
            },
        )

    def warn_if_undecided(self) -> None:
        """Log a warning if labels of the architecture that `export` returns are undecided; drivers call it at the end.

        It is logged once at most, and only by searches that learn probabilities.

        Raises:
            ConstraintError: As `export` does.
        """
        message = self.record().warning_about(self.export()) if self.names_best else None
        if message is not None and not self._is_said:
            self._is_said = True
            logger.warning(message)
