"""`LayerChoiceOperator`: a choice between layers in a supernet."""

from __future__ import annotations

from typing import Any

from retiarii.oneshot._choice_operator import ChoiceOperator
from retiarii.oneshot._operator import weighted_sum


class LayerChoiceOperator(ChoiceOperator):
    """Runs the chosen candidate, or the weighted sum of all.

    Reference:
        DARTS (Liu et al., 2019), arXiv:1806.09055, eq. 2; no deviation.
    """

    def mix(self, *args: Any, **kwargs: Any) -> Any:
        """Return the weighted sum of the outputs of the candidates; those without weight are not run.

        Raises:
            SupernetError: The outputs have different shapes.
        """
        (decision,) = self.decisions
        assert decision.weights is not None
        weights = decision.weights.unbind()
        positions = list(decision.positions)
        names = self.mutable.names
        outputs = [self._modules[names[position]](*args, **kwargs) for position in positions]  # type: ignore[misc]  # candidates are never None
        return weighted_sum([weights[position] for position in positions], outputs, self.path)
