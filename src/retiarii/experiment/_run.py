"""One run of an experiment: what `RetiariiExperiment.run` and `resume` put together and take apart again."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from retiarii.errors import ExperimentError, ExperimentFailedError, SerializationError, StorageError
from retiarii.evaluator import Evaluator
from retiarii.execution import Executor, InProcessExecutor, Limits, NasTask, TemplateExecutor
from retiarii.experiment._callbacks import Callback, CallbackList
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.experiment._duration import parse_duration, parse_size
from retiarii.experiment._engines import joint_space, make_engine
from retiarii.experiment._loop import Budget, Ending, SearchLoop
from retiarii.experiment._payload import Payload, pack, save_payload
from retiarii.experiment._progress import ProgressDisplay
from retiarii.experiment._resources import allocate
from retiarii.experiment._stop import StopSignal
from retiarii.space import SearchSpace
from retiarii.storage import ExperimentRecord, ExperimentState, Store, new_experiment_id
from retiarii.trial import Direction, TrialState

logger = logging.getLogger(__name__)

_LEVELS = {"trace": logging.DEBUG, "fatal": logging.CRITICAL}


class ExperimentRun:
    """Everything that one run needs, made and closed together.

    Attributes:
        record: The experiment in the store.
        stop: Asks the run to end.
    """

    def __init__(
        self,
        payload: Payload,
        config: RetiariiExeConfig,
        store: Store,
        *,
        record: ExperimentRecord | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Check that everything fits, and enter a new experiment into the store.

        Raises:
            SerializationError: The model or the evaluator cannot travel to another process.
            ExperimentError: The experiment to resume has another search space.
        """
        self._payload, self._config, self._store, self._callbacks = payload, config, store, callbacks
        self._engine = make_engine(payload.base_model, payload.mutators, config)
        self._space = joint_space(self._engine, payload.evaluator)
        self._is_in_process = config.training_service.platform == "in_process"
        self._is_resumed = record is not None
        if record is not None:
            _check_same_space(record, self._space)
        self.record = record or self._create()
        self.stop = StopSignal(asked_elsewhere=lambda: store.stop_requested(self.record.id), raises=self._is_in_process)
        self._display: ProgressDisplay | None = None

    def execute(self) -> None:
        """Search, and leave the experiment in the state in which it ended.

        Raises:
            ExperimentFailedError: Every trial failed.
            ExperimentBusyError: Another process is running this experiment.
            KeyboardInterrupt: The user asked twice to stop.
        """
        logging.getLogger("retiarii").setLevel(self._log_level())
        with self._store.lock(self.record.id), self._state_kept():
            with self.stop.listening(), self._executor() as executor:
                ending = self._loop(executor).run()
            self._conclude(ending)
        if self.stop.interrupted:
            raise KeyboardInterrupt

    def _create(self) -> ExperimentRecord:
        payload, config = self._payload, self._config
        direction = payload.strategy.direction or _direction(config, payload.evaluator)
        config.seed = secrets.randbits(63) if config.seed is None else config.seed
        data = self._packed()
        record = ExperimentRecord(
            id=new_experiment_id(),
            name=config.experiment_name or type(payload.base_model).__name__,
            direction=direction,
            seed=config.seed,
            strategy=repr(payload.strategy),
            config={
                "settings": config.to_json(),
                "evaluator_labels": [choice.label for choice in payload.evaluator.search_space()],
            },
            space=self._space.to_json(),
        )
        self._store.create_experiment(record)
        if data is not None:
            save_payload(self._store.directory(record.id), data)
        return record

    def _packed(self) -> bytes | None:
        """Return the payload for a resume; None if it cannot be pickled and need not be."""
        try:
            return pack(self._payload)
        except SerializationError as error:
            if not self._is_in_process:
                raise
            logger.info("This experiment can be resumed from its script only: %s", error)
            return None

    def _loop(self, executor: Executor) -> SearchLoop:
        config, record = self._config, self.record
        duration = parse_duration(config.max_experiment_duration, name="max_experiment_duration")
        budget = Budget(
            max_trials=config.max_trial_number,
            deadline=None if duration is None else time.monotonic() + duration,
            max_failures=config.max_failures,
        )
        search = self._payload.strategy.search(self._space, seed=record.seed, direction=record.direction)
        return SearchLoop(
            search,
            executor,
            self._store,
            record.id,
            seed=record.seed,
            budget=budget,
            callback=CallbackList([*self._displays(), *self._callbacks]),
            stop=self.stop,
            log=self._store.load_log(record.id) if self._is_resumed else None,
        )

    def _executor(self) -> Executor:
        payload, config = self._payload, self._config
        task = NasTask(self._engine, payload.evaluator, self._store.directory(self.record.id) / "trials")
        if self._is_in_process:
            return InProcessExecutor(task)
        limits = Limits(
            timeout_s=parse_duration(config.max_trial_duration, name="max_trial_duration"),
            memory_bytes=parse_size(config.trial_memory_limit, name="trial_memory_limit"),
        )
        resources = allocate(config)
        return TemplateExecutor(task, slots=resources.slots, limits=limits, devices=resources.devices)

    def _displays(self) -> list[Callback]:
        if self._config.progress is False:
            return []
        title = f"{self.record.name} ({self.record.id})"
        self._display = ProgressDisplay(title, self._num_expected(), self.record.direction)
        self.stop.on_request = self._announce_stop
        return [self._display]

    def _num_expected(self) -> int | None:
        limits = [self._config.max_trial_number, self._space.size]
        finite = [int(limit) for limit in limits if limit is not None and limit < 10**6]
        return min(finite, default=None)

    def _announce_stop(self, count: int) -> None:
        assert self._display is not None  # set before the handler is
        if count == 1:
            self._display.notify("Stopping after the trials that are running; Ctrl-C again stops at once.")
        else:
            self._display.notify(f"Stopping now. Go on with: retiarii resume {self.record.id}")

    @contextmanager
    def _state_kept(self) -> Iterator[None]:
        """Say in the store that the experiment is running, and how it ended if something is raised."""
        self._store.update_experiment(
            self.record.id,
            state=ExperimentState.RUNNING,
            config={**self.record.config, "settings": self._config.to_json()},
            message="",
        )
        try:
            yield
        except ExperimentFailedError:
            raise  # the state is set already
        except BaseException as error:
            with suppress(StorageError):  # a full disk must not hide why the search stopped
                self._finish(ExperimentState.STOPPED, f"{type(error).__name__}: {error}")
            raise
        finally:
            if self._display is not None:
                self._display.close()

    def _conclude(self, ending: Ending) -> None:
        counts = self._store.count_trials(self.record.id)
        failed, succeeded = counts.get(TrialState.FAILED, 0), counts.get(TrialState.COMPLETED, 0)
        if failed and not succeeded and ending is not Ending.STOPPED:
            message = self._failure_report(failed)
            self._finish(ExperimentState.FAILED, message)
            raise ExperimentFailedError(message)
        state = ExperimentState.STOPPED if ending is Ending.STOPPED else ExperimentState.DONE
        self._finish(state, ending.value)

    def _finish(self, state: ExperimentState, message: str) -> None:
        self._store.update_experiment(self.record.id, state=state, message=message)

    def _failure_report(self, failed: int) -> str:
        worst = self._store.failure_reasons(self.record.id)[0]
        example = self._store.get_trial(self.record.id, worst.example).failure
        traceback = example.traceback if example is not None else None
        details = f"\n\n{traceback.rstrip()}\n" if traceback else ""
        return (
            f"All {failed} trials of experiment {self.record.id} failed. The most frequent reason, {worst.count} of "
            f"{failed} ({worst.kind.value}): {worst.message}{details}\n"
            "To find the cause, run one architecture in this process, where a "
            "breakpoint works: retiarii.debug_mutated_model(base_model, evaluator)."
        )

    def _log_level(self) -> int | str:
        level = "debug" if self._config.debug else self._config.log_level
        return _LEVELS.get(level, level.upper())


def _check_same_space(record: ExperimentRecord, space: SearchSpace) -> None:
    if record.space != space.to_json():
        stored = SearchSpace.from_json(record.space)
        only = sorted({choice.label for choice in stored} ^ {choice.label for choice in space})
        difference = f"labels in only one of them: {only}" if only else "the same labels with other domains"
        raise ExperimentError(
            f"Experiment {record.id} searched another space than this model and evaluator have ({difference}). "
            "Resume with the model that it was started with, or start a new experiment."
        )


def _direction(config: RetiariiExeConfig, evaluator: Evaluator) -> Direction:
    if config.optimize_mode is not None:
        return Direction(config.optimize_mode)
    return evaluator.direction or Direction.MAXIMIZE
