"""`BaseStrategy`: what multi-trial and one-shot strategies have in common."""

from __future__ import annotations

from abc import ABC

from retiarii.trial._objectives import Direction


class BaseStrategy(ABC):  # noqa: B024 - what is abstract differs: `search` takes a space or a model
    """The base of all strategies, multi-trial and one-shot: what an experiment takes as its ``strategy``.

    To write a strategy, derive from `retiarii.strategy.Strategy`, which proposes architectures, or from
    `retiarii.oneshot.OneShotStrategy`, which trains a supernet.
    """

    @property
    def direction(self) -> Direction | None:
        """The direction that the options fix; None where the experiment decides."""
        return None
