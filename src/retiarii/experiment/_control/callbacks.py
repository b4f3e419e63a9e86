"""`Callback`: the hooks that an experiment calls while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from retiarii.trial import Metrics, Trial

if TYPE_CHECKING:
    from retiarii.experiment._control.stop_signal import Ending
    from retiarii.storage import EpochRecord, ExperimentRecord


class Callback:
    """The base class of callbacks: hooks that the experiment loop calls, in its process and thread.

    Override the hooks that you need. An exception in a hook stops the experiment, which can be resumed, and reaches the
    caller of ``run``. Calling ``experiment.stop()`` in a hook ends the search after the running trials.
    """

    def on_run_start(self, experiment: ExperimentRecord) -> None:
        """Called first, before a supernet is trained and before any trial, in a resume too.

        Args:
            experiment: The experiment, with its id, name, objectives, settings and space.
        """

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Called before the first trial; ``trials`` are the finished trials of a resumed experiment."""

    def on_trial_start(self, trial: Trial) -> None:
        """Called when a trial has been submitted to the executor."""

    def on_intermediate(self, trial: Trial, metrics: Metrics) -> None:
        """Called when a running trial reported an intermediate result, the last of ``trial.intermediates``."""

    def should_prune(self, trial: Trial) -> str | None:
        """Decide whether to prune a running trial, after each intermediate result.

        If a callback overrides this method, trials wait for the answer.

        Args:
            trial: The running trial; ``trial.intermediates`` end with the new result.

        Returns:
            The reason to prune the trial; None to continue it.
        """
        return None

    def on_trial_end(self, trial: Trial) -> None:
        """Called when a trial has ended, is stored, and was told to the strategy.

        Trials on a simulated clock are stored in groups, perhaps a moment later.
        """

    def on_experiment_end(self, ending: Ending) -> None:
        """Called at the end, when no trial is running any more."""

    def on_supernet_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """Called before the supernet of a one-shot strategy is trained, and before any trial.

        Args:
            first_epoch: The number of the first epoch, larger than 0 in a resumed experiment.
            num_epochs: The total number of epochs; None if something else ends the training.
        """

    def on_supernet_epoch(self, epoch: EpochRecord) -> None:
        """Called after each epoch of the supernet, when its record is stored."""

    def on_run_end(self, error: BaseException | None) -> None:
        """Called last, after an error too; the place to close files and connections.

        Args:
            error: The exception that ends the run; None if there is none.
        """


class CallbackList(Callback):
    """A callback that forwards to several callbacks, in order."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = tuple(callbacks)
        self._judges = [callback for callback in self._callbacks if _judges(callback)]

    @property
    def prunes(self) -> bool:
        """Whether any callback overrides `should_prune`."""
        return bool(self._judges)

    def should_prune(self, trial: Trial) -> str | None:
        """Return the first reason that a callback returns."""
        return next((reason for judge in self._judges if (reason := judge.should_prune(trial)) is not None), None)

    def on_run_start(self, experiment: ExperimentRecord) -> None:
        """Forward to every callback."""
        for callback in self._callbacks:
            callback.on_run_start(experiment)

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

    def on_run_end(self, error: BaseException | None) -> None:
        """Forward to every callback, also if one of them raises."""
        with ExitStack() as stack:
            for callback in reversed(self._callbacks):
                stack.callback(callback.on_run_end, error)


def _judges(callback: Callback) -> bool:
    return type(callback).should_prune is not Callback.should_prune
