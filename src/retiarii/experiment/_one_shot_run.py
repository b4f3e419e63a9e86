"""`OneShotRun`: a supernet is trained and searched, then subnets are measured with the weights that they inherit.

::

    evaluator.train_supernet -> store.write_epoch, ... -> supernet.pt -> trials of subnets, as in every experiment

Strategies that learn which architecture is best have one such trial; after `RandomOneShot`, a multi-trial strategy
proposes them.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from retiarii.errors import ConfigError
from retiarii.evaluator import SupernetTraining, output_to, seed_everything
from retiarii.execution import InProcessExecutor
from retiarii.experiment._callbacks import CallbackList
from retiarii.experiment._found import FoundSearch
from retiarii.experiment._loop import Ending
from retiarii.experiment._run import ExperimentRun
from retiarii.experiment._subnet_task import SubnetTask
from retiarii.experiment._supernet_file import CHECKPOINT, SUPERNET_FOLDER, load_supernet, save_supernet
from retiarii.experiment._supernet_listener import StoppedAtOnceError, SupernetProgress
from retiarii.experiment._supernet_progress import SupernetDisplay
from retiarii.oneshot import OneShotSearch, OneShotStrategy
from retiarii.space import SearchSpace
from retiarii.strategy import GridSearch, RegularizedEvolution, Strategy

MAX_SUBNETS = 100
"""How many subnets a second phase evaluates where ``max_trial_number`` is not set."""

_WITHOUT_EFFECT = {
    "max_trial_duration": "max_experiment_duration limits the training of the supernet",
    "trial_memory_limit": "the supernet is trained in this process",
    "trial_gpu_number": "the evaluator's trainer says where it trains: accelerator=..., devices=...",
}


class OneShotRun(ExperimentRun):
    """One run of an experiment with a one-shot strategy."""

    def _check_settings(self) -> None:
        config, payload, strategy = self._config, self._payload, self._strategy
        name = type(strategy).__name__
        if config.execution_engine not in ("py", "oneshot"):
            raise ConfigError(
                f"execution_engine is {config.execution_engine!r}, but {name} is a one-shot strategy, which has an "
                "engine of its own. Use 'oneshot', or leave it out."
            )
        if payload.mutators:
            raise ConfigError(
                f"{name} cannot search mutators: a one-shot strategy needs the choices in the model's code. Write "
                "them as LayerChoice, InputChoice, ValueChoice, ...; or use a multi-trial strategy."
            )
        labels = [choice.label for choice in payload.evaluator.search_space]
        if labels:
            raise ConfigError(
                f"The evaluator has choices of its own ({', '.join(labels)}), and {name} trains all architectures at "
                "once with one evaluator. Give these arguments values, or use a multi-trial strategy."
            )
        if strategy.second_phase is not None and not isinstance(strategy.second_phase, Strategy):
            raise ConfigError(
                f"second_phase is {strategy.second_phase!r}, expected a multi-trial strategy, for example "
                "retiarii.strategy.RegularizedEvolution()."
            )
        useless = [f"{setting} ({why})" for setting, why in _WITHOUT_EFFECT.items() if getattr(config, setting)]
        if useless:
            raise ConfigError(f"Settings without effect under {name}: {'; '.join(useless)}. Leave them out.")

    @property
    def _is_in_process(self) -> bool:
        return True

    def _search(self) -> Ending:
        seed_everything(self.record.seed)  # of the weights
        search = self._strategy.search(self._payload.base_model, seed=self.record.seed)
        ended_early = self._train(search)
        if ended_early is Ending.STOPPED:
            CallbackList(self._callbacks).on_experiment_end(ended_early)
            return ended_early
        keeps_files = self._config.keep_checkpoints > 0
        task = SubnetTask(search.supernet, self._payload.evaluator, self._trial_files(), keeps_files=keeps_files)
        executor = InProcessExecutor(task)
        if search.names_best:
            found = FoundSearch(self._space, search.export(), objectives=self.record.objectives)
            ending = self._run_trials(
                found, executor, total=None, is_timed=False, when_exhausted=ended_early or Ending.FOUND
            )
            search.warn_if_undecided()
            return ending
        max_trials = self._config.max_trial_number or MAX_SUBNETS
        strategy = self._strategy.second_phase or _default_second_phase(search.space, max_trials)
        assert isinstance(strategy, Strategy)  # checked before
        second = strategy.search(search.space, seed=self.record.seed, objectives=self.record.objectives)
        return self._run_trials(second, executor, total=search.space.size, max_trials=max_trials)

    def _train(self, search: OneShotSearch) -> Ending | None:
        """Train the supernet, or what is left to train; return why it ended early, if it did."""
        folder = self._folder / SUPERNET_FOLDER
        folder.mkdir(exist_ok=True)
        is_complete = load_supernet(folder, search)
        if is_complete:
            return None
        if is_complete is not None and self._clock.is_up:
            return Ending.MAX_DURATION
        with self._display() or nullcontext() as display:
            callbacks = self._callbacks if display is None else (display, *self._callbacks)
            progress = SupernetProgress(
                self._store,
                self.record.id,
                callback=CallbackList(callbacks),
                stop=self.stop,
                clock=self._clock,
                display=display,
            )
            training = SupernetTraining(progress, self.record.seed, self.record.direction, folder / CHECKPOINT)
            try:
                with output_to(folder):
                    self._payload.evaluator.train_supernet(search, training)
            except StoppedAtOnceError:
                return Ending.STOPPED
        if progress.ending is not Ending.STOPPED:
            save_supernet(folder, search, is_complete=progress.ending is None)
        return progress.ending

    def _display(self) -> SupernetDisplay | None:
        if self._config.progress is False:
            return None
        display = SupernetDisplay(f"{self.record.name} ({self.record.id})")

        def answer(count: int) -> None:
            again = "Ctrl-C again stops at once, and a resume trains this epoch anew."
            display.notify(f"Stopping after this epoch; {again}" if count == 1 else self._answer(count))

        self.stop.on_request = answer
        return display

    @property
    def _folder(self) -> Path:
        return self._store.directory(self.record.id)

    @property
    def _strategy(self) -> OneShotStrategy:
        strategy = self._payload.strategy
        assert isinstance(strategy, OneShotStrategy)  # RetiariiExperiment chose this class by it
        return strategy


def _default_second_phase(space: SearchSpace, max_trials: int) -> Strategy:
    if space.size <= max_trials:
        return GridSearch()
    return RegularizedEvolution(population_size=min(20, max_trials), sample_size=min(5, max_trials))
