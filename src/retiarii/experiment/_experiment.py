"""`RetiariiExperiment`: from a model with choices in it to the best architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retiarii._lazy import LazyModule, is_a, load
from retiarii.errors import ConfigError, ExperimentError
from retiarii.evaluator import Evaluator
from retiarii.experiment import _arguments as arguments
from retiarii.experiment._background import Background
from retiarii.experiment._callbacks import Callback
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.experiment._export_architectures import best_trials, check_format, model_part, nothing_to_export
from retiarii.experiment._make_engine import joint_space, make_engine
from retiarii.experiment._stop import StopSignal
from retiarii.space import Engine, SearchSpace
from retiarii.trial import BaseStrategy, Trial, TrialState, hypervolume, pareto_front

if TYPE_CHECKING:
    from torch import nn

    from retiarii import storage as stores
    from retiarii.experiment import _run as runs
    from retiarii.experiment import _signed_payload as payloads
    from retiarii.graph import Mutator
    from retiarii.oneshot import SearchRecord, Supernet
    from retiarii.storage import ExperimentRecord, ExperimentState, Store
else:  # what is not needed before an experiment is made
    payloads, runs = LazyModule("retiarii.experiment._signed_payload"), LazyModule("retiarii.experiment._run")
    stores = LazyModule("retiarii.storage")

_ONE_SHOT = "retiarii.oneshot:OneShotStrategy"
_EXPORT = "retiarii.experiment.pytorch._export_networks"


class RetiariiExperiment:
    """One search: a model space, an evaluator, a strategy, and where the results are kept.

    ::

        experiment = RetiariiExperiment(Net(), evaluator, [], strategy.Random())
        config = RetiariiExeConfig("local")
        config.max_trial_number = 20
        experiment.run(config)
        best = experiment.export_top_models(formatter="dict")[0]
        with fixed_arch(best):
            model = Net()

    Args:
        base_model: An instance of the model with choices in it; or a bare `SearchSpace`, which needs no torch. What is
            evaluated are then the architectures themselves: with tables, commands, other frameworks, or as a search for
            hyper-parameters.
        evaluator: Trains and measures a model; a plain function becomes a `FunctionalEvaluator`. For a bare space, it
            measures an architecture.
        applied_mutators: Mutators on the model's graph, applied in this order; they work together with choices in
            the model's code.
        strategy: Proposes architectures, `strategy.Random()` if left out; or a one-shot strategy such as
            `strategy.DARTS()`, which trains all architectures at once, as a supernet, in this process.
        trainer: The older name of ``evaluator``.
        callbacks: Told what happens while the search runs.

    Attributes:
        id: The experiment's id, known before it runs. Run once more, it is another experiment with a new id.
        config: The settings of the last run.

    Raises:
        ConfigError: An argument is of the wrong kind.
    """

    def __init__(
        self,
        base_model: nn.Module | SearchSpace | None = None,
        evaluator: Evaluator | Callable[..., Any] | None = None,
        applied_mutators: Sequence[Mutator] | None = None,
        strategy: BaseStrategy | None = None,
        trainer: Evaluator | None = None,
        *,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.base_model = arguments.check_model(base_model)
        self.evaluator = arguments.check_evaluator(evaluator, trainer)
        self.strategy = arguments.check_strategy(strategy)
        self.applied_mutators = arguments.check_mutators(applied_mutators)
        self.callbacks = arguments.check_callbacks(callbacks)
        self.id = stores.new_experiment_id()
        self.config: RetiariiExeConfig | None = None
        self._store: Store | None = None
        self._stop: StopSignal | None = None
        self._background = Background()

    def run(self, config: RetiariiExeConfig | None = None, port: int = 8080, debug: bool = False) -> None:
        """Search until the budget, the strategy or the user ends it.

        After one ``Ctrl-C`` the running trials finish, and `run` returns as if the budget were spent: `state` is
        ``stopped``, and what follows in the script works on the trials that there are. A second one stops at once with
        a KeyboardInterrupt. Either way the experiment can be resumed, and the last line printed says by which command.

        Args:
            config: How to run; ``RetiariiExeConfig("local")`` if left out.
            port: For the web page, which this version does not have yet.
            debug: Log at debug level.

        Raises:
            ExperimentFailedError: Every trial failed; the message shows the most frequent reason.
            SerializationError: The model or the evaluator cannot travel to another process.
            ConfigError: A setting is impossible.
            KeyboardInterrupt: The user asked twice to stop.
        """
        arguments.check_port(port)
        self._prepare(config, debug).execute()

    def start(self, config: RetiariiExeConfig | None = None, port: int = 8080, debug: bool = False) -> None:
        """Do what `run` does in the background; `wait` waits for the end, and `stop` brings it about.

        Raises:
            ConfigError: A setting is impossible.
        """
        arguments.check_port(port)
        self._background.start(self._prepare(config, debug).execute, name=f"retiarii-{self.id}")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a search that `start` began; return whether it has ended.

        Raises:
            RetiariiError: What the search ended with, as `run` would have raised it.
        """
        return self._background.wait(timeout_s)

    def stop(self) -> None:
        """End the search: from a callback after the running trials, from elsewhere at once; it can be resumed."""
        if self._stop is None:
            return
        is_elsewhere = self._background.is_elsewhere
        self._stop.request(immediate=is_elsewhere)
        if is_elsewhere:
            self.wait()

    @classmethod
    def resume(
        cls,
        experiment_id: str,
        port: int = 8080,
        debug: bool = False,
        *,
        storage: str | Path | Store | None = None,
        base_model: nn.Module | SearchSpace | None = None,
        evaluator: Evaluator | None = None,
        strategy: BaseStrategy | None = None,
        applied_mutators: Sequence[Mutator] | None = None,
        callbacks: Sequence[Callback] = (),
        **changes: Any,
    ) -> RetiariiExperiment:
        """Go on with an experiment that was stopped, killed, or whose budget was spent; blocks until it ends.

        No finished trial is run again; those that were interrupted are. The strategy goes on exactly where it was.
        Stored objects import their modules from where the script did, and run in the folder in which it was started.

        Args:
            experiment_id: Its id, the beginning of one, or its name.
            port: For the web page, which this version does not have yet.
            debug: Log at debug level.
            storage: Where it is kept; None as in `RetiariiExeConfig`.
            base_model: The model, evaluator and strategy, where those that were stored are not to be used or not there.
            evaluator: See ``base_model``.
            strategy: See ``base_model``.
            applied_mutators: See ``base_model``.
            callbacks: Told what happens while the search runs.
            **changes: Settings of `RetiariiExeConfig` to change, for example ``max_trial_number=200``.

        Raises:
            NotFoundError: No such experiment, or several of this name.
            ConfigError: ``experiment_id`` is no text.
            ExperimentBusyError: Another process is running it.
            ExperimentError: Nothing to resume with, or the model's space is not the experiment's.
        """
        arguments.check_port(port)
        store = stores.open_store(storage, create=False)
        record = store.find_experiment(experiment_id)
        stored = None
        if base_model is None or evaluator is None or strategy is None:
            stored = payloads.read_payload(store.directory(record.id))
        with nullcontext() if stored is None else stored.script_environment.entered():
            if stored is not None:
                objects = stored.load()
                base_model = objects.base_model if base_model is None else base_model
                evaluator = objects.evaluator if evaluator is None else evaluator
                strategy = objects.strategy if strategy is None else strategy
                applied_mutators = objects.mutators if applied_mutators is None else applied_mutators
                changes = {**objects.settings, **changes}
            experiment = cls(base_model, evaluator, applied_mutators, strategy, callbacks=callbacks)
            config = RetiariiExeConfig.from_json(record.config["settings"])
            config.storage = storage if storage is not None else config.storage
            for name, value in changes.items():
                setattr(config, name, value)
            experiment._attach(store, record)
            experiment._prepare(config, debug, record=record).execute()
        return experiment

    @classmethod
    def view(
        cls,
        experiment_id: str,
        port: int = 8080,
        non_blocking: bool = False,
        *,
        storage: str | Path | Store | None = None,
    ) -> RetiariiExperiment:
        """Open an experiment for reading, running or not: its trials and architectures, without running any code.

        Args:
            experiment_id: Its id, the beginning of one, or its name.
            port: For the web page, which this version does not have yet.
            non_blocking: Accepted for compatibility; viewing never blocks.
            storage: Where it is kept; None as in `RetiariiExeConfig`.

        Raises:
            NotFoundError: No such experiment, or several of this name.
            ConfigError: ``experiment_id`` is no text.
        """
        arguments.check_port(port)
        experiment = cls()
        store = stores.open_store(storage, create=False)
        experiment._attach(store, store.find_experiment(experiment_id))
        return experiment

    @classmethod
    def load(cls, experiment_id: str, *, storage: str | Path | Store | None = None) -> RetiariiExperiment:
        """Open an experiment that this user ran on this machine, with its model, evaluator and strategy.

        Like `view`, but networks and code can be exported. Loading the objects runs code, so it is done only for
        what carries this user's signature.

        Args:
            experiment_id: Its id, the beginning of one, or its name.
            storage: Where it is kept; None as in `RetiariiExeConfig`.

        Raises:
            NotFoundError: No such experiment, or several of this name.
            ConfigError: ``experiment_id`` is no text.
            ExperimentError: Its objects were not stored, or not by this user.
        """
        store = stores.open_store(storage, create=False)
        record = store.find_experiment(experiment_id)
        stored = payloads.read_payload(store.directory(record.id))
        with stored.script_environment.entered():
            objects = stored.load()
        experiment = cls(objects.base_model, objects.evaluator, objects.mutators, objects.strategy)
        experiment.config = RetiariiExeConfig.from_json(record.config["settings"])
        experiment._attach(store, record)
        return experiment

    def _attach(self, store: Store, record: ExperimentRecord) -> None:
        self._store, self.id = store, record.id

    def _prepare(
        self, config: RetiariiExeConfig | None, debug: bool, record: ExperimentRecord | None = None
    ) -> runs.ExperimentRun:
        if self._background.is_running:
            raise ExperimentError(f"Experiment {self.id} is running already. Call wait() or stop() first.")
        base_model, evaluator = self._require_objects()
        config = arguments.check_config(config)
        config.debug = config.debug or debug
        self.config = config
        payload = payloads.Payload(base_model, evaluator, self.strategy, self.applied_mutators, config.objects())
        store = self._store if record is not None and self._store is not None else stores.open_store(config.storage)
        new_id = self.id if self._store is None else stores.new_experiment_id()
        run = runs.ExperimentRun(payload, config, store, record=record, new_id=new_id, callbacks=self.callbacks)
        self._attach(store, run.record)
        self._stop = run.stop
        return run

    def _require_objects(self) -> tuple[nn.Module | SearchSpace, Evaluator]:
        if self.base_model is None or self.evaluator is None:
            missing = "a base_model" if self.base_model is None else "an evaluator"
            raise ConfigError(f"RetiariiExperiment needs {missing}; it was given none.")
        return self.base_model, self.evaluator

    @property
    def search_space(self) -> SearchSpace:
        """The choices of the model and of the evaluator's arguments.

        Raises:
            ConfigError: The experiment has no model or no evaluator, and was not opened by its id either.
        """
        if self._store is None:
            self._require_objects()
        if self.base_model is None or self.evaluator is None:
            return SearchSpace.from_json(self._opened()[1].space)
        return joint_space(self._engine(self.base_model), self.evaluator)

    def trials(self) -> list[Trial]:
        """Return all trials so far, in the order in which they were proposed.

        Trials that were running when the experiment stopped have the state ``interrupted``; a resume runs them again.

        Raises:
            ExperimentError: The experiment has not run.
        """
        store, record = self._opened()
        is_running = store.is_running(record.id)
        return [trial.seen(is_running=is_running) for trial in store.list_trials(record.id)]

    def top_trials(self, top_k: int = 1, optimize_mode: str | None = None, *, by: str | None = None) -> list[Trial]:
        """Return the best completed trials, best first; of equal ones the earlier.

        Trials that keep the constraints on metrics come before all that break one.

        Args:
            top_k: How many at most.
            optimize_mode: ``"maximize"`` or ``"minimize"``; None for the experiment's own.
            by: The metric to rank by; None for the first objective. `pareto_front` goes by all of them.

        Raises:
            ExperimentError: The experiment has not run.
            ConfigError: An argument is impossible.
        """
        store, record = self._opened()
        return best_trials(store, record, top_k, optimize_mode, by)

    def pareto_front(self) -> list[Trial]:
        """Return the trials that no other trial dominates, best first by the first objective.

        Only completed trials that keep all constraints take part. With one objective it is the best trial.

        Raises:
            ExperimentError: The experiment has not run.
        """
        store, record = self._opened()
        completed = store.iter_trials(record.id, states=[TrialState.COMPLETED])
        return pareto_front(completed, record.objectives)

    def hypervolume(self, reference: Sequence[float] | Mapping[str, float]) -> float:
        """Return the volume of the part of objective space that the trials dominate, up to a reference point.

        Args:
            reference: A value for each objective, worse than all values of interest: a list in the order of the
                objectives, or a mapping by name, such as ``{"accuracy": 0.0, "params": 1e6}``.

        Raises:
            ExperimentError: The experiment has not run.
            ConfigError: ``reference`` is not a number for each objective.
        """
        store, record = self._opened()
        completed = store.iter_trials(record.id, states=[TrialState.COMPLETED])
        return hypervolume(completed, record.objectives, reference)

    def top_hyperparameters(self, top_k: int | None = 1, optimize_mode: str | None = None) -> list[dict[str, Any]]:
        """Return what is chosen for the evaluator's arguments, for each model of `export_top_models` in its order.

        ``evaluator.fix(hyperparameters)`` gives the evaluator with these arguments.

        Args:
            top_k: As in `export_top_models`.
            optimize_mode: As in `export_top_models`.

        Raises:
            ExperimentError: The experiment has not run, or no trial of it completed.
            ConfigError: An argument is impossible.
        """
        of_evaluator = self._opened()[1].config["evaluator_labels"]
        trials = self._completed(top_k, optimize_mode)
        return [trial.architecture.restricted(of_evaluator).to_json() for trial in trials]

    def _completed(self, top_k: int | None, optimize_mode: str | None) -> list[Trial]:
        """Return the best trials, or the Pareto front for None, once a search that `start` began has ended."""
        if not self._background.is_here:  # a callback of the search would wait for itself
            self.wait()
        trials = self.pareto_front() if top_k is None else self.top_trials(top_k, optimize_mode)
        if not trials:
            store, record = self._opened()
            is_one_shot = is_a(self.strategy, _ONE_SHOT)
            raise ExperimentError(nothing_to_export(store, record, is_one_shot=is_one_shot))
        return trials

    def export_top_models(
        self,
        top_k: int | None = 1,
        optimize_mode: str | None = None,
        formatter: str = "dict",
        *,
        weights: bool = False,
    ) -> list[Any]:
        """Export the best architectures; waits for the end of a search that `start` began.

        Args:
            top_k: How many; fewer are returned where fewer trials completed. None for those of the Pareto front.
            optimize_mode: ``"maximize"`` or ``"minimize"``; None for the experiment's own.
            formatter: ``"dict"`` for the model's choices as plain data, which `fixed_arch`, `freeze` and JSON files
                take (`top_hyperparameters` has what is chosen for the evaluator); ``"instance"`` for networks, with
                new weights unless ``weights`` is given; ``"code"`` for Python files that need PyTorch and nothing
                else; ``"graph"`` for `retiarii.graph.Model` objects, to draw or export further.
            weights: Whether networks have the weights with which their trials ended. They are kept for the best
                ``config.keep_checkpoints`` trials, by Lightning evaluators, and by functions that call
                `retiarii.save_checkpoint`.

        Raises:
            ExperimentError: The experiment has not run, no trial of it completed, or weights were asked for that were
                not saved or not kept.
            RetiariiError: What a search that `start` began ended with.
            ConfigError: An argument is impossible.
        """
        check_format(formatter, weights=weights)
        trials = self._completed(top_k, optimize_mode)
        store, record = self._opened()
        if self._stop is None and store.list_epochs(record.id):  # else it was said at the end of the search, if at all
            load(f"{_EXPORT}:warn_if_undecided")(store, record, trials[0])
        if formatter == "dict":
            return [model_part(record, trial.architecture).to_json() for trial in trials]
        if self.base_model is None:
            raise ConfigError(
                f"formatter={formatter!r} needs the model, and an experiment that was opened by view() has none. "
                "Use formatter='dict' and retiarii.freeze(model, architecture)."
            )
        if isinstance(self.base_model, SearchSpace):
            raise ConfigError(f"formatter={formatter!r} needs a model, and this experiment searched a bare space.")
        engine = self._engine(self.base_model)
        if formatter == "instance":
            return list(load(f"{_EXPORT}:networks")(engine, trials, store, record, with_weights=weights))
        return list(load(f"{_EXPORT}:exported")(formatter, engine, self.base_model, trials, record))

    def checkpoint(self, trial_number: int) -> Path | None:
        """Return the file with the weights of a trial, a ``state_dict``, for ``torch.load(path, weights_only=True)``.

        Args:
            trial_number: Its number; `top_trials` gives the best.

        Returns:
            The file; None if the weights were not saved or not kept.

        Raises:
            ExperimentError: The experiment has not run.
        """
        store, record = self._opened()
        return store.trial_files(record.id).checkpoint(trial_number)

    def _engine(self, model: nn.Module | SearchSpace) -> Engine:
        return make_engine(model, self.applied_mutators, self.config or RetiariiExeConfig(), self.evaluator)

    def search_history(self) -> list[SearchRecord]:
        """Return what a one-shot search looked like after each epoch so far; nothing for other strategies.

        Raises:
            ExperimentError: The experiment has not run.
        """
        store, record = self._opened()
        kind = load("retiarii.oneshot:SearchRecord")
        return [kind.from_json(epoch.record) for epoch in store.list_epochs(record.id)]

    def supernet(self) -> Supernet:
        """Return the supernet that a one-shot strategy trained, with its weights, for `retiarii.oneshot.subnet`.

        Raises:
            ExperimentError: The strategy is not one-shot, or the training has not ended yet.
            ConfigError: The experiment was opened by `view`, without the model.
        """
        if self.base_model is None:
            raise ConfigError("An experiment that was opened by view() has no model. Use RetiariiExperiment.load(id).")
        trained: Supernet = load(f"{_EXPORT}:trained_supernet")(self.strategy, self.base_model, *self._opened())
        return trained

    @property
    def state(self) -> ExperimentState:
        """Whether the search is running, stopped (and can be resumed), done, or failed, as the store has it.

        Raises:
            ExperimentError: The experiment has not run.
        """
        return self._opened()[1].state

    @property
    def directory(self) -> Path:
        """The folder of this experiment's files.

        Raises:
            ExperimentError: The experiment has not run.
        """
        store, record = self._opened()
        return store.directory(record.id)

    @property
    def where(self) -> str:
        """The store that holds the results, for people: a path, or a URL without its password.

        Raises:
            ExperimentError: The experiment has not run.
        """
        return self._opened()[0].where

    def _opened(self) -> tuple[Store, ExperimentRecord]:
        if self._store is None:
            raise ExperimentError("This experiment has not run yet: call run(config) first, or view(id) to open one.")
        return self._store, self._store.get_experiment(self.id)
