"""`Simulated`: the ability of an evaluator to say how long an evaluation takes, for trials on a simulated clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from retiarii.errors import ConfigError
from retiarii.evaluator._evaluator import Evaluator
from retiarii.evaluator._trial_context import TrialContext


class Simulated(ABC):
    """The optional ability of an `Evaluator` to say how long an evaluation takes.

    ``class MyTable(Evaluator, Simulated)`` can be used on the platform ``"simulated"``: its evaluations are computed at
    once, and their reports and ends come at the times at which real workers would have produced them.
    """

    @abstractmethod
    def seconds(self, model: Any, context: TrialContext) -> float | Sequence[float]:
        """Return how long an evaluation takes.

        The answer must follow from the arguments: a resumed simulation asks again.

        Args:
            model: The argument that `Evaluator.evaluate` gets.
            context: The trial. If it continues another one, ``context.parent_fidelity`` says what that one got, and
                only the additional time counts.

        Returns:
            The seconds from the start of the trial to each of its reports, and to its end, in ascending order; or only
            the seconds to its end, if the reports are spread evenly over that time.
        """

    @property
    def missing_time(self) -> str:
        """Why this object does not know its times, as a sentence that says what to do; empty if it does."""
        return ""


def check_simulated(evaluator: Evaluator) -> None:
    """Check that an evaluator knows its times.

    Raises:
        ConfigError: It does not.
    """
    if not isinstance(evaluator, Simulated):
        raise ConfigError(
            f"{evaluator!r} does not say how long an evaluation takes. Derive its class from "
            "retiarii.evaluator.Simulated, too, and implement seconds(self, model, context)."
        )
    if evaluator.missing_time:
        raise ConfigError(evaluator.missing_time)
