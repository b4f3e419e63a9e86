"""`MultiTrialRun`: a strategy proposes architectures, and each is trained and measured by itself."""

from __future__ import annotations

from retiarii.errors import ConfigError
from retiarii.execution import Executor, InProcessExecutor, Limits, NasTask, TemplateExecutor
from retiarii.experiment._duration import parse_duration, parse_size
from retiarii.experiment._loop import Ending
from retiarii.experiment._resources import allocate
from retiarii.experiment._run import ExperimentRun
from retiarii.strategy import Strategy


class MultiTrialRun(ExperimentRun):
    """One run of an experiment with a multi-trial strategy."""

    def _check_settings(self) -> None:
        if self._config.execution_engine == "oneshot":
            raise ConfigError(
                f"execution_engine is 'oneshot', but {self._payload.strategy!r} is a multi-trial strategy. Use 'py' "
                "(the default) or 'base'; or a one-shot strategy, for example retiarii.strategy.DARTS()."
            )
        if not self._is_in_process:
            self._resources = allocate(self._config)

    @property
    def _is_in_process(self) -> bool:
        return self._config.training_service.platform == "in_process"

    def _search(self) -> Ending:
        strategy = self._payload.strategy
        assert isinstance(strategy, Strategy)  # RetiariiExperiment chose this class by it
        search = strategy.search(self._space, seed=self.record.seed, objectives=self.record.objectives)
        return self._run_trials(
            search,
            self._executor(),
            total=self._space.size,
            max_trials=self._config.max_trial_number,
        )

    def _executor(self) -> Executor:
        payload, config = self._payload, self._config
        keeps_files = config.keep_checkpoints > 0
        task = NasTask(self._engine, payload.evaluator, self._trial_files(), keeps_files=keeps_files)
        if self._is_in_process:
            return InProcessExecutor(task)
        limits = Limits(
            timeout_s=parse_duration(config.max_trial_duration, name="max_trial_duration"),
            memory_bytes=parse_size(config.trial_memory_limit, name="trial_memory_limit"),
        )
        return TemplateExecutor(task, slots=self._resources.slots, limits=limits, devices=self._resources.devices)
