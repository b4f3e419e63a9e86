"""`InputChoiceOperator`: a choice between inputs in a supernet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from retiarii.errors import SupernetError
from retiarii.oneshot._decisions.label_lookup import Lookup
from retiarii.oneshot._operators.choice_operator import ChoiceOperator
from retiarii.oneshot._operators.operator import weighted_sum


class InputChoiceOperator(ChoiceOperator):
    """Reduces the chosen inputs, or computes the expectation of the reduction.

    The expectation of a sum or mean over the chosen inputs is a weighted sum of all inputs, whatever the distribution
    of the subsets is; with ``concat`` and ``none``, so is each place in the result.

    Args:
        path: Where it stands in the model.
        mutable: The primitive.
        lookup: The decisions of the supernet.
    """

    def __init__(self, path: str, mutable: Any, lookup: Lookup) -> None:
        super().__init__(path, mutable, lookup)
        self._shares: list[Tensor] | None = None

    def mix(self, inputs: Sequence[Any] | Mapping[str, Any]) -> Any:
        """Return the expectation of the reduction.

        Raises:
            SupernetError: The inputs have different shapes, or any number of them is to be joined or listed.
        """
        (decision,) = self.decisions
        weights = decision.weights
        assert weights is not None
        tensors = self._in_order(inputs)
        if self.mutable.n_chosen == 1:
            positions = list(decision.positions)
            weight_of = weights.unbind()
            picked = [tensors[at] for at in positions]
            chosen = weighted_sum([weight_of[at] for at in positions], picked, self.path, self.decisions)
            return [chosen] if self.mutable.reduction == "none" else chosen
        if self._shares is None:
            self._shares = self._places(decision.values)
        shares_by_place = [(weights @ share.to(weights)).unbind() for share in self._shares]
        places = [weighted_sum(shares, tensors, self.path, self.decisions) for shares in shares_by_place]
        if self.mutable.reduction == "none":
            return places
        return torch.cat(places, dim=1) if self.mutable.reduction == "concat" else places[0]

    def _in_order(self, inputs: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        """List the inputs in the order of the candidates; those of a dict may come in any order."""
        if not isinstance(inputs, Mapping):
            return list(inputs)
        (decision,) = self.decisions
        names: Sequence[Any] = decision.choice.values  # type: ignore[attr-defined]  # a Categorical or a Subset
        return [inputs[name] for name in names] if isinstance(names[0], str) else list(inputs.values())

    def _places(self, subsets: Sequence[Any]) -> list[Tensor]:
        """Return, for each place in the result, the share that each input has in it for each subset, ``[K, n]``."""
        (decision,) = self.decisions
        names: Sequence[Any] = decision.choice.values  # type: ignore[attr-defined]  # several inputs are a Subset
        members = [[names.index(name) for name in subset] for subset in subsets]
        if self.mutable.reduction in ("sum", "mean"):
            share = torch.zeros(len(members), len(names))
            for row, chosen in enumerate(members):
                share[row, chosen] = 1 / len(chosen) if chosen and self.mutable.reduction == "mean" else 1.0
            return [share]
        if self.mutable.n_chosen is None:
            raise SupernetError(
                f"{self.path!r} joins or lists any number of inputs, so that results of different sizes would have to "
                "be mixed. "
                'Use reduction="sum" or "mean", a fixed n_chosen, or a strategy that samples single paths '
                "(RandomOneShot, ENAS).",
                path=self.path,
            )
        places = torch.zeros(self.mutable.n_chosen, len(members), len(names))
        for row, chosen in enumerate(members):
            for place, at in enumerate(chosen):
                places[place, row, at] = 1.0
        return list(places)
