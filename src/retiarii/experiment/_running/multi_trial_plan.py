"""`MultiTrialPlan`: the plan of multi-trial strategies, which evaluate each architecture by itself."""

from __future__ import annotations

from retiarii.errors import ConfigError
from retiarii.evaluator import check_simulated
from retiarii.execution import Executor, NasTask
from retiarii.experiment._control.stop_signal import Ending
from retiarii.experiment._running.executors import ExecutorSettings, make_executor
from retiarii.experiment._running.make_engine import joint_space, make_engine
from retiarii.experiment._running.plan import Plan
from retiarii.experiment._running.session import Session
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.experiment._stored_objects.signed_payload import Payload
from retiarii.space import Engine, SearchSpace
from retiarii.strategy import Strategy
from retiarii.trial import Constraint


class MultiTrialPlan(Plan):
    """The plan of a multi-trial strategy, with the engine that builds its architectures and the executor.

    Args:
        payload: The user's objects.
        config: The settings.

    Raises:
        ConfigError: Settings do not fit the strategy, or the evaluator does not support its fidelities.
        LabelConflictError: The model and the evaluator have a label with different domains.
    """

    def __init__(self, payload: Payload, config: RetiariiExeConfig) -> None:
        assert isinstance(payload.strategy, Strategy)  # make_plan chose this class by it
        self._strategy, self._evaluator, self._config = payload.strategy, payload.evaluator, config
        if config.execution_engine == "oneshot":
            raise ConfigError(
                f"execution_engine is 'oneshot', but {self._strategy!r} is a multi-trial strategy. Use 'py' "
                "(the default) or 'base'; or a one-shot strategy, for example retiarii.strategy.DARTS()."
            )
        _check_fidelities(self._strategy, payload)
        self._engine: Engine = make_engine(payload.base_model, payload.mutators, config, payload.evaluator)
        self.space: SearchSpace = joint_space(self._engine, payload.evaluator)
        self._executor_settings = ExecutorSettings.of(config, self._engine.start_method)
        self.is_in_process = self._executor_settings.is_in_process
        self.is_simulated = self._executor_settings.is_simulated
        if self.is_simulated:
            check_simulated(payload.evaluator)

    def search(self, session: Session) -> Ending:
        """Search until the budget, the strategy or the user ends it."""
        record = session.record
        space = self._constrained()
        search = self._strategy.search(space, seed=record.seed, objectives=record.objectives)
        return session.run_trials(
            search, self._executor(session), total=space.size, max_trials=session.config.max_trial_number
        )

    def _constrained(self) -> SearchSpace:
        """Return the space with the constraints that are checked on architectures."""
        costs = self._engine.costs
        resolved = [constraint.resolved(costs) for constraint in self._config.constraints]
        on_architecture: list[Constraint] = [item for item in resolved if callable(item.quantity)]
        return self.space.constrained(*on_architecture) if on_architecture else self.space

    def _executor(self, session: Session) -> Executor:
        keeps_files = self._config.keep_checkpoints > 0 or bool(self._strategy.fidelities)
        task = NasTask(
            self._engine,
            self._evaluator,
            None if self.is_simulated else session.trial_files,
            keeps_files=keeps_files,
            objectives=session.record.objectives.names,
        )
        return make_executor(task, self._executor_settings)


def _check_fidelities(strategy: Strategy, payload: Payload) -> None:
    known = payload.evaluator.fidelities
    unknown = [] if known is None else sorted(set(strategy.fidelities) - set(known))
    if unknown:
        heeded = f"it knows {sorted(known or ())}" if known else "it knows none"
        raise ConfigError(
            f"{strategy!r} gives trials the fidelity {unknown[0]!r}, which {payload.evaluator!r} does not heed: "
            f"{heeded}. "
            "A function heeds it with a parameter `context`: train for context.fidelity["
            f"{unknown[0]!r}]; an Evaluator names it in its attribute `fidelities`."
        )
