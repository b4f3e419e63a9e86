"""`Plan`: how a strategy's kind of search is done, from the user's objects to the end of the search."""

from __future__ import annotations

from abc import ABC, abstractmethod

from retiarii._lazy import load
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.experiment._session import Session
from retiarii.experiment._signed_payload import Payload
from retiarii.experiment._stop import Ending
from retiarii.space import SearchSpace
from retiarii.strategy import Strategy


class Plan(ABC):
    """What is searched and how; made before anything is stored, so that impossible settings leave no trace.

    `MultiTrialPlan` lets a strategy propose trials. The plan of one-shot strategies trains a supernet first.

    Attributes:
        space: The choices of the model and of the evaluator's arguments.
        is_in_process: Whether the user's code runs in this process.
    """

    space: SearchSpace
    is_in_process: bool

    @abstractmethod
    def search(self, session: Session) -> Ending:
        """Search until the budget, the strategy or the user ends it."""


def make_plan(payload: Payload, config: RetiariiExeConfig) -> Plan:
    """Return the plan for a strategy.

    Raises:
        ConfigError: Settings or objects do not go with the strategy.
    """
    is_multi_trial = isinstance(payload.strategy, Strategy)
    path = "retiarii.experiment._multi_trial:MultiTrialPlan"
    kind = load(path if is_multi_trial else "retiarii.experiment.pytorch._one_shot:OneShotPlan")
    plan: Plan = kind(payload, config)
    return plan
