"""`RepeatOperator`: a number of blocks in a supernet."""

from __future__ import annotations

from typing import Any

from retiarii.oneshot._decisions.label_lookup import joint_values
from retiarii.oneshot._operators.choice_operator import ChoiceOperator
from retiarii.oneshot._operators.operator import weighted_sum


class RepeatOperator(ChoiceOperator):
    """Runs the chosen number of blocks, or weighs the outputs after each possible number.

    Blocks are shared: a network of three blocks has the first three of the supernet.
    """

    def mix(self, x: Any) -> Any:
        """Return the sum over depths of the output after so many blocks, weighted by the probability of the depth.

        Raises:
            SupernetError: The outputs after different numbers of blocks have different shapes.
        """
        depths, probabilities = joint_values(self.mutable.depth_choice, self._lookup, self.path)
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
        return {
            expression.evaluate(self._lookup.values([decision], [decision.values[at]])) for at in decision.positions
        }
