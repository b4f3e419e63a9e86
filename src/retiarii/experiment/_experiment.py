"""`RetiariiExperiment`: a search, from a model with choices to the best architectures."""

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
from retiarii.experiment._control.callbacks import Callback
from retiarii.experiment._control.stop_signal import StopSignal
from retiarii.experiment._experiment_plots import ExperimentPlots
from retiarii.experiment._export_architectures import best_trials, check_format, model_part, nothing_to_export
from retiarii.experiment._running.make_engine import joint_space, make_engine
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.experiment._trackers.tracker import Tracker
from retiarii.space import Engine, Searchable, SearchSpace
from retiarii.trial import BaseStrategy, Trial, TrialState, hypervolume, pareto_front

if TYPE_CHECKING:
    from torch import nn

    from retiarii import analysis
    from retiarii import storage as stores
    from retiarii.experiment._control import dashboard_process as dashboards
    from retiarii.experiment._running import run as runs
    from retiarii.experiment._stored_objects import signed_payload as payloads
    from retiarii.graph import Mutator
    from retiarii.oneshot import SearchRecord, Supernet
    from retiarii.storage import ExperimentRecord, ExperimentState, Store
else:  # imported late: not needed before an experiment is made
    dashboards, payloads, runs = (
        LazyModule("retiarii.experiment._control.dashboard_process"),
        LazyModule("retiarii.experiment._stored_objects.signed_payload"),
        LazyModule("retiarii.experiment._running.run"),
    )
    analysis, stores = LazyModule("retiarii.analysis"), LazyModule("retiarii.storage")

_ONE_SHOT = "retiarii.oneshot:OneShotStrategy"
_NETWORKS = "retiarii.experiment._trained_networks"
_EXPORT = "retiarii.experiment.pytorch._export_networks"


class RetiariiExperiment(ExperimentPlots):
    """One search: a model with choices, an evaluator, a strategy, and the stored results.

    ::

        experiment = RetiariiExperiment(Net(), evaluator, [], strategy.Random())
        config = RetiariiExeConfig("local")
        config.max_trial_number = 20
        experiment.run(config)
        best = experiment.export_top_models(formatter="dict")[0]
        with fixed_arch(best):
            model = Net()

    Args:
        base_model: An instance of the model with choices; or a bare `SearchSpace`, which needs no torch. The
            architectures themselves are then evaluated: with tables, commands, other frameworks, or as a search for
            hyper-parameters.
        evaluator: The evaluator of models, or, for a bare space, of architectures. A plain function becomes a
            `FunctionalEvaluator`.
        applied_mutators: Mutators on the model's graph, applied in this order; they work together with choices in
            the model's code.
        strategy: Proposes architectures, `strategy.Random()` if left out; or a one-shot strategy such as
            `strategy.DARTS()`, which trains all architectures at once, as a supernet, in this process.
        trainer: The older name of ``evaluator``.
        callbacks: The callbacks to call while the search runs.

    Attributes:
        id: The experiment's id, known before it runs. Each further run is a new experiment with a new id.
        config: The settings of the last run.

    Raises:
        ConfigError: An argument is of the wrong kind.
    """

    def __init__(
        self,
        base_model: nn.Module | Searchable | SearchSpace | None = None,
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

    def run(self, config: RetiariiExeConfig | None = None, port: int | None = None, debug: bool = False) -> None:
        """Search until the budget, the strategy or the user ends it.

        After one ``Ctrl-C`` the running trials finish, and `run` returns as at the end of the budget, with the `state`
        ``stopped``; the rest of the script works with the trials so far. A second ``Ctrl-C`` stops at once with a
        KeyboardInterrupt. In both cases the experiment can be resumed, by the command in the last printed line. On the
        platform ``"simulated"``, the first ``Ctrl-C`` stops at once, and a resume goes on in the middle of trials.

        Args:
            config: How to run; ``RetiariiExeConfig("local")`` if left out.
            port: The port of the web page, which a process of its own serves and which shows this and all other
                experiments of the store, live; the next free one if it is taken, 0 for any. None for no page. The page
                ends with this process, or a minute after it was closed. It needs the extra ``dashboard``.
            debug: Log at debug level.

        Raises:
            ExperimentFailedError: Every trial failed; the message shows the most frequent reason.
            SerializationError: The model or the evaluator cannot be sent to another process.
            ConfigError: A setting has an invalid value.
            KeyboardInterrupt: The user asked twice to stop.
        """
        arguments.check_port(port)
        run = self._prepare(config, debug)
        self._show(port)
        run.execute()

    def start(self, config: RetiariiExeConfig | None = None, port: int | None = None, debug: bool = False) -> None:
        """Run the search in the background; `wait` waits for its end, and `stop` ends it.

        Raises:
            ConfigError: A setting has an invalid value.
        """
        arguments.check_port(port)
        run = self._prepare(config, debug)
        self._show(port)
        with load("retiarii.experiment._displays.notebook_area:reserved_area")(is_wanted=run.has_display):
            self._background.start(run.execute, name=f"retiarii-{self.id}")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a search that `start` began; return whether it has ended.

        Raises:
            RetiariiError: The error of the search, as `run` would have raised it.
        """
        return self._background.wait(timeout_s)

    def stop(self) -> None:
        """End the search, which can be resumed: in a callback, after the running trials; elsewhere, at once.

        On the platform ``"simulated"``, it always ends at once: a resume goes on in the middle of the running trials.
        """
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
        port: int | None = None,
        debug: bool = False,
        *,
        storage: str | Path | Store | None = None,
        base_model: nn.Module | Searchable | SearchSpace | None = None,
        evaluator: Evaluator | None = None,
        strategy: BaseStrategy | None = None,
        applied_mutators: Sequence[Mutator] | None = None,
        callbacks: Sequence[Callback] | None = None,
        **changes: Any,
    ) -> RetiariiExperiment:
        """Continue an experiment that was stopped, was killed, or has spent its budget; blocks until it ends.

        Finished trials are not run again, interrupted ones are. The strategy continues exactly where it was. Stored
        objects use the import path of the script, and run in the folder in which the script was started.

        Args:
            experiment_id: Its id, the beginning of one, or its name.
            port: The port of the web page, as for `run`.
            debug: Log at debug level.
            storage: Where it is kept; None as in `RetiariiExeConfig`.
            base_model: The model, to use instead of the stored one; needed if it was not stored.
            evaluator: See ``base_model``.
            strategy: See ``base_model``.
            applied_mutators: See ``base_model``.
            callbacks: The callbacks to call while the search runs; None for the `TensorBoardCallback`,
                `MLflowCallback` and `WandbCallback` with which it was started.
            **changes: Settings of `RetiariiExeConfig` to change, for example ``max_trial_number=200``.

        Raises:
            NotFoundError: No such experiment, or several of this name.
            ConfigError: ``experiment_id`` is no text.
            ExperimentBusyError: Another process is running the experiment.
            ExperimentError: The model, evaluator or strategy is missing, or the model has another search space.
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
                callbacks = objects.callbacks if callbacks is None else callbacks
                changes = {**objects.settings, **changes}
            experiment = cls(base_model, evaluator, applied_mutators, strategy, callbacks=callbacks or ())
            config = RetiariiExeConfig.from_json(record.config["settings"])
            config.storage = storage if storage is not None else config.storage
            for name, value in changes.items():
                setattr(config, name, value)
            experiment._attach(store, record)
            run = experiment._prepare(config, debug, record=record)
            experiment._show(port)
            run.execute()
        return experiment

    @classmethod
    def view(
        cls,
        experiment_id: str,
        port: int | None = None,
        non_blocking: bool = False,
        *,
        storage: str | Path | Store | None = None,
    ) -> RetiariiExperiment:
        """Open an experiment for reading its trials and architectures, even while it runs; no stored code is run.

        Args:
            experiment_id: Its id, the beginning of one, or its name.
            port: The port of the web page, as for `run`; None to view without a page.
            non_blocking: Whether to return at once. Otherwise, with a port, it returns after Ctrl-C or Enter.
            storage: Where it is kept; None as in `RetiariiExeConfig`.

        Raises:
            NotFoundError: No such experiment, or several of this name.
            ConfigError: ``experiment_id`` is no text.
        """
        arguments.check_port(port)
        experiment = cls()
        store = stores.open_store(storage, create=False)
        experiment._attach(store, store.find_experiment(experiment_id))
        shown = experiment._show(port)
        if shown is not None and not non_blocking:
            shown.wait_for_user()
        return experiment

    @classmethod
    def load(cls, experiment_id: str, *, storage: str | Path | Store | None = None) -> RetiariiExperiment:
        """Open an experiment that this user ran on this machine, with its model, evaluator and strategy.

        Unlike `view`, networks and code can be exported. Loading the objects runs code, so it is done only if the
        stored objects have this user's signature.

        Args:
            experiment_id: Its id, the beginning of one, or its name.
            storage: Where it is kept; None as in `RetiariiExeConfig`.

        Raises:
            NotFoundError: No such experiment, or several of this name.
            ConfigError: ``experiment_id`` is no text.
            ExperimentError: The objects were not stored, or not by this user.
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

    def _show(self, port: int | None) -> dashboards.DashboardProcess | None:
        """Show the web page of the experiment, unless the port is None."""
        if port is None or self._store is None:
            return None
        return dashboards.show_dashboard(self._store, self.id, port)

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
        lasting = tuple(callback for callback in self.callbacks if isinstance(callback, Tracker))
        payload = payloads.Payload(
            base_model, evaluator, self.strategy, self.applied_mutators, config.objects(), lasting
        )
        store = self._store if record is not None and self._store is not None else stores.open_store(config.storage)
        new_id = self.id if self._store is None else stores.new_experiment_id()
        run = runs.ExperimentRun(payload, config, store, record=record, new_id=new_id, callbacks=self.callbacks)
        self._attach(store, run.record)
        self._stop = run.stop
        return run

    def _require_objects(self) -> tuple[nn.Module | Searchable | SearchSpace, Evaluator]:
        if self.base_model is None or self.evaluator is None:
            missing = "a base_model" if self.base_model is None else "an evaluator"
            raise ConfigError(f"RetiariiExperiment needs {missing}; it was given none.")
        return self.base_model, self.evaluator

    @property
    def search_space(self) -> SearchSpace:
        """The choices of the model and of the evaluator's arguments.

        Raises:
            ConfigError: The experiment has no model or no evaluator, and was not opened by its id.
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

    def to_dataframe(self, *, format: str = "pandas") -> Any:
        """Return all trials so far as a table with one row per trial; `retiarii.analysis.data_frame` lists its columns.

        For very many trials, ``pyarrow.parquet.write_table(experiment.to_dataframe(format="arrow"), "trials.parquet")``
        writes a small file. Needs ``pip install "retiarii[dataframe]"``.

        Args:
            format: ``"pandas"`` for a `pandas.DataFrame`, ``"arrow"`` for a `pyarrow.Table`.

        Raises:
            ExperimentError: The experiment has not run.
            MissingExtraError: pandas or pyarrow is not installed.
            ConfigError: The format is unknown.
        """
        if format not in ("pandas", "arrow"):
            raise ConfigError(f"format is {format!r}, expected 'pandas' or 'arrow'.")
        store, record = self._opened()
        make = analysis.data_frame if format == "pandas" else analysis.arrow_table
        is_running = store.is_running(record.id)  # first: trials that end meanwhile are not interrupted
        return make(analysis.read_trial_table(store, record.id), is_running=is_running)

    def top_trials(self, top_k: int = 1, optimize_mode: str | None = None, *, by: str | None = None) -> list[Trial]:
        """Return the best completed trials, best first; of equal trials, the earlier first.

        Trials that keep the constraints on metrics come before trials that break one.

        Args:
            top_k: The maximum number of trials.
            optimize_mode: ``"maximize"`` or ``"minimize"``; None for the experiment's own.
            by: The metric to rank by; None for the first objective. `pareto_front` compares by all objectives.

        Raises:
            ExperimentError: The experiment has not run.
            ConfigError: An argument is impossible.
        """
        store, record = self._opened()
        return best_trials(store, record, top_k, optimize_mode, by)

    def pareto_front(self) -> list[Trial]:
        """Return the trials that no other trial dominates, best first by the first objective.

        Only completed trials that keep all constraints are compared. With one objective, it is the best trial.

        Raises:
            ExperimentError: The experiment has not run.
        """
        store, record = self._opened()
        completed = store.iter_trials(record.id, states=[TrialState.COMPLETED])
        return pareto_front(completed, record.objectives)

    def hypervolume(self, reference: Sequence[float] | Mapping[str, float]) -> float:
        """Return the hypervolume of the objective space that the trials dominate, up to a reference point.

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
        """Return the chosen values of the evaluator's arguments, for each model of `export_top_models` in its order.

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
        """Return the best trials, or the Pareto front for None, after waiting for a search that `start` began."""
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
        """Export the best architectures, after waiting for the end of a search that `start` began.

        Args:
            top_k: The number of architectures; fewer are returned if fewer trials completed. None for the Pareto front.
            optimize_mode: ``"maximize"`` or ``"minimize"``; None for the experiment's own.
            formatter: ``"dict"`` for the model's choices as plain data, for `fixed_arch`, `freeze` and JSON files
                (`top_hyperparameters` returns the evaluator's choices); ``"instance"`` for networks, with new weights
                unless ``weights`` is given; ``"code"`` for Python files that need only PyTorch; ``"graph"`` for
                `retiarii.graph.Model` objects, to draw or export further.
            weights: Whether networks get the final weights of their trials. These are kept for the best
                ``config.keep_checkpoints`` trials, if the evaluator is a Lightning evaluator or calls
                `retiarii.save_checkpoint`.

        Raises:
            ExperimentError: The experiment has not run, no trial of it completed, or requested weights were not saved
                or not kept.
            RetiariiError: The error of a search that `start` began.
            ConfigError: An argument is invalid.
        """
        check_format(formatter, weights=weights)
        trials = self._completed(top_k, optimize_mode)
        store, record = self._opened()
        if self._stop is None and store.list_epochs(record.id):  # else the end of the search has logged it
            load(f"{_EXPORT}:warn_if_undecided")(store, record, trials[0])
        return self._exported(trials, formatter, weights=weights)

    def export_trial(self, trial_number: int, formatter: str = "dict", *, weights: bool = False) -> Any:
        """Export the architecture of one trial, in any state, also while the search goes on.

        Args:
            trial_number: The number of the trial.
            formatter: As for `export_top_models`.
            weights: As for `export_top_models`.

        Raises:
            ExperimentError: The experiment has not run, or requested weights were not saved or not kept.
            NotFoundError: The trial does not exist.
            ConfigError: An argument is invalid.
        """
        check_format(formatter, weights=weights)
        store, record = self._opened()
        return self._exported([store.get_trial(record.id, trial_number)], formatter, weights=weights)[0]

    def _exported(self, trials: list[Trial], formatter: str, *, weights: bool) -> list[Any]:
        store, record = self._opened()
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
            return list(load(f"{_NETWORKS}:networks")(engine, trials, store, record, with_weights=weights))
        if isinstance(self.base_model, Searchable):
            raise ConfigError(f"formatter={formatter!r} is for PyTorch models. Use 'dict' or 'instance'.")
        return list(load(f"{_EXPORT}:exported")(formatter, engine, self.base_model, trials, record))

    def checkpoint(self, trial_number: int) -> Path | None:
        """Return the file with the weights of a trial, a ``state_dict``, for ``torch.load(path, weights_only=True)``.

        Args:
            trial_number: The number of the trial; `top_trials` returns the best trials.

        Returns:
            The file; None if the weights were not saved or not kept.

        Raises:
            ExperimentError: The experiment has not run.
        """
        store, record = self._opened()
        return store.trial_files(record.id).checkpoint(trial_number)

    def _engine(self, model: nn.Module | Searchable | SearchSpace) -> Engine:
        return make_engine(model, self.applied_mutators, self.config or RetiariiExeConfig(), self.evaluator)

    def search_history(self) -> list[SearchRecord]:
        """Return the records of a one-shot search after each epoch so far; an empty list for other strategies.

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
        """The state of the search in the store: running, stopped (it can be resumed), done or failed.

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
        """The name of the store with the results: a path, or a URL without its password.

        Raises:
            ExperimentError: The experiment has not run.
        """
        return self._opened()[0].where

    def _opened(self) -> tuple[Store, ExperimentRecord]:
        if self._store is None:
            raise ExperimentError("This experiment has not run yet: call run(config) first, or view(id) to open one.")
        return self._store, self._store.get_experiment(self.id)
