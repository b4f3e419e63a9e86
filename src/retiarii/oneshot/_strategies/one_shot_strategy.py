"""`OneShotStrategy`: how to search with a supernet, as an immutable recipe."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from torch import nn

from retiarii.errors import ConfigError
from retiarii.oneshot._searches.one_shot_search import OneShotSearch
from retiarii.oneshot._supernets.builder import build_supernet
from retiarii.oneshot._supernets.rules import DEFAULT_RULES, Rule
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.strategy import Strategy
from retiarii.trial import BaseStrategy


class OneShotStrategy(BaseStrategy):
    """How to search with a supernet: options without state, reusable; what changes is in the `OneShotSearch`.

    It is of the same family as `retiarii.strategy.Strategy` for users, but has no ``ask``: it owns a supernet and
    drives the training step of an evaluator. To add an algorithm, write `start`; differentiable ones need only a
    `Relaxation`.
    """

    @property
    def second_phase(self) -> Strategy | None:
        """The multi-trial strategy that is to search the trained supernet, if one is named."""
        return None

    @property
    def rules(self) -> Mapping[type[nn.Module], Rule] | None:
        """Rules for modules that `DEFAULT_RULES` has none for, or another one; None if there are none."""
        return None

    @abstractmethod
    def start(self, supernet: Supernet, *, seed: int) -> OneShotSearch:
        """Start a search on a supernet that this strategy can use; `search` checks the seed and builds supernets."""

    def supernet_rules(self) -> dict[type[nn.Module], Rule]:
        """Return the rules by which `build` makes operators: the default ones, and `rules`."""
        return {**DEFAULT_RULES, **(self.rules or {})}

    def build(self, model: nn.Module, *, in_place: bool = False) -> Supernet:
        """Return the supernet that this strategy searches.

        Args:
            model: The base model.
            in_place: Whether the model itself becomes the supernet's module, see `build_supernet`.

        Raises:
            SupernetError: A part of the model cannot be part of a supernet.
        """
        return build_supernet(model, self.supernet_rules(), in_place=in_place)

    def search(self, model: nn.Module | Supernet, *, seed: int = 0) -> OneShotSearch:
        """Start a search.

        Args:
            model: The base model, which stays as it is; or a supernet, perhaps trained before.
            seed: Same seed, same model, same data: same numbers. The initial weights of a supernet come from torch's
                global generator all the same.

        Raises:
            ConfigError: The seed is no whole number from 0 to 2**64 - 1.
            SupernetError: A part of the model cannot be part of a supernet, or this strategy cannot search it.
        """
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise ConfigError(f"seed is {seed!r}, expected a whole number from 0 to 2**64 - 1.")
        return self.start(model if isinstance(model, Supernet) else self.build(model), seed=seed)


def check_at_least(strategy: OneShotStrategy, **smallest: float) -> None:
    """Check the numbers among the options of a strategy; None stands for an option that is not used.

    Raises:
        ConfigError: One is no number, or too small.
    """
    for name, least in smallest.items():
        got = getattr(strategy, name)
        is_number = isinstance(got, (int, float)) and not isinstance(got, bool)
        if got is not None and not (is_number and got >= least):
            raise ConfigError(f"{type(strategy).__name__} has {name}={got!r}, expected a number of at least {least}.")
