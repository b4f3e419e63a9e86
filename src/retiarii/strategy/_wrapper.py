"""`SearchWrapper`: the base of searches that change one behaviour of another search."""

from __future__ import annotations

from collections.abc import Collection

from retiarii.strategy.search import Fitness, Search
from retiarii.trial import Proposal, Trial


class SearchWrapper(Search):
    """Forwards every call to an inner search; subclasses override the methods that they change.

    Args:
        inner: A new search that is used only by this wrapper.
    """

    def __init__(self, inner: Search) -> None:
        super().__init__(inner.space, seed=inner.seed, objectives=inner.objectives)
        self.inner = inner
        self.prunes = inner.prunes

    @property
    def continuable(self) -> Collection[int]:
        """The trials that the inner search may continue."""
        return self.inner.continuable

    def should_prune(self, trial: Trial) -> str | None:
        """Return the answer of the inner search."""
        return self.inner.should_prune(trial)

    def forget_checkpoint(self, number: int) -> None:
        """Forward to the inner search."""
        self.inner.forget_checkpoint(number)

    def fitness(self, trial: Trial) -> Fitness | None:
        """Return the fitness by the inner search."""
        return self.inner.fitness(trial)

    def _propose(self, number: int) -> Proposal | None:
        return self.inner._propose(number)

    def _on_ask(self, proposal: Proposal) -> None:
        self.inner._record(proposal)

    def _on_tell(self, trial: Trial) -> None:
        self.inner.tell(trial)
