"""`LayerChoiceOperator`: a choice between layers in a supernet."""

from __future__ import annotations

from typing import Any

from retiarii.oneshot._decisions.label_lookup import Lookup
from retiarii.oneshot._operators.choice_operator import ChoiceOperator
from retiarii.oneshot._operators.operator import weighted_sum


class LayerChoiceOperator(ChoiceOperator):
    """Runs the chosen candidate, or the weighted sum of all.

    Args:
        path: Where it stands in the model.
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
        """Run the chosen candidate, without a detour over its frozen form: this is where small networks spend time."""
        decision = self._decision
        if decision.weights is None:
            return self._modules[self._names[decision.index]](*args, **kwargs)  # type: ignore[misc]  # never None
        return self.mix(*args, **kwargs)

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
