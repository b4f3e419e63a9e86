"""`PartialChannels`: the layer choices of PC-DARTS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retiarii.oneshot._decisions.label_lookup import Lookup
from retiarii.oneshot._operators.narrowed_layers import narrowed, refresh
from retiarii.oneshot._operators.operator import weighted_sum
from retiarii.oneshot._operators.primitive_operators import LayerChoiceOperator

_POOLS = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


class PartialChannels(LayerChoiceOperator):
    """Passes the first ``1 / share`` of the channels through the candidates, and the others by.

    The two parts are joined and shuffled, so that the next choice gets other channels. Where candidates reduce the
    size, the others are pooled. Choices that change the number of channels, and numbers that cannot be divided, are
    mixed as in DARTS. Single paths use all channels.

    Args:
        path: Where it stands in the model.
        mutable: The primitive.
        lookup: The decisions of the supernet.
        share: ``K`` of the paper.

    Reference:
        PC-DARTS (Xu et al., 2020), arXiv:1907.05737, eq. 1; the shuffle and the pooling are those of its published
        code.
    """

    def __init__(self, path: str, mutable: Any, lookup: Lookup, share: int) -> None:
        super().__init__(path, mutable, lookup)
        self._share = share
        self._narrowed: list[nn.Module] | None = None
        self._keeps_channels = True

    @classmethod
    def of(cls, share: int) -> Callable[[str, Any, Lookup], PartialChannels]:
        """Return what makes such operators for one ``K``."""

        def make(path: str, mutable: Any, lookup: Lookup) -> PartialChannels:
            return cls(path, mutable, lookup, share)

        return make

    def mix(self, *args: Any, **kwargs: Any) -> Any:
        """Return the joined and shuffled channels.

        Raises:
            SupernetError: A candidate contains layers of which no part can be used.
        """
        (x,) = args if len(args) == 1 and isinstance(args[0], Tensor) and not kwargs else (None,)
        if x is None or x.dim() < 3 or x.shape[1] % self._share or not self._keeps_channels:
            return super().mix(*args, **kwargs)
        (decision,) = self.decisions
        assert decision.weights is not None
        size = x.shape[1] // self._share
        candidates = self._candidates()
        for candidate in candidates:
            refresh(candidate)
        outputs = [candidate(x[:, :size]) for candidate in candidates]
        mixed = weighted_sum(decision.weights.unbind(), outputs, self.path, self.decisions)
        if mixed.shape[1] != size:
            self._keeps_channels = False  # of its layers' making: the same next time
            return super().mix(x)
        rest = x[:, size:]
        if rest.shape[2:] != mixed.shape[2:]:
            rest = _POOLS[x.dim() - 2](rest, mixed.shape[2:])
        return _shuffled(torch.cat([mixed, rest], dim=1), self._share)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_narrowed": None}  # they refer to the layers of this very operator

    def _candidates(self) -> list[nn.Module]:
        if self._narrowed is None:
            names = self.mutable.names
            self._narrowed = [narrowed(self._modules[name], self._share, f"{self.path}.{name}") for name in names]  # type: ignore[arg-type]  # candidates are never None
        return self._narrowed


def _shuffled(x: Tensor, groups: int) -> Tensor:
    return x.reshape(len(x), groups, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
