"""`ModelSpace` of NNI 3.0: a base class of models instead of the decorator `model_wrapper`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from torch import nn

from retiarii.errors import ArchitectureError, ConfigError
from retiarii.nn.pytorch import basic_unit, extract_space, freeze, model_wrapper
from retiarii.space import Architecture, Choice, Expression

T = TypeVar("T")


class MutableModule(nn.Module):
    """A module with the method `add_mutable`."""

    def add_mutable(self, mutable: T) -> T:
        """Make a choice part of this module, and return it.

        Raises:
            TypeError: ``mutable`` is not a choice.
        """
        if isinstance(mutable, nn.Module):  # found as a submodule
            return mutable
        if not isinstance(mutable, Expression):
            raise TypeError(f"add_mutable got {mutable!r}, expected a choice, such as nni.choice('width', [8, 16]).")
        self._mutables = [*self.mutables, mutable]
        return mutable

    @property
    def mutables(self) -> list[Any]:
        """The choices that were added with `add_mutable`."""
        return list(self.__dict__.get("_mutables", ()))


class ModelSpace(MutableModule):
    """The base class of a model with choices; its constructor calls are recorded, as by `model_wrapper`.

    Layers, choices and strategies are those of retiarii, so labels are optional.

    NNI's ``label_prefix`` is refused: stored architectures have the full labels, so write the prefix into each label.
    """

    def __init_subclass__(
        cls, disable_init_wrapper: bool = False, label_prefix: str | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if label_prefix is not None:
            raise ConfigError(
                f"{cls.__name__} has label_prefix={label_prefix!r}, which has no equivalent. Write it into the labels: "
                f"nni.choice('{label_prefix}/width', [8, 16])."
            )
        if not disable_init_wrapper:
            model_wrapper(cls)

    def simplify(self) -> dict[str, Choice]:
        """Return the choices by label."""
        return {found.label: found for found in extract_space(self)}

    def freeze(self, sample: Mapping[str, Any]) -> nn.Module:
        """Return the network of an architecture; see `retiarii.freeze`.

        Raises:
            ArchitectureError: The architecture does not fit this model.
        """
        return freeze(self, sample)

    def default(self, memo: MutableMapping[str, Any] | None = None) -> nn.Module:
        """Return the network of the default architecture, and write the architecture into ``memo``."""
        return self._frozen(extract_space(self).default(), memo)

    def random(self, memo: MutableMapping[str, Any] | None = None, random_state: Any = None) -> nn.Module:
        """Return the network of a random architecture, and write the architecture into ``memo``.

        Args:
            memo: A dict that receives the architecture.
            random_state: A ``numpy.random.RandomState`` from which the seed is drawn; None for a random seed.
        """
        space = extract_space(self)
        seed = None if random_state is None else int(random_state.randint(2**31))
        return self._frozen(space.sample(random.Random(seed)), memo)

    def grid(self, memo: MutableMapping[str, Any] | None = None) -> Iterator[nn.Module]:
        """Yield the network of each architecture, and write the architecture into ``memo``."""
        for architecture in extract_space(self).grid():
            yield self._frozen(architecture, memo)

    def contains(self, sample: Mapping[str, Any]) -> bool:
        """Return whether an architecture fits this model."""
        try:
            self.validate(sample)
        except ArchitectureError:
            return False
        return True

    def validate(self, sample: Mapping[str, Any]) -> None:
        """Check that an architecture fits this model.

        Raises:
            ArchitectureError: The architecture does not fit; the message names the label.
        """
        extract_space(self).architecture(sample)

    def _frozen(self, architecture: Architecture, memo: MutableMapping[str, Any] | None) -> nn.Module:
        if memo is not None:
            memo.update(architecture)
        return freeze(self, architecture)


class ParametrizedModule(MutableModule):
    """The base class of a module whose constructor arguments may be choices, as with the decorator `basic_unit`."""

    def __init_subclass__(
        cls, disable_init_wrapper: bool = False, wraps: type[nn.Module] | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if wraps is not None:
            raise ConfigError(
                f"{cls.__name__} wraps {wraps.__name__}, which has no equivalent. Write "
                f"{cls.__name__} = retiarii.basic_unit({wraps.__name__}): it takes choices, and becomes a "
                f"{wraps.__name__}."
            )
        if not disable_init_wrapper:
            basic_unit(cls)
