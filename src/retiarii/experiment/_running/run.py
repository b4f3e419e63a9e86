"""`ExperimentRun`: one run of an experiment: prepare, search, conclude."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from retiarii._durations import parse_duration
from retiarii._lasting_output import lasting_output
from retiarii.errors import ExperimentError, ExperimentFailedError, SerializationError, StorageError
from retiarii.evaluator import Evaluator
from retiarii.execution import Executor
from retiarii.experiment._control.callbacks import Callback
from retiarii.experiment._control.experiment_clock import ExperimentClock
from retiarii.experiment._control.stop_signal import Ending, StopSignal
from retiarii.experiment._running.background_drawing import BackgroundDrawing
from retiarii.experiment._running.plan import make_plan
from retiarii.experiment._running.session import Session
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.experiment._stored_objects.signed_payload import Payload, pack, save_payload
from retiarii.space import Searchable, SearchSpace
from retiarii.storage import ExperimentRecord, ExperimentState, Store, new_experiment_id
from retiarii.trial import Direction, Objectives, TrialState

logger = logging.getLogger(__name__)

_LEVELS = {"trace": logging.DEBUG, "fatal": logging.CRITICAL}


class ExperimentRun:
    """One run of an experiment. The constructor prepares it, `execute` searches and stores the final state.

    Attributes:
        record: The experiment in the store.
        stop: The stop signal.
    """

    def __init__(
        self,
        payload: Payload,
        config: RetiariiExeConfig,
        store: Store,
        *,
        new_id: str | None = None,
        record: ExperimentRecord | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Check settings and objects, and write a new experiment to the store.

        Args:
            payload: The user's objects.
            config: The settings.
            store: The store of the experiment.
            new_id: The id of a new experiment.
            record: The experiment to resume; None for a new one.
            callbacks: The user's callbacks.

        Raises:
            SerializationError: The model or the evaluator cannot be sent to another process.
            ExperimentError: The experiment to resume has another search space or other objectives.
            ConfigError: Settings do not fit the strategy.
        """
        self._payload, self._config, self._store = payload, config, store
        self._plan = make_plan(payload, config)
        objectives = _objectives(config, payload.evaluator).directed(payload.strategy.direction)
        if record is not None:
            _check_same(record, self._plan.space, objectives)
        self.record = record or self._create(new_id or new_experiment_id(), objectives)
        self.stop = StopSignal(
            asked_elsewhere=lambda: store.stop_requested(self.record.id), raises=self._plan.is_in_process
        )
        self._drawing = BackgroundDrawing(store, self.record.id, self._plan.drawer(payload, config))
        limit_s = parse_duration(config.max_experiment_duration, name="max_experiment_duration")
        self._session = Session(
            self.record,
            config,
            store,
            ExperimentClock(store, self.record, limit_s, is_simulated=self._plan.is_simulated),
            self.stop,
            (*callbacks, self._drawing),
            is_resumed=record is not None,
            is_simulated=self._plan.is_simulated,
        )

    @property
    def has_display(self) -> bool:
        """Whether the progress is displayed."""
        return self._config.progress is not False

    def execute(self) -> None:
        """Search, and store the final state of the experiment, even if the terminal is closed meanwhile.

        Raises:
            ExperimentFailedError: Every trial failed.
            ExperimentBusyError: Another process is running this experiment.
            KeyboardInterrupt: The user asked twice to stop.
        """
        logging.getLogger("retiarii").setLevel(self._log_level())
        with lasting_output(), self._store.lock(self.record.id), self._state_kept(), self._session.told():
            self._drawing.start()
            with self.stop.listening():
                ending = self._plan.search(self._session)
            self._drawing.finish()
            self._conclude(ending)
        if self.stop.interrupted:
            raise KeyboardInterrupt(self._session.way_on)

    def _create(self, experiment_id: str, objectives: Objectives) -> ExperimentRecord:
        payload, config = self._payload, self._config
        config.seed = secrets.randbits(63) if config.seed is None else config.seed
        data = self._packed()
        record = ExperimentRecord(
            id=experiment_id,
            name=config.experiment_name or _name_of(payload.base_model),
            objectives=objectives,
            seed=config.seed,
            strategy=repr(payload.strategy),
            config={
                "settings": config.to_json(),
                "evaluator_labels": [choice.label for choice in payload.evaluator.search_space],
            },
            space=self._plan.space.to_json(),
        )
        self._store.create_experiment(record)
        if data is not None:
            try:
                save_payload(self._store.directory(record.id), data)
            except StorageError:
                with suppress(StorageError):  # nothing has run yet
                    self._store.delete_experiment(record.id)
                raise
        return record

    def _packed(self) -> bytes | None:
        """Return the pickled payload for a resume; None if it cannot be pickled and trials do not need it."""
        try:
            return pack(self._payload)
        except SerializationError as error:
            if not self._plan.is_in_process and not isinstance(self._config.executor, Executor):
                raise  # the executor must send the task to the trials
            logger.info("This experiment can be resumed from its script only: %s", error)
            return None

    @contextmanager
    def _state_kept(self) -> Iterator[None]:
        """Set the stored state to running in the block, and to stopped if an exception is raised."""
        clock = self._session.clock
        self._store.update_experiment(self.record.id, state=ExperimentState.RUNNING, message="")
        clock.start({**self.record.config, "settings": self._config.to_json()})
        clock.note()
        if clock.is_up:
            logger.warning(
                "Experiment %s has no time left: it ran for %.0f s, and max_experiment_duration is %s. Give it more: "
                "%s --max-experiment-duration ...",
                self.record.id,
                clock.spent_s,
                self._config.max_experiment_duration,
                self._store.command(f"resume {self.record.id}"),
            )
        try:
            yield
        except ExperimentFailedError:
            raise  # the state is already stored
        except BaseException as error:
            with suppress(StorageError):  # a full disk must not hide the reason of the stop
                self._finish(ExperimentState.STOPPED, f"{type(error).__name__}: {error}")
            raise
        finally:
            with suppress(StorageError):
                clock.note()
            self._drawing.close()
            self._session.close()

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
        who = f"All {failed} trials of experiment {self.record.id}"
        if failed == 1:
            who = f"The only trial of experiment {self.record.id}"
        details = f"\n\n{traceback.rstrip()}\n" if traceback else ""
        return (
            f"{who} failed. The most frequent reason, {worst.count} of {failed} "
            f"({worst.kind.value}): {worst.message}{details}\n"
            "To find the cause, run one architecture in this process, where a "
            "breakpoint works: retiarii.debug_mutated_model(base_model, evaluator)."
        )

    def _log_level(self) -> int | str:
        level = "debug" if self._config.debug else self._config.log_level
        return _LEVELS.get(level, level.upper())


def _check_same(record: ExperimentRecord, space: SearchSpace, objectives: Objectives) -> None:
    if record.space != space.to_json():
        stored = SearchSpace.from_json(record.space)
        only = sorted({choice.label for choice in stored} ^ {choice.label for choice in space})
        difference = f"labels in only one of them: {only}" if only else "the same labels with other domains"
        raise ExperimentError(
            f"Experiment {record.id} searched another space than this model and evaluator have ({difference}). "
            "Resume with the model that it was started with, or start a new experiment."
        )
    if record.objectives != objectives:
        raise ExperimentError(
            f"Experiment {record.id} has the objectives: {record.objectives}; these settings have: {objectives}. "
            "Resume with those that it was started with, or start a new experiment."
        )


def _objectives(config: RetiariiExeConfig, evaluator: Evaluator) -> Objectives:
    if config.objectives is not None:
        return Objectives.of(config.objectives)
    return Objectives.of(config.optimize_mode or evaluator.direction or Direction.MAXIMIZE)


def _name_of(model: Any) -> str:
    return model.name if isinstance(model, Searchable) else type(model).__name__
