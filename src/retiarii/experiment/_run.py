"""One run of an experiment: what `RetiariiExperiment.run` and `resume` put together and take apart again."""

from __future__ import annotations

import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from retiarii._lasting_output import lasting_output
from retiarii.errors import ExperimentError, ExperimentFailedError, SerializationError, StorageError
from retiarii.evaluator import Evaluator
from retiarii.execution import Executor
from retiarii.experiment._callbacks import Callback, CallbackList
from retiarii.experiment._clock import ExperimentClock
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.experiment._duration import parse_duration
from retiarii.experiment._engines import joint_space, make_engine
from retiarii.experiment._kept_files import KeptFiles
from retiarii.experiment._loop import Budget, Ending, SearchLoop
from retiarii.experiment._payload import Payload, pack, save_payload
from retiarii.experiment._progress import ProgressDisplay
from retiarii.experiment._stop import StopSignal
from retiarii.space import SearchSpace
from retiarii.storage import ExperimentRecord, ExperimentState, Store, new_experiment_id
from retiarii.strategy import Search
from retiarii.trial import Direction, TrialFiles, TrialState

logger = logging.getLogger(__name__)

_MANY = 10**6  # trials: the display does not say how many are left of more
_LEVELS = {"trace": logging.DEBUG, "fatal": logging.CRITICAL}


class ExperimentRun(ABC):
    """Everything that one run needs, made and closed together; `_search` is where runs differ.

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
        new_id: str | None = None,
        record: ExperimentRecord | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Check that everything fits, and enter a new experiment into the store.

        Args:
            payload: The model, evaluator, strategy and mutators.
            config: The settings.
            store: Where the experiment is kept.
            new_id: The id of a new experiment.
            record: The experiment to resume, if it is not a new one.
            callbacks: Told what happens.

        Raises:
            SerializationError: The model or the evaluator cannot travel to another process.
            ExperimentError: The experiment to resume has another search space.
            ConfigError: Settings do not go with the strategy.
        """
        self._payload, self._config, self._store, self._callbacks = payload, config, store, tuple(callbacks)
        self._check_settings()
        self._engine = make_engine(payload.base_model, payload.mutators, config, payload.evaluator)
        self._space = joint_space(self._engine, payload.evaluator)
        self._is_resumed = record is not None
        if record is not None:
            _check_same_space(record, self._space)
        self.record = record or self._create(new_id or new_experiment_id())
        self.stop = StopSignal(asked_elsewhere=lambda: store.stop_requested(self.record.id), raises=self._is_in_process)
        limit_s = parse_duration(config.max_experiment_duration, name="max_experiment_duration")
        self._clock = ExperimentClock(store, self.record, limit_s)
        self._displays: list[ProgressDisplay] = []

    def execute(self) -> None:
        """Search, and leave the experiment in the state in which it ended, whoever still watches.

        Raises:
            ExperimentFailedError: Every trial failed.
            ExperimentBusyError: Another process is running this experiment.
            KeyboardInterrupt: The user asked twice to stop.
        """
        logging.getLogger("retiarii").setLevel(self._log_level())
        with lasting_output(), self._store.lock(self.record.id), self._state_kept():
            with self.stop.listening():
                ending = self._search()
            self._conclude(ending)
        if self.stop.interrupted:
            raise KeyboardInterrupt(self._way_on)

    @abstractmethod
    def _check_settings(self) -> None:
        """Refuse settings and objects that do not go with the strategy, before anything is done.

        Raises:
            ConfigError: One does not.
        """

    @property
    @abstractmethod
    def _is_in_process(self) -> bool:
        """Whether the user's code runs in this process."""

    @abstractmethod
    def _search(self) -> Ending:
        """Search until the budget, the strategy or the user ends it."""

    def _run_trials(
        self,
        search: Search,
        executor: Executor,
        *,
        total: float | None,
        max_trials: int | None = None,
        is_timed: bool = True,
        when_exhausted: Ending = Ending.EXHAUSTED,
    ) -> Ending:
        """Run the trials that a search proposes.

        Args:
            search: A new search.
            executor: Runs them; closed in the end.
            total: How many there can be, where that is known.
            max_trials: At most so many, those before a resume included.
            is_timed: Whether ``max_experiment_duration`` ends them.
            when_exhausted: What to call it that the search has nothing left to propose.
        """
        kept = KeptFiles(self._trial_files(), self._config.keep_checkpoints, self.record.direction)
        budget = Budget(max_trials=max_trials, is_timed=is_timed, max_failures=self._config.max_failures)
        with executor:
            loop = SearchLoop(
                search,
                executor,
                self._store,
                self.record.id,
                seed=self.record.seed,
                budget=budget,
                clock=self._clock,
                callback=self._told((max_trials, total), kept),
                stop=self.stop,
                log=self._store.load_log(self.record.id) if self._is_resumed else None,
                when_exhausted=when_exhausted,
            )
            ending = loop.run()
        kept.sweep()
        return ending

    def _trial_files(self) -> TrialFiles:
        return TrialFiles(self._store.directory(self.record.id))

    def _told(self, limits: tuple[int | None, float | None], kept: KeptFiles) -> Callback:
        """Return everything that the loop tells what happens.

        Args:
            limits: How many trials are allowed, and how many architectures there are; None where that is not known.
            kept: Told last, so that the user's callbacks still find the files of a trial.
        """
        if self._config.progress is False:
            return CallbackList([*self._callbacks, kept])
        finite = [int(limit) for limit in limits if limit is not None and limit < _MANY]
        display = ProgressDisplay(
            f"{self.record.name} ({self.record.id})",
            min(finite, default=None),
            self.record.direction,
            at_most=limits[0],
            way_on=self._way_on,
        )
        self._displays.append(display)
        self.stop.on_request = lambda count: display.notify(self._answer(count))
        return CallbackList([display, *self._callbacks, kept])

    def _answer(self, count: int) -> str:
        """Return what to say to somebody who asks to stop for the first or second time."""
        if count == 1:
            return "Stopping after the trials that are running; Ctrl-C again stops at once."
        return f"Stopping now. {self._way_on}"

    @property
    def _way_on(self) -> str:
        return f"Go on with: {self._store.command(f'resume {self.record.id}')}"

    def _create(self, experiment_id: str) -> ExperimentRecord:
        payload, config = self._payload, self._config
        direction = payload.strategy.direction or _direction(config, payload.evaluator)
        config.seed = secrets.randbits(63) if config.seed is None else config.seed
        data = self._packed()
        record = ExperimentRecord(
            id=experiment_id,
            name=config.experiment_name or type(payload.base_model).__name__,
            direction=direction,
            seed=config.seed,
            strategy=repr(payload.strategy),
            config={
                "settings": config.to_json(),
                "evaluator_labels": [choice.label for choice in payload.evaluator.search_space],
            },
            space=self._space.to_json(),
        )
        self._store.create_experiment(record)
        if data is not None:
            try:
                save_payload(self._store.directory(record.id), data)
            except StorageError:
                with suppress(StorageError):  # nothing has run yet, and it could not be resumed
                    self._store.delete_experiment(record.id)
                raise
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

    @contextmanager
    def _state_kept(self) -> Iterator[None]:
        """Say in the store that the experiment is running, and how it ended if something is raised."""
        self._store.update_experiment(self.record.id, state=ExperimentState.RUNNING, message="")
        self._clock.start({**self.record.config, "settings": self._config.to_json()})
        self._clock.note()
        if self._clock.is_up:
            logger.warning(
                "Experiment %s has no time left: it ran for %.0f s, and max_experiment_duration is %s. Give it more: "
                "%s --max-experiment-duration ...",
                self.record.id,
                self._clock.spent_s,
                self._config.max_experiment_duration,
                self._store.command(f"resume {self.record.id}"),
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
            with suppress(StorageError):
                self._clock.note()
            for display in self._displays:
                display.close()

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
