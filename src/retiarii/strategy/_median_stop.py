"""`MedianStop`: prune trials whose intermediate results are below the median of earlier trials."""

from __future__ import annotations

import bisect
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from retiarii._counted import counted
from retiarii.errors import ConfigError
from retiarii.space import SearchSpace
from retiarii.strategy._options import check_whole
from retiarii.strategy._wrapper import SearchWrapper
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import Search
from retiarii.trial import Direction, Fidelity, ObjectivesLike, Trial


@dataclass(frozen=True)
class MedianStop(Strategy):
    """Wraps another strategy and prunes its trials that do worse than the median of earlier ones.

    A trial is judged at each intermediate report of the first objective. It is pruned if its best value so far is worse
    than the median of the running means that the completed trials had at the same step. NaN is worse than all numbers.
    A trial is compared with trials of the same fidelity; a trial that continues another one only with trials that also
    did. A trial that never reports the objective is never pruned.

    ::

        strategy.MedianStop(strategy.RegularizedEvolution())

    Args:
        strategy: The strategy that proposes the trials.
        warmup_steps: The number of first reports of a trial that are not judged.
        min_trials: The number of completed trials with as many reports that are needed to judge a trial.

    Raises:
        ConfigError: An option has an invalid value.

    Reference:
        Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD 2017, section 3.2.2. Deviations:
        ``min_trials`` and ``warmup_steps`` are not in the paper, nor are fidelities.
    """

    strategy: Strategy
    warmup_steps: int = field(default=0, kw_only=True)
    min_trials: int = field(default=5, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.strategy, Strategy):
            raise ConfigError(
                f"MedianStop(strategy={self.strategy!r}): expected a multi-trial strategy, for example Random()."
            )
        check_whole(self, "warmup_steps", 0)
        check_whole(self, "min_trials", 1)

    @property
    def direction(self) -> Direction | None:
        """The direction of the inner strategy."""
        return self.strategy.direction

    @property
    def fidelities(self) -> Collection[str]:
        """The fidelities of the inner strategy."""
        return self.strategy.fidelities

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> MedianStopSearch:
        """Start a search; see `Strategy.search`."""
        return MedianStopSearch(self, self.strategy.search(space, seed=seed, objectives=objectives))


class MedianStopSearch(SearchWrapper):
    """A running `MedianStop` search."""

    def __init__(self, options: MedianStop, inner: Search) -> None:
        super().__init__(inner)
        self._options = options
        self.prunes = True
        # For trials of the same kind and for each step, over the completed ones: the mean up to that step, sorted.
        self._means: dict[tuple[Fidelity, bool], list[list[float]]] = {}

    def should_prune(self, trial: Trial) -> str | None:
        """Return a reason to prune the trial, from the inner search or from the median; None to continue it."""
        reason = super().should_prune(trial)
        return self._judge(trial) if reason is None else reason

    def _judge(self, trial: Trial) -> str | None:
        metric = self.objectives.primary.metric
        if metric not in trial.intermediates[-1]:
            return None
        losses = self._losses(trial)
        step = len(losses)
        steps = self._means.get(_kind(trial), [])
        means = steps[step - 1] if step <= len(steps) else []
        if step <= self._options.warmup_steps or len(means) < self._options.min_trials:
            return None
        best, middle = min(losses), _median(means)
        if best <= middle:
            return None
        value = f"{self.direction.loss(best):.6g}" if best < math.inf else "no number"  # the loss is turned back
        return (
            f"its best {metric} in {counted(step, 'report')} is {value}, and the median of "
            f"{counted(len(means), 'trial')} is {self.direction.loss(middle):.6g}"
        )

    def _on_tell(self, trial: Trial) -> None:
        super()._on_tell(trial)
        if not trial.is_completed:
            return
        steps = self._means.setdefault(_kind(trial), [])
        for index, total in enumerate(accumulate(self._losses(trial))):
            if index == len(steps):
                steps.append([])
            bisect.insort(steps[index], total / (index + 1))

    def _losses(self, trial: Trial) -> list[float]:
        """Return the reported values of the first objective as losses (smaller is better); infinity for NaN."""
        metric = self.objectives.primary.metric
        values = (report[metric] for report in trial.intermediates if metric in report)
        return [self.direction.loss(value) if math.isfinite(value) else math.inf for value in values]


def _kind(trial: Trial) -> tuple[Fidelity, bool]:
    """Return the key of trials whose reports are comparable step by step."""
    return trial.fidelity, trial.parent is not None


def _median(ascending: Sequence[float]) -> float:
    half = len(ascending) // 2
    return ascending[half] if len(ascending) % 2 else (ascending[half - 1] + ascending[half]) / 2
