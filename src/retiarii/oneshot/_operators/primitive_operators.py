"""The operators of `LayerChoice`, `InputChoice` and `Repeat`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from retiarii.errors import SupernetError
from retiarii.oneshot._decisions.label_lookup import Lookup, joint_values
from retiarii.oneshot._decisions.subset_distribution import SubsetMixture
from retiarii.oneshot._operators.choice_operator import ChoiceOperator
from retiarii.oneshot._operators.operator import weighted_sum


class LayerChoiceOperator(ChoiceOperator):
    """Runs the chosen candidate, or the weighted sum of all.

    Args:
        path: Its path in the model, for messages.
        mutable: The primitive.
        lookup: The decisions of the supernet.

    Reference:
        DARTS (Liu et al., 2019), arXiv:1806.09055, eq. 2; no deviation.
    """

    def __init__(self, path: str, mutable: Any, lookup: Lookup) -> None:
        super().__init__(path, mutable, lookup)
        (self._decision,) = self.decisions
        self._names: list[str] = mutable.names

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the chosen candidate directly, without its frozen form, which would cost small networks much time."""
        decision = self._decision
        if decision.weights is None:
            output = self._modules[self._names[decision.index]](*args, **kwargs)  # type: ignore[misc]  # never None
            return self.mutable.answer(output, decision.index)
        return self.mutable.answer(self.mix(*args, **kwargs), decision.weights)

    def mix(self, *args: Any, **kwargs: Any) -> Any:
        """Return the weighted sum of the outputs of the candidates; those without weight are not run.

        Raises:
            SupernetError: The outputs have different shapes.
        """
        decision = self._decision
        assert decision.weights is not None
        weights = decision.weights.unbind()
        positions = list(decision.positions)
        outputs = [self._modules[self._names[at]](*args, **kwargs) for at in positions]  # type: ignore[misc]  # never None
        return weighted_sum([weights[at] for at in positions], outputs, self.path, self.decisions)


class InputChoiceOperator(ChoiceOperator):
    """Reduces the chosen inputs, or computes the expectation of the reduction.

    The expectation of a sum or mean over the chosen inputs is a weighted sum of all inputs, for every distribution of
    the subsets. With ``concat`` and ``none``, each place in the result is such a weighted sum.

    Args:
        path: Its path in the model, for messages.
        mutable: The primitive.
        lookup: The decisions of the supernet.
    """

    def __init__(self, path: str, mutable: Any, lookup: Lookup) -> None:
        super().__init__(path, mutable, lookup)
        self._shares: list[Tensor] | None = None

    def mix(self, inputs: Sequence[Any] | Mapping[str, Any]) -> Any:
        """Return the expectation of the reduction, in the form in which the choice returns its result.

        Raises:
            SupernetError: The inputs have different shapes, or any number of them is to be joined or listed.
        """
        return self.mutable.answer(self._expectation(self.mutable.in_order(inputs)), self._shares_of_inputs)

    def _shares_of_inputs(self) -> Tensor:
        """Return the probability of each input, ``[n]``."""
        (decision,) = self.decisions
        return decision.inclusion() if decision.weights is None or self.mutable.n_chosen != 1 else decision.weights

    def _expectation(self, tensors: list[Any]) -> Any:
        """Return the expectation of the reduction.

        Raises:
            SupernetError: The inputs have different shapes, or any number of them is to be joined or listed.
        """
        (decision,) = self.decisions
        weights = decision.weights
        assert weights is not None
        if self.mutable.n_chosen == 1:
            positions = list(decision.positions)
            weight_of = weights.unbind()
            picked = [tensors[at] for at in positions]
            chosen = weighted_sum([weight_of[at] for at in positions], picked, self.path, self.decisions)
            return [chosen] if self.mutable.reduction == "none" else chosen
        by_place = self._by_place() if decision.subsets is None else self._by_place_of(decision.subsets)
        places = [weighted_sum(shares.unbind(), tensors, self.path, self.decisions) for shares in by_place]
        if self.mutable.reduction == "none":
            return places
        return torch.cat(places, dim=1) if self.mutable.reduction == "concat" else places[0]

    def _by_place(self) -> list[Tensor]:
        """Return, for each place in the result, the share of each input, ``[n]``."""
        (decision,) = self.decisions
        weights = decision.weights
        assert weights is not None
        if self._shares is None:
            self._shares = self._places(decision.values)
        return [weights @ share.to(weights) for share in self._shares]

    def _by_place_of(self, subsets: SubsetMixture) -> list[Tensor]:
        """Return the shares of `_by_place` where subsets are weighed by candidates."""
        if self.mutable.reduction in ("sum", "mean"):
            return [subsets.inclusion() if self.mutable.reduction == "sum" else subsets.mean_shares()]
        if self.mutable.n_chosen is None:
            raise self._no_mixture()
        return list(subsets.places())

    def _no_mixture(self) -> SupernetError:
        return SupernetError(
            f"{self.path!r} joins or lists any number of inputs, so that results of different sizes would have to be "
            'mixed. Use reduction="sum" or "mean", a fixed n_chosen, or a strategy that samples single paths '
            "(RandomOneShot, ENAS).",
            path=self.path,
        )

    def _places(self, subsets: Sequence[Any]) -> list[Tensor]:
        """Return, for each place in the result, the share of each input for each subset, ``[K, n]``."""
        (decision,) = self.decisions
        names: Sequence[Any] = decision.choice.values  # type: ignore[attr-defined]  # several inputs are a Subset
        members = [[names.index(name) for name in subset] for subset in subsets]
        if self.mutable.reduction in ("sum", "mean"):
            share = torch.zeros(len(members), len(names))
            for row, chosen in enumerate(members):
                share[row, chosen] = 1 / len(chosen) if chosen and self.mutable.reduction == "mean" else 1.0
            return [share]
        if self.mutable.n_chosen is None:
            raise self._no_mixture()
        places = torch.zeros(self.mutable.n_chosen, len(members), len(names))
        for row, chosen in enumerate(members):
            for place, at in enumerate(chosen):
                places[place, row, at] = 1.0
        return list(places)


class RepeatOperator(ChoiceOperator):
    """Runs the chosen number of blocks, or weighs the outputs after each possible number.

    Blocks are shared: a network of three blocks has the first three of the supernet.
    """

    def mix(self, x: Any) -> Any:
        """Return the sum over all depths of the output after so many blocks, weighted by the depth's probability.

        Raises:
            SupernetError: The outputs after different numbers of blocks have different shapes.
        """
        depths, probabilities = joint_values(self.mutable.depth_choice, self.lookup, self.path)
        share_of = dict(zip(depths, probabilities.unbind(), strict=True))
        supported = self._supported(depths)
        weights, outputs = [], []
        for depth in range(max(supported) + 1):
            if depth:
                x = self.mutable.blocks[depth - 1](x)
            if depth in supported:
                weights.append(share_of[depth])
                outputs.append(x)
        return weighted_sum(weights, outputs, self.path, self.decisions)

    def _supported(self, depths: list[int]) -> set[int]:
        """Return the depths whose probability may differ from 0."""
        if len(self.decisions) > 1 or self.decisions[0].support is None:
            return set(depths)
        (decision,) = self.decisions
        expression = self.mutable.depth_choice
        return {expression.evaluate(self.lookup.values([decision], [decision.values[at]])) for at in decision.positions}
