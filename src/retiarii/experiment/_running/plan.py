"""`Plan`: how an experiment is searched, for each kind of strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod

from retiarii._lazy import load
from retiarii.experiment._control.stop_signal import Ending
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
