"""`Decision`: one label of a supernet, its values, and the value or weights that are set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from retiarii.errors import SupernetError
from retiarii.oneshot._decisions.subset_distribution import SubsetMixture, WeightedSubsets
from retiarii.space import Choice, SearchSpace, Subset, Value

MAX_VALUES = 4096
"""More values than this are not numbered: single values are sampled, and subsets are weighed by their candidates."""


class Decision:
    """One label of a supernet. All operators with this label share this object, under every strategy.

    It is set either to one value, so that operators compute a single path, or to weights over all values, so that they
    compute mixtures. Weights are for one step: they are left out when a supernet is copied or pickled. A `Subset` of
    more than `MAX_VALUES` values is weighed by its candidates, see `mix_subsets`.

    Args:
        choice: The choice of the search space.

    Attributes:
        value: The value of the path.
        index: The position of ``value`` among `values`; -1 where the values are not numbered.
        values: All values; empty where there are more than `MAX_VALUES`.
        weights: ``[K]``, one weight for each of the ``K`` values, or for each candidate of a subset that is weighed by
            candidates; None while one path is active.
        subsets: The mixture of subsets, where they are weighed by candidates; else None.
        support: Positions whose weight may differ from 0; None means all. Operators compute nothing else.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.label = choice.label
        self.weights: Tensor | None = None
        self.support: tuple[int, ...] | None = None
        self.subsets: SubsetMixture | None = None
        self.values = _numbered_values(choice)
        self._members: Tensor | None = None
        self._positions = _positions(self.values)
        self.choose(choice.default())

    def choose(self, value: Value) -> None:
        """Make the path of one value active."""
        self.weights = self.subsets = None
        self.value = value
        if self._positions is not None:
            self.index = self._positions[value]
        else:
            self.index = self.choice.index_of(value) if self.values else -1

    def mix(self, weights: Tensor, support: tuple[int, ...] | None = None) -> None:
        """Weigh all values against each other.

        Args:
            weights: ``[K]``, differentiable where architecture parameters are to learn from them.
            support: Positions that are not 0; None means all.
        """
        self.weights = weights
        self.support = support

    def mix_subsets(self, subsets: SubsetMixture) -> None:
        """Weigh the candidates of a choice with too many subsets to weigh each.

        Args:
            subsets: A distribution of subsets, or a few subsets with weights.
        """
        self.weights = subsets.inclusion()
        self.support = None
        self.subsets = subsets

    def be_certain(self, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Mix with weight 1 for the current value and 0 for all others."""
        if self.by_candidate is None:
            self.mix(torch.eye(len(self.values), device=device, dtype=dtype)[self.index], support=(self.index,))
        else:
            members = torch.tensor([self.by_candidate.encode(self.value)], device=device)
            self.mix_subsets(WeightedSubsets(torch.ones(1, device=device, dtype=dtype), members))

    def inclusion(self) -> Tensor:
        """Return the weight of each candidate of a `Subset`, ``[n]``: that of all values which contain it.

        Raises:
            SupernetError: One path is active, or the choice is no `Subset`.
        """
        if self.subsets is not None:
            return self.subsets.inclusion()
        if self.weights is None or not isinstance(self.choice, Subset):
            kind = type(self.choice).__name__
            raise SupernetError(f"{self!r} is a {kind}, expected a Subset that is set to a mixture.")
        if self._members is None:
            self._members = membership(self)
        assert self._members is not None  # the subsets are numbered
        return self.weights @ self._members.to(self.weights)

    @property
    def by_candidate(self) -> Subset | None:
        """The choice, if it is a `Subset` that is weighed by candidates: it has more than `MAX_VALUES` values."""
        return self.choice if isinstance(self.choice, Subset) and not self.values else None

    @property
    def num_logits(self) -> int:
        """How many numbers a strategy learns for this label: one for each value, or each candidate of a `Subset`."""
        return len(self.choice.values) if isinstance(self.choice, Subset) else len(self.values)

    @property
    def state(self) -> tuple[Any, ...]:
        """The value or weights that are set, for `restore`."""
        return self.value, self.weights, self.support, self.subsets

    def restore(self, state: tuple[Any, ...]) -> None:
        """Set the value or weights from a `state` again."""
        self.choose(state[0])
        _, self.weights, self.support, self.subsets = state

    @property
    def positions(self) -> Iterable[int]:
        """The positions that a mixture has to compute."""
        return range(len(self.values)) if self.support is None else self.support

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "weights": None, "support": None, "subsets": None}

    def __repr__(self) -> str:
        state = f"= {self.value!r}" if self.weights is None else "mixed"
        return f"<Decision {self.label!r} {state}>"


def decisions_of(space: SearchSpace) -> dict[str, Decision]:
    """Return a new decision for each label of a space, set to its default."""
    return {choice.label: Decision(choice) for choice in space}


def check_weighable(decisions: Mapping[str, Decision], strategy: str) -> None:
    """Check that there are decisions, and that each can be weighed.

    Raises:
        SupernetError: A choice of one value is continuous, or has more than `MAX_VALUES` values; or there is none.
    """
    check_any(decisions, strategy)
    for decision in decisions.values():
        if not decision.values and decision.by_candidate is None:
            raise SupernetError(
                f"{strategy} weighs all values of a choice against each other, but {decision.label!r}"
                f"{_place(decision.choice)} has {_count(decision.choice)} values, more than {MAX_VALUES}. Give it "
                "fewer candidates, or use RandomOneShot."
            )


def check_any(decisions: Mapping[str, Decision], strategy: str) -> None:
    """Check that there are decisions.

    Raises:
        SupernetError: There is none.
    """
    if not decisions:
        raise SupernetError(
            f"{strategy} has nothing to search: the model has no choices. Put some in it, such as LayerChoice or "
            "ValueChoice, or train it as it is."
        )


def membership(decision: Decision) -> Tensor | None:
    """Return which candidates each subset contains, ``[K, n]`` of 0 and 1.

    A differentiable strategy has one parameter per candidate. The logit of a subset is the sum over its candidates, so
    that choosing ``k`` of ``n`` prefers the ``k`` largest parameters, and choosing any number those above 0.

    Returns:
        None for choices of one value, and for subsets that are weighed by candidates.
    """
    choice = decision.choice
    if not isinstance(choice, Subset) or decision.by_candidate is not None:
        return None
    rows = [[float(candidate in subset) for candidate in choice.values] for subset in decision.values]
    return torch.tensor(rows).reshape(len(decision.values), len(choice.values))


def _numbered_values(choice: Choice) -> tuple[Value, ...]:
    if choice.cardinality > MAX_VALUES:
        return ()
    return tuple(choice.value_at(index) for index in range(int(choice.cardinality)))


def _positions(values: tuple[Value, ...]) -> dict[Value, int] | None:
    """Number the values for fast look-up; None where Python takes some for equal, as it does 1 and True."""
    positions = {value: index for index, value in enumerate(values)}
    return positions if values and len(positions) == len(values) else None


def _place(choice: Choice) -> str:
    return f" (declared at {choice.declared_at})" if choice.declared_at else ""


def _count(choice: Choice) -> str:
    return "infinitely many" if math.isinf(choice.cardinality) else f"{choice.cardinality:,}"
