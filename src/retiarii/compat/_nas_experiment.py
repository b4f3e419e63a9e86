"""`NasExperiment` and `NasExperimentConfig` of NNI 3.0, made of `RetiariiExperiment` and `RetiariiExeConfig`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retiarii.errors import ConfigError
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.storage import ExperimentState

if TYPE_CHECKING:
    from retiarii.storage import Store

_PLATFORMS = {"sequential": "in_process", "ts": "local"}
_ENGINES = {"graph": "base", "raw": "py", "simplified": "py"}


class NasExperimentConfig(RetiariiExeConfig):
    """How an experiment is run: the settings of `RetiariiExeConfig`, and two in NNI's words.

    ``execution_engine`` is where trials run: ``"ts"`` stands for processes, ``"sequential"`` for this process.
    ``model_format`` is how a model becomes the network of an architecture: ``"simplified"`` and ``"raw"`` freeze the
    choices in its code, ``"graph"`` goes by its graph.

    Args:
        execution_engine: ``"ts"`` or ``"sequential"``.
        model_format: ``"simplified"``, ``"raw"`` or ``"graph"``.
        training_service_platform: ``"local"``.
        settings: Of `RetiariiExeConfig`.

    Raises:
        ConfigError: A setting is unknown, or has no equivalent.
    """

    def __init__(
        self,
        execution_engine: str | None = None,
        model_format: str | None = None,
        training_service_platform: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(training_service_platform, **settings)
        if execution_engine is not None:
            self.execution_engine = execution_engine
        if model_format is not None:
            self.model_format = model_format

    if not TYPE_CHECKING:  # type checkers would take it for leave to set anything

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "model_format":
                super().__setattr__("execution_engine", _translated(name, value, _ENGINES))
            elif name == "execution_engine" and value in _PLATFORMS:
                self.training_service.platform = _PLATFORMS[value]
            elif name == "execution_engine" and value == "cgo":
                raise ConfigError(
                    "execution_engine is 'cgo', which has no equivalent: models are trained one by one. Use 'ts'."
                )
            else:
                super().__setattr__(name, value)

    @classmethod
    def default(cls, model_space: Any, evaluator: Any, strategy: Any) -> NasExperimentConfig:
        """Return the settings of an experiment that were not changed: trials in processes, one at a time.

        Args:
            model_space: Not used; the settings are the same for all.
            evaluator: Not used.
            strategy: Not used; one-shot strategies train in this process whatever the settings are.
        """
        return cls("ts", "simplified", "local")


class NasExperiment:
    """One search, as NNI 3.0 spells it: settings are attributes of ``config``, and `run` takes none.

    Args:
        model_space: The model with choices in it.
        evaluator: Trains and measures a model.
        strategy: Proposes architectures, or trains a supernet.
        config: The settings; `NasExperimentConfig.default` if left out.
        id: Not supported: the store gives ids.

    Attributes:
        config: The settings of the next run.
        experiment: The experiment itself, with all that it can do.

    Raises:
        ConfigError: An argument is of the wrong kind.
    """

    def __init__(
        self,
        model_space: Any,
        evaluator: Any,
        strategy: Any,
        config: NasExperimentConfig | None = None,
        id: str | None = None,
    ) -> None:
        if id is not None:
            raise ConfigError(f"NasExperiment got id={id!r}: ids are given by the store. Set config.experiment_name.")
        self.experiment = RetiariiExperiment(model_space, evaluator, [], strategy)
        self.config: RetiariiExeConfig = config or NasExperimentConfig.default(model_space, evaluator, strategy)

    @classmethod
    def _of(cls, experiment: RetiariiExperiment) -> NasExperiment:
        opened = cls.__new__(cls)
        opened.experiment = experiment
        opened.config = experiment.config or RetiariiExeConfig()
        return opened

    @property
    def id(self) -> str:
        """The experiment's id."""
        return self.experiment.id

    @property
    def model_space(self) -> Any:
        """The model with choices in it."""
        return self.experiment.base_model

    @property
    def evaluator(self) -> Any:
        """The evaluator."""
        return self.experiment.evaluator

    @property
    def strategy(self) -> Any:
        """The strategy."""
        return self.experiment.strategy

    def run(self, port: int = 8080, wait_completion: bool = True, debug: bool = False) -> bool:
        """Search until the budget, the strategy or the user ends it; return whether it was not stopped.

        Args:
            port: For the web page, which this version does not have yet.
            wait_completion: Accepted for scripts written for NNI; it always waits.
            debug: Log at debug level.

        Raises:
            ExperimentFailedError: Every trial failed.
            ConfigError: A setting is impossible.
        """
        self.experiment.run(self.config, port, debug)
        return self.experiment.state is ExperimentState.DONE

    def start(self, port: int = 8080, debug: bool = False, run_mode: Any = None) -> None:
        """Do what `run` does: it comes back when the search has ended, as in NNI.

        Raises:
            ExperimentFailedError: Every trial failed.
            ConfigError: A setting is impossible.
        """
        self.run(port, debug=debug)

    def stop(self) -> None:
        """End the search; it can be resumed."""
        self.experiment.stop()

    def export_top_models(self, top_k: int = 1, *, formatter: str | None = None, **kwargs: Any) -> list[Any]:
        """Return the best models.

        Args:
            top_k: How many at most.
            formatter: ``"dict"`` for architectures with the evaluator's choices, ``"instance"`` for networks,
                ``"code"`` for Python code.
            kwargs: ``optimize_mode``, which has no effect, as in NNI 3.0.

        Raises:
            ConfigError: There is no formatter: NNI's own objects for models are not here.
            ExperimentError: The experiment has not run, or no trial of it completed.
        """
        if "optimize_mode" in kwargs:
            warnings.warn("optimize_mode has no effect: set it in the strategy, or in config.", stacklevel=2)
        if formatter is None:
            raise ConfigError(
                "export_top_models needs a formatter: 'dict' (architectures), 'instance' (networks) or 'code'. NNI's "
                "ExecutableModelSpace has no equivalent; experiment.top_trials() has the trials with their metrics."
            )
        exported = self.experiment.export_top_models(top_k, formatter=formatter)
        if formatter != "dict":
            return list(exported)
        chosen = self.experiment.top_hyperparameters(top_k)
        return [{**arch, **arguments} for arch, arguments in zip(exported, chosen, strict=True)]

    @classmethod
    def resume(
        cls,
        experiment_id: str,
        port: int = 8080,
        wait_completion: bool = True,
        debug: bool = False,
        *,
        storage: str | Path | Store | None = None,
        **changes: Any,
    ) -> NasExperiment:
        """Go on with an experiment until it ends, see `RetiariiExperiment.resume`.

        Args:
            experiment_id: Its id, the beginning of one, or its name.
            port: For the web page, which this version does not have yet.
            wait_completion: Accepted for scripts written for NNI; it always waits.
            debug: Log at debug level.
            storage: Where it is kept.
            changes: Settings to change, for example ``max_trial_number=200``.

        Raises:
            NotFoundError: No such experiment, or several of this name.
            ExperimentError: Nothing to resume with.
        """
        return cls._of(RetiariiExperiment.resume(experiment_id, port, debug, storage=storage, **changes))

    @classmethod
    def view(
        cls,
        experiment_id: str,
        port: int = 8080,
        non_blocking: bool = False,
        *,
        storage: str | Path | Store | None = None,
    ) -> NasExperiment:
        """Open an experiment for reading, see `RetiariiExperiment.view`.

        Raises:
            NotFoundError: No such experiment, or several of this name.
        """
        return cls._of(RetiariiExperiment.view(experiment_id, port, non_blocking, storage=storage))


def _translated(name: str, value: Any, meanings: dict[str, str]) -> str:
    if value not in meanings:
        raise ConfigError(f"{name} is {value!r}, expected one of {sorted(meanings)}.")
    return meanings[value]
