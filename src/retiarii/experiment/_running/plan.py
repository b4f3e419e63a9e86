"""`Plan`: how an experiment is searched, for each kind of strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from retiarii._lazy import is_a, load
from retiarii.experiment._control.stop_signal import Ending
from retiarii.experiment._running.background_drawing import Draw
from retiarii.experiment._running.session import Session
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.experiment._stored_objects.signed_payload import Payload
from retiarii.space import SearchSpace
from retiarii.strategy import Strategy


class Plan(ABC):
    """The search of an experiment. It is made before anything is stored, so that invalid settings leave no trace.

    `MultiTrialPlan` is for multi-trial strategies; the plan of one-shot strategies trains a supernet first.

    Attributes:
        space: The choices of the model and of the evaluator's arguments.
        is_in_process: Whether the user's code runs in this process.
        is_simulated: Whether trials run on the simulated clock of this package.
    """

    space: SearchSpace
    is_in_process: bool
    is_simulated: bool = False

    @abstractmethod
    def search(self, session: Session) -> Ending:
        """Search until the budget, the strategy or the user ends it."""

    def drawer(self, payload: Payload, config: RetiariiExeConfig) -> Draw | None:
        """Return the function that draws the model; None for experiments without a PyTorch model.

        Args:
            payload: The user's objects.
            config: The setting ``dummy_input``.
        """
        if not is_a(payload.base_model, "torch.nn:Module"):
            return None
        mutators, shape = payload.mutators, config.dummy_input

        def draw(send: Callable[[dict[str, Any]], None]) -> None:
            draw_model = load("retiarii.experiment.pytorch._network_drawing:draw_model")
            draw_model(payload.base_model, self.space, payload.evaluator, shape, mutators, send)

        return draw


def make_plan(payload: Payload, config: RetiariiExeConfig) -> Plan:
    """Return the plan for a strategy.

    Raises:
        ConfigError: Settings or objects do not fit the strategy.
    """
    is_multi_trial = isinstance(payload.strategy, Strategy)
    path = "retiarii.experiment._running.multi_trial_plan:MultiTrialPlan"
    kind = load(path if is_multi_trial else "retiarii.experiment.pytorch._one_shot:OneShotPlan")
    plan: Plan = kind(payload, config)
    return plan
