"""`Search`: a running search, by ask and tell."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from retiarii.errors import ConfigError, SearchError, SearchExhausted, SpaceError
from retiarii.space import Architecture, SearchSpace
from retiarii.trial import Direction, Failure, FailureKind, MetricValue, Trial, TrialState, parse_metrics


class Search(ABC):
    """A running search: `ask` for architectures, evaluate them, `tell` the results.

    Proposals are numbered 0, 1, 2, ... in the order in which they are asked for; a `Trial` carries the number of the
    proposal that it evaluates. Any number of proposals may be pending, and trials may be told in any order.

    The state follows from what was asked, in the order of the numbers, and what was told, in the order of telling. How
    the two interleave does not matter, so `replay` restores it exactly. Not thread-safe: one loop owns a search.

    Subclasses implement `_propose`, and `_on_ask` and `_on_tell` where they remember something. These need no checks:
    the public methods count and validate. They must draw randomness from ``rng_for(seed, number)`` only, so that
    asking for five proposals gives the same as asking for two and then for three.

    Args:
        space: What to search.
        seed: A whole number from 0 to 2**64 - 1.
        direction: Whether larger or smaller metrics are better.

    Raises:
        ConfigError: ``space``, ``seed`` or ``direction`` is not what it should be.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0, direction: Direction | str = Direction.MAXIMIZE) -> None:
        self.space = _check_space(space)
        self.seed = _check_seed(seed)
        self.direction = _check_direction(direction)
        self._pending: dict[int, Architecture] = {}
        self._num_asked = 0
        self._num_told = 0
        self._num_failed = 0
        self._best: Trial | None = None
        self._best_metric = math.nan

    @property
    def num_asked(self) -> int:
        """How many architectures were proposed; also the number of the next proposal."""
        return self._num_asked

    @property
    def num_told(self) -> int:
        """How many finished trials were told."""
        return self._num_told

    @property
    def num_failed(self) -> int:
        """How many of them have no usable metric: failed, pruned, or not a finite number."""
        return self._num_failed

    @property
    def pending(self) -> Mapping[int, Architecture]:
        """What was proposed and not told yet, by number, oldest first (a read-only view)."""
        return MappingProxyType(self._pending)

    @property
    def best(self) -> Trial | None:
        """The best trial told so far, the earliest told among equals; None before the first success."""
        return self._best

    def ask(self, count: int) -> list[Architecture]:
        """Propose architectures.

        Args:
            count: How many at most.

        Returns:
            New proposals; their numbers are the next ones from `num_asked` on. Fewer than ``count`` when no more can be
            proposed now; empty when the search has to be told results first.

        Raises:
            SearchExhausted: Nothing is left to propose, whatever may still be told.
            SpaceError: No architecture that meets the constraints was found.
            SearchError: ``count`` is not a whole number from 0 up.
        """
        if not isinstance(count, int) or count < 0:
            raise SearchError(f"ask(count={count!r}): expected a whole number, 0 or larger.")
        proposed: list[Architecture] = []
        while len(proposed) < count:
            try:
                architecture = self._propose(self._num_asked)
            except (SearchExhausted, SpaceError):
                if proposed:
                    break  # hand these over first; the next call meets the same end
                raise
            if architecture is None:
                break
            self._record(architecture)
            proposed.append(architecture)
        return proposed

    def tell(self, trial: Trial) -> None:
        """Learn from one finished trial: completed, failed or pruned.

        Raises:
            SearchError: The trial is not finished, has a number or an architecture that was not proposed, or was told
                before.
        """
        if not isinstance(trial, Trial):
            raise SearchError(
                f"tell() got {trial!r} of type {type(trial).__name__}, expected a finished Trial. With an architecture "
                "and a number, use tell_metric(architecture, metric)."
            )
        self._check_tell(trial)
        del self._pending[trial.number]
        self._num_told += 1
        metric = usable_metric(trial)
        if metric is None:
            self._num_failed += 1
        elif self._best is None or self.direction.is_better(metric, self._best_metric):
            self._best, self._best_metric = trial, metric
        self._on_tell(trial)

    def tell_metric(self, architecture: Architecture, metric: MetricValue | None) -> Trial:
        """Tell the result of a proposal without making a `Trial` by hand.

        Args:
            architecture: What `ask` proposed; among equal pending proposals, the oldest is meant.
            metric: Its metric, or named metrics with the key ``"default"``. None, NaN and infinities mean a failure.

        Returns:
            The trial that was told.

        Raises:
            SearchError: ``architecture`` is not pending.
            MetricError: ``metric`` is none of the above.
        """
        number = next((n for n, pending in self._pending.items() if pending == architecture), None)
        if number is None:
            raise SearchError(
                f"tell_metric() got {architecture!r}, which is not among the {len(self._pending)} pending proposals. "
                "Expected an architecture that ask() returned and that was not told yet."
            )
        trial = _finished_trial(number, self._pending[number], metric, finish_order=self._num_told)
        self.tell(trial)
        return trial

    def replay(self, asked: Sequence[Architecture], told: Sequence[Trial]) -> None:
        """Restore the state that a search had, without computing its proposals again.

        The search must be new, with the space, seed, direction and options of the one to restore.

        Args:
            asked: All proposals, in the order of their numbers.
            told: All trials that were told, in the order of telling (`Trial.finish_order`).

        Raises:
            SearchError: This search was used already, or a trial does not belong to a proposal.
        """
        if self._num_asked:
            raise SearchError(
                f"replay() on a search with {self._num_asked} proposals, expected a new one from strategy.search()."
            )
        for architecture in asked:
            self._record(architecture)
        for trial in told:
            self.tell(trial)

    def __iter__(self) -> Iterator[Architecture]:
        """Propose one architecture after the other until nothing is left.

        Raises:
            SearchError: The search has to be told results before it can go on.
        """
        while True:
            try:
                batch = self.ask(1)
            except SearchExhausted:
                return
            if not batch:
                raise SearchError(
                    f"{self!r} cannot propose before it is told results. Tell each architecture's result in the loop's "
                    "body, or call ask() and run several at a time."
                )
            yield from batch

    def __repr__(self) -> str:
        best = self._best
        failed = f" ({self._num_failed} failed)" if self._num_failed else ""
        result = "nothing to compare yet" if best is None else f"best {self._best_metric:.6g} (trial {best.number})"
        return (
            f"<{type(self).__name__}, {self.direction.value}, seed {self.seed}: {self._num_asked} asked, "
            f"{self._num_told} told{failed}, {len(self._pending)} pending, {result}>"
        )

    @abstractmethod
    def _propose(self, number: int) -> Architecture | None:
        """Return proposal ``number``, or None to wait for results. Changes nothing that a retry would notice.

        Raises:
            SearchExhausted: Nothing is left to propose, whatever may still be told. Once raised, always raised.
        """

    def _on_ask(self, architecture: Architecture) -> None:  # noqa: B027 - optional, not every search remembers
        """Remember a proposal, whether `_propose` just made it or `replay` restores it."""

    def _on_tell(self, trial: Trial) -> None:  # noqa: B027 - optional, not every search learns
        """Learn from a valid, finished trial."""

    def _record(self, architecture: Architecture) -> None:
        self._pending[self._num_asked] = architecture
        self._num_asked += 1
        self._on_ask(architecture)

    def _check_tell(self, trial: Trial) -> None:
        number = trial.number
        if not trial.state.is_finished:
            raise SearchError(
                f"Trial {number} is {trial.state.value}. Expected a finished one: completed, failed or pruned."
            )
        asked = self._pending.get(number)
        if asked is None:
            if 0 <= number < self._num_asked:
                raise SearchError(f"Trial {number} was told already. Tell every trial once.")
            raise SearchError(f"Trial {number} was never proposed: the numbers so far are below {self._num_asked}.")
        if asked is not trial.architecture and asked != trial.architecture:
            raise SearchError(
                f"Trial {number} has the architecture {trial.architecture!r}, but proposal {number} was {asked!r}."
            )


def usable_metric(trial: Trial) -> float | None:
    """Return the metric of a completed trial if it is a finite number, else None."""
    metric = trial.metric if trial.state is TrialState.COMPLETED else None
    return metric if metric is not None and math.isfinite(metric) else None


def _finished_trial(number: int, architecture: Architecture, metric: MetricValue | None, *, finish_order: int) -> Trial:
    trial = Trial(number, architecture, state=TrialState.FAILED, finish_order=finish_order)
    if metric is None:
        return trial.evolve(failure=Failure(FailureKind.RAISED, "told without a metric"))
    metrics = parse_metrics(metric, where=f"the metric of trial {number}", finite=False)
    if not math.isfinite(metrics["default"]):
        return trial.evolve(failure=Failure(FailureKind.BAD_METRIC, f"the metric is {metrics['default']}"))
    return trial.evolve(state=TrialState.COMPLETED, metrics=metrics)


def _check_space(space: SearchSpace) -> SearchSpace:
    if not isinstance(space, SearchSpace):
        raise ConfigError(
            f"space is a {type(space).__name__}, expected a SearchSpace; retiarii.nn.pytorch.extract_space(model) "
            "makes one from a model."
        )
    return space


def _check_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise ConfigError(f"seed is {seed!r}, expected a whole number from 0 to 2**64 - 1.")
    return seed


def _check_direction(direction: Direction | str) -> Direction:
    try:
        return Direction(direction)
    except ValueError:
        raise ConfigError(f"direction is {direction!r}, expected 'maximize' or 'minimize'.") from None
