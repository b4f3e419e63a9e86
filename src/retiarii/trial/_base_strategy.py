"""`BaseStrategy`: the common base of multi-trial and one-shot strategies."""

from __future__ import annotations

from abc import ABC

from retiarii.trial._objectives import Direction


class BaseStrategy(ABC):  # noqa: B024 - what is abstract differs: `search` takes a space or a model
    """The base class of every object that can be the ``strategy`` of an experiment.

    To write a strategy, derive from `retiarii.strategy.Strategy`, which proposes architectures, or from
    `retiarii.oneshot.OneShotStrategy`, which trains a supernet.
    """

    @property
    def direction(self) -> Direction | None:
        """The direction set by the strategy's options; None to use the experiment's."""
        return None
