"""`ASHA`: asynchronous successive halving, which gives more training to trials that do well with little."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from retiarii._counted import counted
from retiarii.errors import SearchExhausted
from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.strategy._ladder import FidelityLadder, Rung
from retiarii.strategy._options import check_flag, check_whole
from retiarii.strategy._unseen import Unseen
from retiarii.strategy.search import Search
from retiarii.trial import Direction, Fidelity, Objectives, ObjectivesLike, Proposal, Trial, TrialState


@dataclass(frozen=True)
class ASHA(FidelityLadder):
    """Asynchronous successive halving (ASHA): many architectures get little training, and the best of them get more.

    Every architecture starts with ``min_fidelity``. Whenever a trial is among the best ``1 / reduction_factor`` of
    those that ended with the same fidelity, it is promoted: a new trial continues it from its checkpoint up to
    ``reduction_factor`` times the fidelity. No trial waits for another one.

    The evaluator must support the fidelity, as those of `retiarii.evaluator.pytorch.lightning` support ``"epochs"``.

    Args:
        fidelity: The name of the fidelity: ``"epochs"``, or another one that the evaluator supports.
        min_fidelity: The fidelity of the first trial of each architecture.
        max_fidelity: An upper limit: the highest fidelity is the last of ``min_fidelity``, ``min_fidelity *
            reduction_factor``, ... that is not above it, see `levels`.
        reduction_factor: One trial in this many is promoted, to this many times the fidelity (the paper's eta).
        max_architectures: How many architectures are started at most; the search ends when none of them can be
            promoted any more. None: until the experiment's budget ends.
        optimize_mode: ``"maximize"`` or ``"minimize"``; None to leave the direction to the experiment.
        model_filter: A constraint: only architectures for which it returns True are proposed.
        dedup: Never start the same architecture twice.

    Raises:
        ConfigError: An option has an invalid value.

    Reference:
        Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, arXiv:1810.05934, Algorithm 2
        with early-stopping rate 0. Deviations: (1) trials that failed are not counted in their rung; those that were
        pruned are, as worse than all others. (2) A trial whose checkpoint was removed to make room (see
        ``checkpoint_limit``) is not promoted, but keeps its place among the best of its rung. (3) ``dedup`` is not in
        the paper.
    """

    max_architectures: int | None = field(default=None, kw_only=True)
    dedup: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_architectures is not None:
            check_whole(self, "max_architectures", 1)
        check_flag(self, "dedup")

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> ASHASearch:
        """Start a search; see `Strategy.search`."""
        return ASHASearch(self, space, seed=seed, objectives=Objectives.of(objectives).directed(self.direction))


class ASHASearch(Search):
    """A running `ASHA` search."""

    def __init__(
        self, options: ASHA, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        if options.model_filter is not None:
            self.space = self.space.constrained(options.model_filter)
        self._given = [Fidelity({options.fidelity: level}) for level in options.levels]
        self._level_of = {given: level for level, given in enumerate(self._given)}
        self._rungs = [Rung(options.reduction_factor) for _ in self._given[:-1]]  # from the last, none is promoted
        self._waiting: dict[int, tuple[Rung, Architecture]] = {}  # the trials that may be promoted
        self._unseen = Unseen(self.space, self.seed) if options.dedup else None
        self._num_started, self._max_started = 0, options.max_architectures

    @property
    def continuable(self) -> Collection[int]:
        """The trials below the highest level that have a result and were not promoted."""
        return self._waiting.keys()

    def forget_checkpoint(self, number: int) -> None:
        """Exclude a trial from promotion, because its checkpoint was removed."""
        rung, _ = self._waiting.pop(number)
        rung.take(number)

    def _propose(self, number: int) -> Proposal | None:
        for level in reversed(range(len(self._rungs))):
            parent = self._rungs[level].promotable()
            if parent is not None:
                _, architecture = self._waiting[parent]
                return Proposal(architecture, self._given[level + 1], parent)
        try:
            return Proposal(self._new(number), self._given[0])
        except SearchExhausted:
            if self.pending:
                return None  # wait: their results may allow a promotion
            raise

    def _new(self, number: int) -> Architecture:
        if self._num_started == self._max_started:
            raise SearchExhausted(f"All {counted(self._num_started, 'architecture')} were started, and promoted.")
        rng = rng_for(self.seed, number)
        if self._unseen is None:
            return self.space.sample(rng)
        return self._unseen.find(lambda: self.space.sample(rng))

    def _on_ask(self, proposal: Proposal) -> None:
        if proposal.parent is not None:
            self._rungs[self._level_of[proposal.fidelity] - 1].take(proposal.parent)
            self._waiting.pop(proposal.parent, None)
            return
        self._num_started += 1
        if self._unseen is not None:
            self._unseen.add(proposal.architecture)

    def _on_tell(self, trial: Trial) -> None:
        level = self._level_of[trial.fidelity]
        if level == len(self._rungs):
            return
        rung, fitness = self._rungs[level], self.fitness(trial)
        if fitness is not None:
            if rung.add(trial.number, fitness):
                self._waiting[trial.number] = rung, trial.architecture
        elif trial.state is TrialState.PRUNED:
            rung.add_loser()
