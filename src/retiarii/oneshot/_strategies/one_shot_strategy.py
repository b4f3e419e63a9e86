"""`OneShotStrategy`: the base class of one-shot strategies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from torch import nn

from retiarii.errors import ConfigError
from retiarii.oneshot._searches.one_shot_search import OneShotSearch
from retiarii.oneshot._supernets.builder import build_supernet
from retiarii.oneshot._supernets.rules import DEFAULT_RULES, Rule
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.strategy.multi_trial import Strategy
from retiarii.trial import BaseStrategy


class OneShotStrategy(BaseStrategy):
    """The options of a search with a supernet. The state of a running search is in the `OneShotSearch` that it starts.

    An experiment takes it like a `retiarii.strategy.Strategy`, but it has no ``ask``: it builds a supernet and drives
    the training step of an evaluator. To add an algorithm, implement `start`; a differentiable algorithm needs only a
    `Relaxation`.
    """

    @property
    def second_phase(self) -> Strategy | None:
        """The multi-trial strategy that searches the trained supernet, if the user gave one."""
        return None

    @property
    def rules(self) -> Mapping[type[nn.Module], Rule] | None:
        """Further rules for types of modules, in addition to `DEFAULT_RULES` or in their place; None for none."""
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

    def search(self, model: nn.Module | Supernet, *, seed: int = 0, in_place: bool = False) -> OneShotSearch:
        """Start a search.

        Args:
            model: The base model, which stays as it is; or a supernet, perhaps trained before.
            seed: Same seed, same model, same data: same numbers. The initial weights of a supernet come from torch's
                global generator all the same.
            in_place: Whether the model itself becomes the supernet's module, see `build_supernet`. If the search cannot
                start, the model is as it was.

        Raises:
            ConfigError: The seed is not a whole number from 0 to 2**64 - 1.
            SupernetError: A part of the model cannot be part of a supernet, or this strategy cannot search it.
        """
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise ConfigError(f"seed is {seed!r}, expected a whole number from 0 to 2**64 - 1.")
        if isinstance(model, Supernet):
            return self.start(model, seed=seed)
        supernet = self.build(model, in_place=in_place)
        try:
            return self.start(supernet, seed=seed)
        except BaseException:
            if in_place:
                supernet.unbind()
            raise


def check_at_least(strategy: OneShotStrategy, **smallest: float) -> None:
    """Check the numbers among the options of a strategy; None stands for an option that is not used.

    Raises:
        ConfigError: An option is not a number, or too small.
    """
    for name, least in smallest.items():
        got = getattr(strategy, name)
        is_number = isinstance(got, (int, float)) and not isinstance(got, bool)
        if got is not None and not (is_number and got >= least):
            raise ConfigError(f"{type(strategy).__name__} has {name}={got!r}, expected a number of at least {least}.")
