"""`freeze`: what an architecture makes of a base model."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from torch import nn

from retiarii.errors import ArchitectureError
from retiarii.nn._labels.context_stack import hidden
from retiarii.nn.pytorch._freezing.copying import Copier
from retiarii.nn.pytorch._freezing.origins import note_whole
from retiarii.nn.pytorch._labels.chosen_values import FIXED_KEY, ChosenValues
from retiarii.nn.pytorch._recording.survey import extract_space, first_number, require_module
from retiarii.space import Architecture

ArchitectureSource = Mapping[str, Any] | str | PathLike[str]


def freeze(model: nn.Module, architecture: ArchitectureSource, *, strict: bool = True) -> nn.Module:
    """Return what an architecture makes of a base model: a plain PyTorch model.

    The base model stays as it is and can be fixed again. Nothing of this package is left in the result but
    `ChosenInputs`, `ChosenCell` and `ChosenValue`; it pickles, compiles and exports like a model without choices.
    ``with fixed_arch(architecture): Net()`` gives the same modules and parameter names.

    Candidates that are not chosen are neither copied nor built. For the rest:

    * Primitives become what they stand for. A primitive that is the model itself becomes the returned module.
    * A layer of this package, or a basic unit, gets a fresh initialisation from torch's random generator, as if its
      constructor was called, if its weights are still those that the constructor gave them. If you changed them
      (loaded pretrained weights, initialised them yourself), they are copied.
    * If the architecture gives such a module other arguments than the base model, changed weights do not fit. If it was
      the constructor of a ``@model_wrapper`` model or basic unit that changed them (``self.apply(init)``), it
      runs again, so that they are initialised the same way. Otherwise a `WeightsLostWarning` names the module.
    * Everything else is copied: modules of your own and of other libraries, with their parameters, buffers, hooks and
      attributes; only data sets, data loaders and what cannot be copied are shared. Choices in attributes become
      values. Where a method of the class calls the attribute (``self.rate()``), a `ChosenValue` is left, whose call
      returns the value.
    * If a constructor used what the architecture decides (`ModelParameterChoice`, `Cell.output_node_indices`), it runs
      again, with its recorded arguments; weights that were changed since it ran first are carried over.

    Shared modules stay shared, and tied parameters stay tied. ``requires_grad``, training mode, device and data type
    are those of the base model (a base model on the meta device gives a model on the default device).
    Lazy layers are always new. References to candidates that are not chosen, in lists for example, become None.

    Args:
        model: The base model.
        architecture: An `Architecture`, a mapping from labels to values, or the path of a JSON file of one. Values
            may be names, indices, lists of them, and multi-hot lists.
        strict: Whether labels that the model does not have are an error. Labels of choices inside candidates that are
            not chosen never are.

    Raises:
        ArchitectureError: The architecture cannot be read, lacks a label, has an unknown one, or a wrong value.
        FreezeError: A constructor would have to run again, but was not recorded, or the model was changed since in a
            way that it cannot repeat.
        LabelConflictError: Automatic labels were given twice.
        TypeError: This is no model.
    """
    first = first_number(require_module(model, "freeze"))
    values = ChosenValues(read_architecture(architecture), first)
    with hidden(FIXED_KEY):
        frozen = Copier(values, model).model()
    if strict and not values.used.issuperset(values.architecture):
        extract_space(model).architecture(values.architecture)
    note_whole(frozen.module, frozen.inner)
    return frozen.module


def read_architecture(source: ArchitectureSource) -> Architecture:
    """Return the architecture that is given as a mapping or as the path of a JSON file.

    Raises:
        ArchitectureError: It is no mapping from labels to plain values.
        OSError: The file cannot be read.
    """
    if isinstance(source, Architecture):
        return source
    if not isinstance(source, (Mapping, str, PathLike)):
        raise ArchitectureError(
            f"The architecture is {source!r} of type {type(source).__name__}, expected a mapping from labels to values "
            "(an item of export_top_models()), or the path of a JSON file with one."
        )
    return Architecture(source) if isinstance(source, Mapping) else Architecture.load(source)
