"""`Objectives`: the metrics that a search improves, with their directions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from retiarii.errors import ConfigError, MetricError
from retiarii.trial._metrics import DEFAULT
from retiarii.trial._trial import Trial


class Direction(str, Enum):
    """Whether a larger or a smaller metric is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    def is_better(self, left: float, right: float) -> bool:
        """Return whether ``left`` is strictly better than ``right``."""
        return left > right if self is Direction.MAXIMIZE else left < right

    def loss(self, value: float) -> float:
        """Return a number that is smaller where the metric is better."""
        return -value if self is Direction.MAXIMIZE else value


@dataclass(frozen=True)
class Objective:
    """One metric to improve.

    Attributes:
        metric: Its name.
        direction: Whether a larger or a smaller one is better.
    """

    metric: str = DEFAULT
    direction: Direction = Direction.MAXIMIZE


ObjectivesLike: TypeAlias = "Objectives | Direction | str | Mapping[str, Direction | str]"
"""The arguments of `Objectives.of`: objectives, a direction, or a mapping from metrics to directions."""


@dataclass(frozen=True)
class Objectives:
    """The metrics that a search improves. Trials are ranked by the first one.

    Attributes:
        items: One objective, or several.

    Raises:
        ConfigError: ``items`` is empty, or names a metric twice.
    """

    items: tuple[Objective, ...] = (Objective(),)

    def __post_init__(self) -> None:
        if not self.items or len({item.metric for item in self.items}) < len(self.items):
            raise ConfigError(f"Objectives({list(self.items)}): expected at least one, each of another metric.")

    @classmethod
    def of(cls, objectives: ObjectivesLike) -> Objectives:
        """Return objectives from one of the forms in which users write them.

        Args:
            objectives: ``"maximize"`` or ``"minimize"``, for the default metric; or a mapping from names of metrics to
                directions, such as ``{"accuracy": "maximize", "params": "minimize"}``.

        Raises:
            ConfigError: ``objectives`` has none of these forms.
        """
        if isinstance(objectives, Objectives):
            return objectives
        if isinstance(objectives, str):  # a Direction is one
            return cls((Objective(DEFAULT, _direction(objectives, "direction")),))
        if not isinstance(objectives, Mapping) or not all(isinstance(name, str) for name in objectives):
            raise ConfigError(
                f"objectives is {objectives!r}, expected a mapping from names of metrics to 'maximize' or 'minimize', "
                "for example {'accuracy': 'maximize', 'params': 'minimize'}."
            )
        return cls(tuple(Objective(name, _direction(d, f"objectives[{name!r}]")) for name, d in objectives.items()))

    def __iter__(self) -> Iterator[Objective]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        return ", ".join(f"{item.direction.value} {item.metric}" for item in self.items)

    @property
    def primary(self) -> Objective:
        """The first objective, by which trials are ranked."""
        return self.items[0]

    @property
    def direction(self) -> Direction:
        """The direction of the first objective."""
        return self.items[0].direction

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return tuple(item.metric for item in self.items)

    def directed(self, direction: Direction | None) -> Objectives:
        """Return these objectives with the direction that a strategy's options set for a single objective.

        Raises:
            ConfigError: There are several objectives, each with a direction of its own.
        """
        if direction is None or (direction is self.direction and len(self) == 1):
            return self
        if len(self) > 1:
            raise ConfigError(
                f"The strategy has optimize_mode={direction.value!r}, but the experiment has {len(self)} objectives "
                f"({self}), each with its own direction. Leave optimize_mode out of the strategy."
            )
        return Objectives((Objective(self.primary.metric, direction),))

    def check(self, metrics: Mapping[str, float], *, where: str = "The final result") -> None:
        """Check that all objectives were reported, as finite numbers.

        Raises:
            MetricError: An objective is missing or is not finite.
        """
        for name in self.names:
            if name not in metrics:
                raise MetricError(
                    f"{where} is a mapping with the keys {sorted(metrics)}, and none of them is {name!r}, by which "
                    f"trials are compared. Report it, for example {{{name!r}: accuracy, ...}}, or name other "
                    "objectives: RetiariiExeConfig(objectives={'accuracy': 'maximize'})."
                )
            if not math.isfinite(metrics[name]):
                raise MetricError(
                    f"{where} is {name} = {metrics[name]}, which cannot be compared with other trials. Expected a "
                    "finite number; check the loss for a division by zero or a learning rate that is too high."
                )

    def losses(self, metrics: Mapping[str, float] | None) -> tuple[float, ...] | None:
        """Return one number for each objective, smaller being better; None if one is missing or not finite."""
        if metrics is None:
            return None
        try:
            losses = tuple(item.direction.loss(metrics[item.metric]) for item in self.items)
        except KeyError:
            return None
        return losses if all(map(math.isfinite, losses)) else None

    def rank(self, trial: Trial) -> tuple[float, float, int] | None:
        """Return the sort key of a trial: feasible trials first, then by the first objective, then by number.

        Returns:
            The key, smaller being better; None if the trial is not completed or lacks an objective.
        """
        if not trial.is_completed:
            return None
        primary = self.items[0]
        value = (trial.metrics or {}).get(primary.metric)
        if value is None or not math.isfinite(value):
            return None
        return trial.violation, primary.direction.loss(value), trial.number

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return the trials that can be compared, best first."""
        keyed = [(key, trial) for trial in trials if (key := self.rank(trial)) is not None]
        return [trial for _, trial in sorted(keyed, key=lambda pair: pair[0])]

    def to_json(self) -> list[list[str]]:
        """Return pairs of metric and direction, as plain data."""
        return [[item.metric, item.direction.value] for item in self.items]

    @classmethod
    def from_json(cls, data: Sequence[Sequence[Any]]) -> Objectives:
        """Read the data that `to_json` returned.

        Raises:
            ConfigError: ``data`` is something else.
        """
        try:
            return cls(tuple(Objective(str(metric), Direction(direction)) for metric, direction in data))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"The objectives {data!r} are not pairs of a metric and a direction.") from error


def _direction(value: Any, name: str) -> Direction:
    try:
        return Direction(value)
    except ValueError:
        raise ConfigError(f"{name} is {value!r}, expected 'maximize' or 'minimize'.") from None
