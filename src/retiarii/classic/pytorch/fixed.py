"""`apply_fixed_architecture`: turns a model with choices into the network of an architecture, for retraining.

`FixedArchitecture` is a mutator that decides a model by an architecture, and leaves the model as it is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from retiarii.classic.pytorch.base_mutator import restore_choices, unbind
from retiarii.classic.pytorch.mutator import Mutator
from retiarii.nn.pytorch import freeze
from retiarii.space import Architecture

__all__ = ["FixedArchitecture", "apply_fixed_architecture"]

ArchitectureFile = Mapping[str, Any] | str | os.PathLike[str]

_logger = logging.getLogger(__name__)


def apply_fixed_architecture(model: nn.Module, fixed_arc: ArchitectureFile, verbose: bool = True) -> None:
    """Turn a model with choices into the network of an architecture, in place.

    Each choice is replaced by what was chosen; candidates that were not chosen are gone. The rest of the model stays as
    it is, with its weights: all modules and parameters that remain are the same objects, so that an optimizer that was
    made before still trains them. (Layers with a `ValueChoice` in their arguments are the exception: they are built
    anew where the architecture gives them another size, with the part of their weights that fits.) The result is a
    plain model, with the parameter names of a model that was written by hand with these layers. A mutator of the model
    is unbound from it.

    After an error the model is as it was; but a supernet, which the mutators of algorithms make of the model, has its
    choices back, with the trained weights.

    Args:
        model: The model.
        fixed_arc: The architecture, from keys to choices, or the path of a JSON file of one; nothing in the file is
            ever run. A choice is the name or the index of a candidate, a list of names or of indices, or a list of
            booleans with one for each candidate, also as a tensor or an array, as ``mutator.export()`` has them. A list
            of numbers with decimals weighs the outputs of the candidates.
        verbose: Whether to log what was done.

    Raises:
        ArchitectureError: The architecture cannot be read, has a key that the model does not have, lacks one, or has
            an impossible value.
        FreezeError: The model is itself a choice.
        TypeError: ``model`` is no module.
    """
    architecture = _read(fixed_arc)
    restore_choices(model)
    freeze(model, architecture, in_place=True)
    unbind(model)
    if verbose:
        _logger.info("Fixed %s to %s", type(model).__name__, architecture.canonical_json())


class FixedArchitecture(Mutator):
    """Decides a model by one architecture, always; the model keeps all candidates.

    Use it to look at architectures in a trained supernet. For retraining, `apply_fixed_architecture` is the better way:
    it removes what is not chosen.

    Args:
        model: The model.
        fixed_arc: The architecture, or the path of a JSON file of one, as for `apply_fixed_architecture`.
        strict: Whether keys that the model does not have are an error.
        verbose: Whether to log the architecture.

    Raises:
        ArchitectureError: The architecture cannot be read, lacks a key, or has an impossible value.
        SearchError: Another mutator is bound to the model.
    """

    def __init__(
        self, model: nn.Module, fixed_arc: ArchitectureFile, strict: bool = True, verbose: bool = True
    ) -> None:
        architecture = _read(fixed_arc)
        freeze(model, architecture, weights="keep", strict=strict)  # checks it
        super().__init__(model)
        self._others = {key: value for key, value in architecture.items() if key in self._other_defaults()}
        defaults = {key: choice.choice().default() for key, choice in self.choices_by_key.items()}  # what is not active
        self._fixed = {
            key: choice.selection_of(architecture.get(key, defaults[key])).mask()
            for key, choice in self.choices_by_key.items()
        }
        if verbose:
            _logger.info("Decided %s by %s", type(model).__name__, architecture.canonical_json())

    def sample_search(self) -> dict[str, Tensor]:
        """Return the masks of the architecture."""
        return self._fixed

    def sample_final(self) -> dict[str, Tensor]:
        """Return the masks of the architecture."""
        return self._fixed

    def export(self) -> dict[str, Any]:
        """Return the architecture: a mask for each choice of the classic API, and the values of other choices."""
        return {**super().export(), **self._others}


def _read(fixed_arc: ArchitectureFile) -> Architecture:
    """Return an architecture that is given as a mapping, whose values may be arrays, or in a file.

    Raises:
        ArchitectureError: It cannot be read.
    """
    if isinstance(fixed_arc, (str, os.PathLike)):
        return Architecture.load(fixed_arc)
    if not isinstance(fixed_arc, Mapping):
        return Architecture(fixed_arc)  # raises
    arrays = (Tensor, np.ndarray, np.generic)
    return Architecture(
        {key: value.tolist() if isinstance(value, arrays) else value for key, value in fixed_arc.items()}
    )
