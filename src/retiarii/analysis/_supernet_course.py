"""`SupernetCourse`: what the epochs of a one-shot search say, as numbers over time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retiarii.storage import EpochRecord

_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelCourse:
    """How the probabilities of one label's candidates changed.

    Attributes:
        label: The label.
        candidates: The names of its candidates.
        probabilities: Of each candidate in each epoch, ``[epochs, candidates]``; NaN where the store has none.
        entropy: Of each epoch, in nats; NaN where the store has none.
        max_entropy: The entropy where all values are equally probable, in nats; NaN where the store has none.
        sampled: How often each candidate was in the sampled paths of the last epoch.
    """

    label: str
    candidates: tuple[str, ...]
    probabilities: _Numbers
    entropy: _Numbers
    max_entropy: float
    sampled: tuple[int, ...]

    @property
    def openness(self) -> float:
        """The last entropy as a share of the largest one: 1 is undecided, 0 is decided."""
        known = self.entropy[np.isfinite(self.entropy)]
        return float(known[-1]) / self.max_entropy if len(known) and self.max_entropy > 0 else 0.0


@dataclass(frozen=True)
class SampledPath:
    """An architecture that a single-path search trained in its last epoch.

    Attributes:
        choices: For each label the name of the chosen candidate.
        count: How often it was sampled.
    """

    choices: Mapping[str, str]
    count: int


@dataclass(frozen=True)
class SupernetCourse:
    """The epochs of a one-shot search as columns.

    Attributes:
        number: The numbers of the epochs.
        time: The Unix times of their ends, seconds.
        labels: The most undecided label first.
        metrics: The metrics of the supernet in each epoch; NaN where one is missing.
        temperature: Of each epoch; NaN for strategies without one.
        is_learnt: Whether the probabilities are learnt.
        num_sampled: How many paths the last epoch sampled.
        paths: The most frequent sampled paths of the last epoch.
    """

    number: npt.NDArray[np.int32]
    time: _Numbers
    labels: tuple[LabelCourse, ...]
    metrics: Mapping[str, _Numbers]
    temperature: _Numbers
    is_learnt: bool
    num_sampled: int
    paths: tuple[SampledPath, ...]

    @property
    def mean_entropy(self) -> _Numbers:
        """The mean entropy over labels in each epoch, in nats."""
        return _row_means([label.entropy for label in self.labels], len(self.number))

    @property
    def mean_max_entropy(self) -> float:
        """The mean of the largest entropies, in nats; NaN if no label has one."""
        known = [label.max_entropy for label in self.labels if math.isfinite(label.max_entropy)]
        return sum(known) / len(known) if known else math.nan

    def label(self, name: str) -> LabelCourse | None:
        """Return the course of one label; None if there is none of this name."""
        return next((course for course in self.labels if course.label == name), None)


def supernet_course(epochs: Sequence[EpochRecord], *, num_paths: int = 10) -> SupernetCourse:
    """Return the epochs of a one-shot search as numbers over time; values that are no numbers count as missing.

    Args:
        epochs: The epochs, oldest first.
        num_paths: How many of the most frequent sampled paths to keep.
    """
    last = epochs[-1].record if epochs else {}
    paths = _sampled(last.get("sampled"))
    labels = [_label_course(label, epochs, paths) for label in _labels(epochs)]
    names = dict.fromkeys(name for epoch in epochs for name in epoch.metrics)
    frequent = Counter(tuple(sorted(path.items())) for path in paths).most_common(num_paths)
    return SupernetCourse(
        number=np.array([epoch.number for epoch in epochs], np.int32),
        time=np.array([epoch.time for epoch in epochs], np.float64),
        labels=tuple(sorted(labels, key=lambda label: -label.openness)),
        metrics={name: np.array([epoch.metrics.get(name, np.nan) for epoch in epochs], np.float64) for name in names},
        temperature=np.array([_number(epoch.record.get("temperature")) for epoch in epochs], np.float64),
        is_learnt=last.get("is_learnt", True) is not False,
        num_sampled=len(paths),
        paths=tuple(SampledPath(dict(path), count) for path, count in frequent),
    )


def candidate_name(text: str) -> str:
    """Return the name of a candidate from the JSON text that stands for it in records of epochs."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text


def _labels(epochs: Sequence[EpochRecord]) -> list[str]:
    return list(dict.fromkeys(label for epoch in epochs for label in _part(epoch, "probabilities")))


def _label_course(label: str, epochs: Sequence[EpochRecord], paths: Sequence[Mapping[str, str]]) -> LabelCourse:
    shares = [_object(_part(epoch, "probabilities").get(label)) for epoch in epochs]
    texts = list(dict.fromkeys(text for share in shares for text in share))
    largest = [_number(_part(epoch, "max_entropy").get(label)) for epoch in epochs[-1:]]
    names = tuple(candidate_name(text) for text in texts)
    counts = Counter(chosen for path in paths for chosen in _members(path.get(label)))
    return LabelCourse(
        label=label,
        candidates=names,
        probabilities=np.array([[_number(share.get(text)) for text in texts] for share in shares], np.float64).reshape(
            len(epochs), len(texts)
        ),
        entropy=np.array([_number(_part(epoch, "entropy").get(label)) for epoch in epochs], np.float64),
        max_entropy=largest[0] if largest else math.nan,
        sampled=tuple(counts[name] for name in names),
    )


def _sampled(value: object) -> list[dict[str, str]]:
    """Return stored paths, with the names of the chosen candidates."""
    found = value if isinstance(value, list) else []
    return [{str(label): _name(chosen) for label, chosen in path.items()} for path in found if isinstance(path, dict)]


def _name(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _members(name: str | None) -> Sequence[str]:
    """Return a chosen candidate, or the members of a chosen subset."""
    if name is None or not name.startswith("["):
        return () if name is None else (name,)
    try:
        members = json.loads(name)
    except (ValueError, RecursionError):
        return (name,)
    return (name, *map(_name, members)) if isinstance(members, list) else (name,)


def _part(epoch: EpochRecord, name: str) -> Mapping[str, Any]:
    return _object(epoch.record.get(name))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _row_means(columns: Sequence[_Numbers], length: int) -> _Numbers:
    if not columns:
        return np.full(length, np.nan)
    stacked = np.stack(columns)
    known = np.isfinite(stacked)
    counts = known.sum(axis=0)
    sums = np.where(known, stacked, 0.0).sum(axis=0)
    means: _Numbers = np.divide(sums, counts, out=np.full(length, np.nan), where=counts > 0)
    return means
