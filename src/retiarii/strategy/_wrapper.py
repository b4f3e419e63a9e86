"""`SearchWrapper`: a search that changes one thing about another one."""

from __future__ import annotations

from collections.abc import Collection

from retiarii.strategy._search import Fitness, Search
from retiarii.trial import Proposal, Trial


class SearchWrapper(Search):
    """Passes everything on to an inner search; subclasses change what they are about.

    Args:
        inner: A new search, which is used by nobody else.
    """

    def __init__(self, inner: Search) -> None:
        super().__init__(inner.space, seed=inner.seed, objectives=inner.objectives)
        self.inner = inner
        self.prunes = inner.prunes

    @property
    def continuable(self) -> Collection[int]:
        """What the inner search may continue."""
        return self.inner.continuable

    def should_prune(self, trial: Trial) -> str | None:
        """Return what the inner search says."""
        return self.inner.should_prune(trial)

    def forget_checkpoint(self, number: int) -> None:
        """Tell the inner search."""
        self.inner.forget_checkpoint(number)

    def fitness(self, trial: Trial) -> Fitness | None:
        """Return what the inner search says."""
        return self.inner.fitness(trial)

    def _propose(self, number: int) -> Proposal | None:
        return self.inner._propose(number)

    def _on_ask(self, proposal: Proposal) -> None:
        self.inner._record(proposal)

    def _on_tell(self, trial: Trial) -> None:
        self.inner.tell(trial)
