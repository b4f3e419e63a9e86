"""`NasExperiment` and `NasExperimentConfig` of NNI 3.0, on top of `RetiariiExperiment` and `RetiariiExeConfig`."""

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
    """The settings of an experiment: those of `RetiariiExeConfig`, and two of NNI 3.0.

    ``execution_engine`` says where trials run: ``"ts"`` in processes of their own, ``"sequential"`` in this process.
    ``model_format`` says how the network of an architecture is made: ``"simplified"`` and ``"raw"`` freeze the choices
    in the model's code, ``"graph"`` builds it from the model's graph.

    Args:
        execution_engine: ``"ts"`` or ``"sequential"``.
        model_format: ``"simplified"``, ``"raw"`` or ``"graph"``.
        training_service_platform: ``"local"``.
        settings: Settings of `RetiariiExeConfig`.

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

    if not TYPE_CHECKING:  # with it, type checkers would accept any attribute

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
        """Return the default settings of an experiment: trials in processes of their own, one at a time.

        Args:
            model_space: Not used; the settings are the same for all.
            evaluator: Not used.
            strategy: Not used; one-shot strategies always train in this process.
        """
        return cls("ts", "simplified", "local")


class NasExperiment:
    """A search in the form of NNI 3.0: settings are attributes of ``config``, and `run` takes none.

    Args:
        model_space: The model with choices.
        evaluator: Trains and measures a model.
        strategy: Proposes architectures, or trains a supernet.
        config: The settings; `NasExperimentConfig.default` if left out.
        id: Not supported: the store assigns ids.

    Attributes:
        config: The settings of the next run.
        experiment: The `RetiariiExperiment` that runs the search.

    Raises:
        ConfigError: ``id`` is given, or an argument has the wrong type.
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
            raise ConfigError(f"NasExperiment got id={id!r}, but the store assigns ids. Set config.experiment_name.")
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

    def run(self, port: int | None = None, wait_completion: bool = True, debug: bool = False) -> bool:
        """Run the search until its budget is spent or the strategy ends it.

        Args:
            port: The port of the web page; None for no page. NNI's default is 8080.
            wait_completion: Not used: the method always waits for the end of the search.
            debug: Whether to log at debug level.

        Returns:
            Whether the search was completed; False if it was stopped.

        Raises:
            ExperimentFailedError: Every trial failed.
            ConfigError: A setting has an impossible value.
        """
        self.experiment.run(self.config, port, debug)
        return self.experiment.state is ExperimentState.DONE

    def start(self, port: int | None = None, debug: bool = False, run_mode: Any = None) -> None:
        """Run the search, like `run`; as in NNI, the method returns when the search has ended.

        Raises:
            ExperimentFailedError: Every trial failed.
            ConfigError: A setting has an impossible value.
        """
        self.run(port, debug=debug)

    def stop(self) -> None:
        """Stop the search; it can be resumed."""
        self.experiment.stop()

    def export_top_models(self, top_k: int = 1, *, formatter: str | None = None, **kwargs: Any) -> list[Any]:
        """Return the best models.

        Args:
            top_k: The largest number of models.
            formatter: ``"dict"`` for architectures including the evaluator's choices, ``"instance"`` for networks,
                ``"code"`` for Python code.
            kwargs: ``optimize_mode``, which has no effect, as in NNI 3.0.

        Raises:
            ConfigError: ``formatter`` is missing: retiarii does not have NNI's objects for models.
            ExperimentError: The experiment has not run, or none of its trials completed.
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
        port: int | None = None,
        wait_completion: bool = True,
        debug: bool = False,
        *,
        storage: str | Path | Store | None = None,
        **changes: Any,
    ) -> NasExperiment:
        """Continue an experiment until it ends; see `RetiariiExperiment.resume`.

        Args:
            experiment_id: Its id, the beginning of one, or its name.
            port: The port of the web page; None for no page. NNI's default is 8080.
            wait_completion: Not used: the method always waits for the end of the search.
            debug: Whether to log at debug level.
            storage: The store of the experiment; None for the default.
            changes: Settings to change, for example ``max_trial_number=200``.

        Raises:
            NotFoundError: There is no such experiment, or several experiments have this name.
            ExperimentError: The stored objects that a search needs are missing.
        """
        return cls._of(RetiariiExperiment.resume(experiment_id, port, debug, storage=storage, **changes))

    @classmethod
    def view(
        cls,
        experiment_id: str,
        port: int | None = None,
        non_blocking: bool = False,
        *,
        storage: str | Path | Store | None = None,
    ) -> NasExperiment:
        """Open an experiment for reading; see `RetiariiExperiment.view`.

        Raises:
            NotFoundError: There is no such experiment, or several experiments have this name.
        """
        return cls._of(RetiariiExperiment.view(experiment_id, port, non_blocking, storage=storage))


def _translated(name: str, value: Any, meanings: dict[str, str]) -> str:
    if value not in meanings:
        raise ConfigError(f"{name} is {value!r}, expected one of {sorted(meanings)}.")
    return meanings[value]
