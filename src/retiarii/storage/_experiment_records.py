"""The records of a store other than trials: experiments, intermediate results, epochs, failure reasons, logs."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from retiarii import _plain_data as plain
from retiarii._version import __version__
from retiarii.errors import ConfigError
from retiarii.storage._artefacts import ID_RULE, is_id
from retiarii.trial import Direction, FailureKind, Metrics, Objectives, Proposal, Trial

SPENT = "spent_s"
"""The entry of `ExperimentRecord.config` from which `ExperimentRecord.spent_s` is read."""

MAX_TAGS = 32
MAX_TAG_LETTERS = 64

_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: without i, l, o and u, which are easily confused


def new_experiment_id() -> str:
    """Return a new id of eight letters and digits (40 random bits), which is also a folder name."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))


class ExperimentState(str, Enum):
    """The state of an experiment, as its own process wrote it.

    The experiment of a killed process stays `RUNNING`; `Store.is_running` returns whether a process really runs it.
    """

    RUNNING = "running"
    STOPPED = "stopped"  # before its end, by Ctrl-C or by request: it can be resumed
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class ExperimentRecord:
    """The stored data of one experiment, without its trials.

    Attributes:
        id: At most 64 letters, digits, ``_``, ``-`` and ``.``, beginning with a letter or digit; unique in the store.
        name: The name that the user gave it; it need not be unique.
        state: Its state.
        objectives: The metrics to improve; trials are ranked by the first.
        seed: The seed of its strategy.
        strategy: A readable description of the strategy.
        config: Its settings, as plain JSON data.
        space: Its search space, as `SearchSpace.to_json` returns it.
        created: The Unix time of its creation, in seconds.
        updated: The Unix time of the last change, including its trials (accurate to about a second).
        pid: The process that holds its lock, or held it when it was killed; None after an orderly end.
        host: The machine of that process.
        version: The version of retiarii that created it.
        message: The reason for which it failed or stopped.
        stop_requested: Whether the running process was asked to stop.
        tags: Short texts by which users group experiments, at most 32 of at most 64 letters, each once.
    """

    id: str
    name: str = ""
    state: ExperimentState = ExperimentState.RUNNING
    objectives: Objectives = field(default_factory=Objectives)
    seed: int = 0
    strategy: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    space: dict[str, Any] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    pid: int | None = None
    host: str | None = None
    version: str = __version__
    message: str = ""
    stop_requested: bool = False
    tags: tuple[str, ...] = ()

    @property
    def direction(self) -> Direction:
        """Whether larger or smaller values of the first objective are better."""
        return self.objectives.direction

    @property
    def spent_s(self) -> float:
        """The running time of all its runs together in seconds; stored every few seconds while it runs."""
        found = self.config.get(SPENT, 0.0)
        is_time = isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found) and found > 0
        return float(found) if is_time else 0.0

    def changed(self, **changes: Any) -> ExperimentRecord:
        """Return the record with changed fields; ``updated`` becomes the current time unless it is given.

        Raises:
            ConfigError: A field does not exist or cannot change (the id, and the metric that ranks the trials), or a
                tag is not a short text.
        """
        known = [field.name for field in fields(self) if field.name != "id"]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise ConfigError(f"An experiment has no fields {unknown} that can change. Expected some of {known}.")
        if "tags" in changes:
            changes["tags"] = checked_tags(changes["tags"])
        changed = replace(self, **{"updated": time.time(), **changes})
        stored, wanted = self.objectives.primary.metric, Objectives.of(changed.objectives).primary.metric
        if wanted != stored:
            raise ConfigError(
                f"Experiment {self.id!r} ranks its trials by the metric {stored!r}, which cannot change to {wanted!r}. "
                "Start a new experiment with other objectives."
            )
        return changed

    def check_id(self) -> None:
        """Check that the id can name a folder.

        Raises:
            ConfigError: The id cannot name a folder.
        """
        if not is_id(self.id):
            raise ConfigError(
                f"{self.id!r} cannot be the id of an experiment, which names a folder too: expected {ID_RULE}."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON data, a copy.

        NUL characters and lone surrogates in texts are replaced.

        Raises:
            ConfigError: The id cannot name a folder, the configuration or space is not plain JSON data, or a tag is
                not a short text.
        """
        self.check_id()
        return {
            "id": self.id,
            "name": plain.clean_text(self.name),
            "state": ExperimentState(self.state).value,
            "objectives": Objectives.of(self.objectives).to_json(),
            "seed": self.seed,
            "strategy": plain.clean_text(self.strategy),
            "config": plain.plain_copy("config of an experiment", self.config),
            "space": plain.plain_copy("space of an experiment", self.space),
            "created": self.created,
            "updated": self.updated,
            "pid": self.pid,
            "host": None if self.host is None else plain.clean_text(self.host),
            "version": self.version,
            "message": plain.clean_text(self.message),
            "stop_requested": self.stop_requested,
            "tags": list(checked_tags(self.tags)),
        }

    @classmethod
    def from_json(cls, data: Any) -> ExperimentRecord:
        """Read the data that `to_json` returned, or a JSON object with some of its fields: the id at least.

        Every value is checked; no code is run. The record shares nothing with the data.

        Raises:
            RecordError: ``data`` is something else.
        """
        return cls(**plain.read_fields("an experiment", data, _EXPERIMENT_READERS, required=("id",)))


def checked_tags(tags: object) -> tuple[str, ...]:
    """Return the tags of an experiment, without spaces around them and each once.

    Raises:
        ConfigError: There are more than 32, or one is empty, longer than 64 letters, or not a text of one line.
    """
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise ConfigError(f"The tags of an experiment are {plain.shown(tags)}, expected a list of short texts.")
    found: dict[str, None] = {}
    for tag in tags:
        text = tag.strip() if isinstance(tag, str) else ""
        if not 0 < len(text) <= MAX_TAG_LETTERS or not text.isprintable():
            raise ConfigError(
                f"{plain.shown(tag)} cannot be the tag of an experiment: expected a text of one line, 1 to "
                f"{MAX_TAG_LETTERS} letters."
            )
        found[text] = None
    if len(found) > MAX_TAGS:
        raise ConfigError(f"An experiment can have {MAX_TAGS} tags, found {len(found)}. Remove some.")
    return tuple(found)


def _read_tags(value: Any) -> tuple[str, ...]:
    return checked_tags(plain.sequence(plain.text)(value))


def _read_id(value: Any) -> str:
    if not is_id(value):
        raise ValueError(f"found {plain.shown(value)}, expected {ID_RULE}")
    return str(value)


_EXPERIMENT_READERS: dict[str, plain.Reader[Any]] = {
    "id": _read_id,
    "name": plain.text,
    "state": plain.one_of(ExperimentState),
    "objectives": Objectives.from_json,
    "seed": plain.count,
    "strategy": plain.text,
    "config": plain.plain_object,
    "space": plain.plain_object,
    "created": plain.moment,
    "updated": plain.moment,
    "pid": plain.optional(plain.count),
    "host": plain.optional(plain.text),
    "version": plain.text,
    "message": plain.text,
    "stop_requested": plain.flag,
    "tags": _read_tags,
}


@dataclass(frozen=True)
class Intermediate:
    """Metrics that a trial reported before its end.

    Attributes:
        number: The trial's number.
        step: 0, 1, 2, ... in the order of reporting: the position in `Trial.intermediates`.
        metrics: The reported metrics, which may be NaN or infinite.
        time: Unix time of the report, seconds.
    """

    number: int
    step: int
    metrics: Metrics
    time: float = field(default_factory=time.time)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON data; numbers that are not finite are strings, as in `Trial.to_json`."""
        metrics = plain.metrics_to_json(self.metrics)
        return {"number": self.number, "step": self.step, "metrics": metrics, "time": self.time}

    @classmethod
    def from_json(cls, data: Any) -> Intermediate:
        """Read the data that `to_json` returned.

        Raises:
            RecordError: ``data`` is something else.
        """
        readers = {"number": plain.count, "step": plain.count, "metrics": plain.metrics, "time": plain.moment}
        return cls(**plain.read_fields("an intermediate result", data, readers, required=tuple(readers)))


@dataclass(frozen=True)
class EpochRecord:
    """One epoch in the training of a supernet.

    Attributes:
        number: The number of the epoch, from 0.
        record: The state of the search at its end, as `retiarii.oneshot.SearchRecord.to_json` returns it.
        metrics: The metrics of the supernet, which may be NaN or infinite.
        time: Unix time of its end, seconds.
    """

    number: int
    record: dict[str, Any] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=dict)
    time: float = field(default_factory=time.time)

    def to_json(self) -> dict[str, Any]:
        """Return the epoch as plain JSON data, a copy.

        Raises:
            ConfigError: The record is not plain JSON data.
        """
        record, metrics = plain.plain_copy("record of an epoch", self.record), plain.metrics_to_json(self.metrics)
        return {"number": self.number, "record": record, "metrics": metrics, "time": self.time}

    @classmethod
    def from_json(cls, data: Any) -> EpochRecord:
        """Read the data that `to_json` returned. The epoch shares nothing with the data.

        Raises:
            RecordError: ``data`` is something else.
        """
        readers = {"number": plain.count, "record": plain.plain_object, "metrics": plain.metrics, "time": plain.moment}
        return cls(**plain.read_fields("an epoch", data, readers, required=tuple(readers)))


@dataclass(frozen=True)
class FailureReason:
    """A reason for which trials failed, with the number of these trials.

    Attributes:
        kind: The kind of failure.
        message: The message of these failures.
        count: The number of trials.
        example: The number of the first of these trials.
    """

    kind: FailureKind
    message: str
    count: int
    example: int


@dataclass(frozen=True)
class ExperimentProgress:
    """How far an experiment is, in numbers that a store finds without reading trials.

    Attributes:
        state: The state of the experiment, as its own process wrote it.
        updated: The Unix time of its last change, in seconds.
        stop_requested: Whether the running process was asked to stop.
        last_trial: The largest number of a trial; -1 without trials.
        reports: For each running trial the number of its intermediate results, by trial number.
        last_epoch: The largest number of an epoch of a one-shot search; -1 without epochs.
    """

    state: ExperimentState
    updated: float
    stop_requested: bool
    last_trial: int
    reports: Mapping[int, int]
    last_epoch: int


@dataclass(frozen=True)
class ExperimentLog:
    """The log of a search for an exact resume: its proposals and results, in order.

    The trials lack printed output and tracebacks. Trials of a database are packed, so that a million take 100 MB, and
    are made anew at each access: iterate instead of copying.

    Attributes:
        asked: The proposals of the strategy, by trial number: 0, 1, 2, ...
        told: The ended trials, in the order in which they ended.
        pending: The trials that had not ended, by number.
    """

    asked: Sequence[Proposal]
    told: Sequence[Trial]
    pending: list[Trial]
