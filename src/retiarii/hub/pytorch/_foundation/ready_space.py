"""`ReadySpace`: the base class of ready spaces, with their paper, size and published architectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from torch import nn

from retiarii.errors import ConfigError
from retiarii.nn.pytorch import extract_space, fixed_arch
from retiarii.space import Architecture, nearest


@dataclass(frozen=True)
class Paper:
    """Where a space is from.

    Attributes:
        title: The title of the paper.
        arxiv: Its number on arXiv.
        year: The year of publication.
        where: The section, table or figure that defines the space.
    """

    title: str
    arxiv: str
    year: int
    where: str

    @property
    def url(self) -> str:
        """The address of the paper."""
        return f"https://arxiv.org/abs/{self.arxiv}"


@dataclass(frozen=True)
class Publication:
    """An architecture that a paper or its code publishes.

    Attributes:
        values: Label to value: all choices that the space has if it is built with ``options``.
        source: Where it is printed, and what the source says about it.
        options: The arguments of the space for the network that the source trains.
    """

    values: Mapping[str, Any]
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)


class ReadySpace(nn.Module):
    """The base class of ready spaces: a model with choices that knows its paper.

    Attributes:
        PAPER: The paper that proposes the space.
        PUBLISHED: The architectures that the paper publishes, by name.
        SIZES: The labels of choices that a publication fixes by arguments, such as width and depth.
    """

    PAPER: ClassVar[Paper]
    SIZES: ClassVar[tuple[str, ...]] = ()
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType({})

    @property
    def size(self) -> int | float:
        """How many architectures the space has, exactly; infinite if it has a choice of real numbers."""
        return extract_space(self).size

    @classmethod
    def published(cls, name: str) -> Architecture:
        """Return an architecture that the paper publishes, for the space with the arguments of that publication.

        A space that was built with more choices (a tuple of widths, say) also needs values for these:
        ``{**DARTS.published("darts-v2"), "width": 16, "depth": 8}``.

        Args:
            name: One of `PUBLISHED`.

        Raises:
            ConfigError: The name is unknown.
        """
        return Architecture(cls._publication(name).values)

    @classmethod
    def load_searched_model(
        cls, name: str, pretrained: bool = False, download: bool = False, progress: bool = True, **options: Any
    ) -> nn.Module:
        """Return the plain network of an architecture that the paper publishes, with new weights.

        Args:
            name: One of `PUBLISHED`.
            pretrained: Only False is possible: this package has no trained weights.
            download: Accepted for scripts written for NNI; has no effect.
            progress: Accepted for scripts written for NNI; has no effect.
            **options: Arguments of the space that replace those of the publication, for example ``num_labels``.

        Raises:
            ConfigError: The name is unknown, or trained weights are wanted.
        """
        publication = cls._publication(name)
        if pretrained:
            raise ConfigError(
                f"{cls.__name__} has no trained weights of {name!r}. Leave pretrained=False, and train the network or "
                "load a state dict of your own into it."
            )
        with fixed_arch(cls.published(name), verbose=False):
            return cls(**{**publication.options, **options})

    @classmethod
    def _publication(cls, name: str) -> Publication:
        if name not in cls.PUBLISHED:
            known = list(cls.PUBLISHED)
            raise ConfigError(
                f"{cls.__name__} has no published architecture {name!r}, expected one of {known}.{nearest(name, known)}"
            )
        return cls.PUBLISHED[name]
