"""`MedianStop`: ends trials that do worse on the way than most trials did."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median

from retiarii.errors import ConfigError
from retiarii.space import SearchSpace
from retiarii.strategy._options import check_whole
from retiarii.strategy._search import Search
from retiarii.strategy._strategy import Strategy
from retiarii.strategy._wrapper import SearchWrapper
from retiarii.trial import Direction, ObjectivesLike, Trial


@dataclass(frozen=True)
class MedianStop(Strategy):
    """Let another strategy propose, and end those trials early that do worse than the median of earlier ones.

    A trial is judged each time it reports an intermediate result: it is pruned if the best that it has reported so far
    is worse than the median, over the completed trials, of the mean of what they had reported by then. A trial that
    reports nothing is never pruned.

    ::

        strategy.MedianStop(strategy.RegularizedEvolution())

    Args:
        strategy: Proposes the trials.
        warmup_steps: How many reports of a trial are never judged.
        min_trials: How many trials must have completed (and reported as often) before any is judged.

    Raises:
        ConfigError: An option is not what it should be.

    Reference:
        Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD 2017, section 3.2.2. Deviation:
        ``min_trials`` and ``warmup_steps`` are not in the paper.
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
        """That of the inner strategy."""
        return self.strategy.direction

    @property
    def fidelities(self) -> Collection[str]:
        """Those of the inner strategy."""
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
        self._means: list[list[float]] = []  # of each step, over the completed trials: the mean up to that step

    def should_prune(self, trial: Trial) -> str | None:
        """Return why a trial is ended, if the inner search or the median says so."""
        reason = super().should_prune(trial)
        step = len(trial.intermediates)
        if reason is not None or step <= self._options.warmup_steps or step > len(self._means):
            return reason
        means = self._means[step - 1]
        if len(means) < self._options.min_trials:
            return None
        best = min(self._losses(trial), default=math.inf)
        middle = median(means)
        if best <= middle:
            return None
        value, limit = (self.direction.loss(loss) for loss in (best, middle))  # turned back
        return f"after {step} reports its best {trial.objective} is {value:.6g}, and the median is {limit:.6g}"

    def _on_tell(self, trial: Trial) -> None:
        super()._on_tell(trial)
        if not trial.is_completed:
            return
        for step, total in enumerate(accumulate(self._losses(trial))):
            if step == len(self._means):
                self._means.append([])
            self._means[step].append(total / (step + 1))

    def _losses(self, trial: Trial) -> list[float]:
        """Return what a trial reported of the first objective, smaller being better; NaN counts as infinitely bad."""
        values = (report.get(self.objectives.primary.metric, math.nan) for report in trial.intermediates)
        return [math.inf if math.isnan(value) else self.direction.loss(value) for value in values]
