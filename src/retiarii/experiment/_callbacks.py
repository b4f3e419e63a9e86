"""`Callback`: what happens in an experiment, told to whoever wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from retiarii.trial import Metrics, Trial

if TYPE_CHECKING:
    from retiarii.experiment._stop import Ending
    from retiarii.storage import EpochRecord


class Callback:
    """Hooks that the experiment loop calls, in the process and thread that runs it; override the ones you need.

    A hook that raises stops the experiment (it stays resumable) and its exception reaches the caller of ``run``.
    Calling ``experiment.stop()`` in a hook ends the search after the trials that are running.
    """

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Trials begin; ``trials`` are the finished ones of an experiment that is resumed, else none."""

    def on_trial_start(self, trial: Trial) -> None:
        """A trial has been handed to the executor."""

    def on_intermediate(self, trial: Trial, metrics: Metrics) -> None:
        """A running trial reported an intermediate result, the last one of ``trial.intermediates``."""

    def should_prune(self, trial: Trial) -> str | None:
        """Judge a running trial that has just reported an intermediate result.

        Trials wait for the answer where a callback overrides this.

        Args:
            trial: It runs; ``trial.intermediates`` end with the new result.

        Returns:
            The reason to end it now, as pruned; None to let it go on.
        """
        return None

    def on_trial_end(self, trial: Trial) -> None:
        """A trial is finished and stored, and the strategy has been told."""

    def on_experiment_end(self, ending: Ending) -> None:
        """No trial is running any more."""

    def on_supernet_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """The supernet of a one-shot strategy is about to be trained, before any trial.

        Args:
            first_epoch: Larger than 0 in an experiment that is resumed.
            num_epochs: In all; None where something else ends the training.
        """

    def on_supernet_epoch(self, epoch: EpochRecord) -> None:
        """The supernet was trained for one more epoch, and its record is stored."""


class CallbackList(Callback):
    """Several callbacks as one, called in order."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = tuple(callbacks)
        self._judges = [callback for callback in self._callbacks if _judges(callback)]

    @property
    def prunes(self) -> bool:
        """Whether any of them judges running trials."""
        return bool(self._judges)

    def should_prune(self, trial: Trial) -> str | None:
        """Return the first reason that one of them gives."""
        return next((reason for judge in self._judges if (reason := judge.should_prune(trial)) is not None), None)

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Forward to every callback."""
        for callback in self._callbacks:
            callback.on_experiment_start(trials)

    def on_trial_start(self, trial: Trial) -> None:
        """Forward to every callback."""
        for callback in self._callbacks:
            callback.on_trial_start(trial)

    def on_intermediate(self, trial: Trial, metrics: Metrics) -> None:
        """Forward to every callback."""
        for callback in self._callbacks:
            callback.on_intermediate(trial, metrics)

    def on_trial_end(self, trial: Trial) -> None:
        """Forward to every callback."""
        for callback in self._callbacks:
            callback.on_trial_end(trial)

    def on_experiment_end(self, ending: Ending) -> None:
        """Forward to every callback."""
        for callback in self._callbacks:
            callback.on_experiment_end(ending)

    def on_supernet_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """Forward to every callback."""
        for callback in self._callbacks:
            callback.on_supernet_start(first_epoch, num_epochs)

    def on_supernet_epoch(self, epoch: EpochRecord) -> None:
        """Forward to every callback."""
        for callback in self._callbacks:
            callback.on_supernet_epoch(epoch)


def _judges(callback: Callback) -> bool:
    return type(callback).should_prune is not Callback.should_prune
