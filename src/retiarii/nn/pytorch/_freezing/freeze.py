"""`freeze`: from a base model and an architecture to a plain PyTorch model."""

from __future__ import annotations

from torch import nn

from retiarii._paused_collector import paused_collector
from retiarii.errors import ConfigError
from retiarii.nn._labels.architecture_source import ArchitectureSource, read_architecture
from retiarii.nn._labels.chosen_values import FIXED_KEY, ChosenValues
from retiarii.nn._labels.context_stack import hidden
from retiarii.nn.pytorch._freezing.copying import Copier, Weights
from retiarii.nn.pytorch._freezing.freezing_in_place import InPlaceFreezer
from retiarii.nn.pytorch._labels.weight_origins import note_whole
from retiarii.nn.pytorch._recording.survey import extract_space, first_number, require_module
from retiarii.nn.pytorch.mutation_utils import Frozen
from retiarii.space import SearchSpace


def freeze(
    model: nn.Module,
    architecture: ArchitectureSource,
    *,
    weights: Weights = None,
    strict: bool = True,
    in_place: bool = False,
) -> nn.Module:
    """Return the plain PyTorch model of an architecture.

    The base model is not changed and can be frozen again. The result pickles, compiles and exports like a model without
    choices: of this package it contains at most `ChosenInputs`, `ChosenCell` and `ChosenValue`.
    ``with fixed_arch(architecture): Net()`` gives the same modules and parameter names.

    Candidates that are not chosen are neither copied nor built. Each primitive is replaced by the chosen module; if the
    base model is a primitive, the chosen module is returned. Choices in attributes become values; where a method of the
    class calls the attribute (``self.rate()``), a `ChosenValue` whose call returns the value.

    **Weights.** By default, weights that were changed after the constructor of their module ran (loaded, trained,
    initialised by hand) are copied, and all others are initialised anew by torch's random generator. Where the
    architecture gives a module other arguments, changed weights do not fit: a recorded constructor that initialised
    them (``self.apply(init)`` in a ``@model_wrapper`` class) runs again, and otherwise a `WeightsLostWarning` lists
    the modules.

    This is about recorded modules: layers of this package, basic units and ``@model_wrapper`` models. All other modules
    have no record of their constructor and are always copied, with parameters, buffers, hooks and attributes; only data
    sets, data loaders and objects that cannot be copied are shared.

    A constructor that computed with a choice (`ModelParameterChoice`, `Cell.output_node_indices`) runs again with its
    recorded arguments. Shared modules stay shared, and tied parameters stay tied. ``requires_grad``, training mode,
    device and data type are those of the base model (a base model on the meta device gives a model on the default
    device). Lazy layers are always new. References to candidates that are not chosen, for example in lists, are None.

    Python's garbage collector is off while this function runs, for all threads, which saves a tenth of the time.

    Args:
        model: The base model.
        architecture: An `Architecture`, a mapping from labels to values, or the path of a JSON file of one. Values
            may be names, indices, lists of them, and multi-hot lists.
        weights: Which weights of recorded modules are copied. None: those that were changed, as above. ``"fresh"``:
            none, as if the model was built inside `fixed_arch`. ``"keep"``: all of them. With ``"keep"``, a module that
            the architecture makes smaller takes the part that it has in a supernet: the first channels or features,
            and the middle of kernels. A module that becomes larger is initialised anew, with a `WeightsLostWarning` if
            its weights were changed.
        strict: Whether labels that the model does not have are an error. Labels of choices inside candidates that are
            not chosen never are.
        in_place: Whether ``model`` itself becomes the fixed model, and is returned. All weights are kept, as with
            ``weights="keep"``: modules and parameters stay the same objects, so that an optimizer of them still trains
            them, but for layers that get other arguments; of these, parameters that keep their shape stay. After an
            error the model is as it was.

    Raises:
        ArchitectureError: The architecture cannot be read, lacks a label, has an unknown one, or a wrong value.
        ConfigError: ``weights`` has an unknown value, or one that does not go with ``in_place``.
        FreezeError: A constructor would have to run again, but was not recorded, or children of its module were added,
            removed or replaced since.
            With ``in_place``: the model is itself a choice.
        LabelConflictError: Automatic labels were given twice.
        TypeError: ``model`` is no module.
    """
    first = first_number(require_module(model, "freeze"))
    if weights not in (None, "fresh", "keep"):
        raise ConfigError(f"freeze() got weights={weights!r}, expected 'fresh', 'keep' or None.")
    if in_place and weights == "fresh":
        raise ConfigError("freeze(in_place=True) keeps all weights, so that weights='fresh' is not possible.")
    values = ChosenValues(read_architecture(architecture), first)
    with paused_collector():
        frozen = _in_place(values, model, strict) if in_place else _copied(values, model, weights, strict)
    note_whole(frozen.module, frozen.inner)
    return frozen.module


def _copied(values: ChosenValues, model: nn.Module, weights: Weights, strict: bool) -> Frozen:
    with hidden(FIXED_KEY):
        frozen = Copier(values, model, weights).model()
    if strict and not values.used.issuperset(values.architecture):
        _refuse_unknown(values, extract_space(model))
    return frozen


def _in_place(values: ChosenValues, model: nn.Module, strict: bool) -> Frozen:
    space = extract_space(model) if strict else None
    with hidden(FIXED_KEY), InPlaceFreezer(values, model) as freezer:
        freezer.model()
        if space is not None:
            _refuse_unknown(values, space)
    return Frozen(model)


def _refuse_unknown(values: ChosenValues, space: SearchSpace) -> None:
    """Refuse labels that the model does not have; those inside candidates that are not chosen it has.

    Raises:
        ArchitectureError: There is such a label.
    """
    if not set(values.architecture) <= values.used | {choice.label for choice in space}:
        space.architecture(values.architecture)  # raises
