"""`OneShotPlan`: a supernet is trained and searched, then subnets are measured with the weights that they inherit.

::

    evaluator.train_supernet -> store.write_epoch, ... -> supernet.pt -> trials of subnets, as in every experiment

Strategies that learn which architecture is best have one such trial; after `RandomOneShot`, a multi-trial strategy
proposes them.
"""

from __future__ import annotations

from contextlib import nullcontext

from retiarii.errors import ConfigError
from retiarii.evaluator import SupernetTraining, output_to, seed_everything
from retiarii.execution import InProcessExecutor
from retiarii.experiment._control.callbacks import CallbackList
from retiarii.experiment._control.stop_signal import Ending
from retiarii.experiment._displays.supernet_display import SupernetDisplay
from retiarii.experiment._running.make_engine import joint_space, make_engine
from retiarii.experiment._running.plan import Plan
from retiarii.experiment._running.session import Session
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.experiment._stored_objects.signed_payload import Payload
from retiarii.experiment.pytorch._subnet_task import SubnetTask
from retiarii.experiment.pytorch._supernet_file import CHECKPOINT, SUPERNET_FOLDER, load_supernet, save_supernet
from retiarii.experiment.pytorch._supernet_progress import StoppedAtOnceError, SupernetProgress
from retiarii.oneshot import OneShotSearch, OneShotStrategy
from retiarii.space import Searchable, SearchSpace
from retiarii.strategy import Given, GridSearch, RegularizedEvolution, Search, Strategy

MAX_SUBNETS = 100
"""How many subnets a second phase evaluates where ``max_trial_number`` is not set."""

_WITHOUT_EFFECT = {
    "max_trial_duration": "max_experiment_duration limits the training of the supernet",
    "trial_memory_limit": "the supernet is trained in this process",
    "trial_gpu_number": "the evaluator's trainer says where it trains: accelerator=..., devices=...",
}


class OneShotPlan(Plan):
    """The plan of a one-shot strategy, which searches while the user's evaluator trains a supernet.

    Args:
        payload: The user's objects.
        config: The settings.

    Raises:
        ConfigError: Settings or objects do not go with the strategy.
    """

    is_in_process = True

    def __init__(self, payload: Payload, config: RetiariiExeConfig) -> None:
        assert isinstance(payload.strategy, OneShotStrategy)  # make_plan chose this class by it
        self._payload, self._strategy = payload, payload.strategy
        _check_settings(payload, self._strategy, config)
        engine = make_engine(payload.base_model, payload.mutators, config, payload.evaluator)
        self.space = joint_space(engine, payload.evaluator)

    def search(self, session: Session) -> Ending:
        """Train the supernet, then measure the found architecture, or search among the subnets."""
        record = session.record
        seed_everything(record.seed)  # of the weights
        search = self._strategy.search(self._payload.base_model, seed=record.seed)
        ended_early = self._train(search, session)
        if ended_early is Ending.STOPPED:
            CallbackList(session.callbacks).on_experiment_end(ended_early)
            return ended_early
        keeps_files = session.config.keep_checkpoints > 0
        task = SubnetTask(search.supernet, self._payload.evaluator, session.trial_files, keeps_files=keeps_files)
        executor = InProcessExecutor(task)
        if search.names_best:
            found = self._measuring(search, session)
            ending = session.run_trials(
                found, executor, total=None, is_timed=False, when_exhausted=ended_early or Ending.FOUND
            )
            search.warn_if_undecided()
            return ending
        max_trials = session.config.max_trial_number or MAX_SUBNETS
        strategy = self._strategy.second_phase or _default_second_phase(search.space, max_trials)
        assert isinstance(strategy, Strategy)  # checked before
        second = strategy.search(search.space, seed=record.seed, objectives=record.objectives)
        return session.run_trials(second, executor, total=search.space.size, max_trials=max_trials)

    def _measuring(self, search: OneShotSearch, session: Session) -> Search:
        """Return the search that measures the found architecture, unless it was the last one measured.

        More training after a resume may have found another architecture.
        """
        found = self.space.architecture(search.export())
        asked = [proposal.architecture for proposal in session.store.load_log(session.record.id).asked]
        given = asked if asked and asked[-1] == found else [*asked, found]
        return Given(given).search(self.space, objectives=session.record.objectives)

    def _train(self, search: OneShotSearch, session: Session) -> Ending | None:
        """Train the supernet, or continue its training; return the reason of an early end, or None."""
        folder = session.folder / SUPERNET_FOLDER
        folder.mkdir(exist_ok=True)
        is_complete = load_supernet(folder, search)
        if is_complete:
            return None
        if is_complete is not None and session.clock.is_up:
            return Ending.MAX_DURATION
        record = session.record
        with _display(session) or nullcontext() as display:
            callbacks = session.callbacks if display is None else (display, *session.callbacks)
            progress = SupernetProgress(
                session.store,
                record.id,
                callback=CallbackList(callbacks),
                stop=session.stop,
                clock=session.clock,
                display=display,
            )
            training = SupernetTraining(progress, record.seed, record.direction, folder / CHECKPOINT)
            try:
                with output_to(folder):
                    self._payload.evaluator.train_supernet(search, training)
            except StoppedAtOnceError:
                return Ending.STOPPED
        if progress.ending is not Ending.STOPPED:
            save_supernet(folder, search, is_complete=progress.ending is None)
        return progress.ending


def _display(session: Session) -> SupernetDisplay | None:
    if session.config.progress is False:
        return None
    display = SupernetDisplay(session.title)

    def answer(count: int) -> None:
        again = "the next Ctrl-C stops at once, and a resume trains this epoch anew."
        display.notify(f"Stopping after this epoch; {again}" if count == 1 else session.answer(count))

    session.stop.on_request = answer
    return display


def _check_settings(payload: Payload, strategy: OneShotStrategy, config: RetiariiExeConfig) -> None:
    name = type(strategy).__name__
    if isinstance(payload.base_model, SearchSpace):
        raise ConfigError(
            f"base_model is a bare search space, and {name} needs a model with choices, of which it makes a supernet. "
            "Use a multi-trial strategy, for example retiarii.strategy.Random()."
        )
    if isinstance(payload.base_model, Searchable):
        raise ConfigError(
            f"base_model is {payload.base_model!r}, and {name} makes supernets of PyTorch models only. Use a "
            "multi-trial strategy, for example retiarii.strategy.RegularizedEvolution()."
        )
    if config.execution_engine not in ("py", "oneshot"):
        raise ConfigError(
            f"execution_engine is {config.execution_engine!r}, but {name} is a one-shot strategy, which has an "
            "engine of its own. Use 'oneshot', or leave it out."
        )
    if config.training_service.platform == "simulated":
        raise ConfigError(
            f"The platform is 'simulated', but {name} trains a supernet, which takes real time. Use 'local', or a "
            "multi-trial strategy with an evaluator of a benchmark."
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


def _default_second_phase(space: SearchSpace, max_trials: int) -> Strategy:
    if space.size <= max_trials:
        return GridSearch()
    return RegularizedEvolution(population_size=min(20, max_trials), sample_size=min(5, max_trials))
