"""`extract_space`, `freeze` and `fixed_arch`: the search space of a blueprint, and the network of an architecture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from retiarii.nn._labels.architecture_source import ArchitectureSource, read_architecture
from retiarii.nn._labels.namespace import numbering_from
from retiarii.nn.keras._assembly import Assembly
from retiarii.nn.keras._blueprints import Blueprint
from retiarii.nn.keras._choice_walk import ChoiceWalk
from retiarii.nn.keras.installed import keras
from retiarii.space import Architecture, SearchSpace

logger = logging.getLogger(__name__)

Constraint = Callable[[Architecture], bool]


def extract_space(model: Any, constraints: Sequence[Constraint] = ()) -> SearchSpace:
    """Return the search space of a model: all choices that are written in it.

    A choice inside a candidate of another choice, or inside a block of a `Repeat`, is active only when that candidate
    or block is. Functions and classes that are marked with `model_wrapper` run once, with the default of every choice.

    Args:
        model: The blueprint; it is not changed.
        constraints: Functions that return whether an architecture is allowed; see `SearchSpace`.

    Raises:
        LabelConflictError: One label has two domains, or two choices got the same automatic label.
        TypeError: ``model`` is not a blueprint.
        SpaceError: The depth of a `Repeat` has too many combinations to write down its conditions.
    """
    return numbered_space(model, constraints)[0]


def numbered_space(model: Any, constraints: Sequence[Constraint] = ()) -> tuple[SearchSpace, int]:
    """Return the space of a blueprint, and the creation number that its automatic labels count from."""
    walk = ChoiceWalk()
    walk.visit(require_blueprint(model, "extract_space"), model.name)
    choices, first = walk.result()
    return SearchSpace(choices, tuple(constraints)), first


def require_blueprint(model: Any, function: str) -> Blueprint:
    """Check that a model is a blueprint, and return it.

    Raises:
        TypeError: The model is not a blueprint.
    """
    if isinstance(model, Blueprint):
        return model
    hint = " Build it first, by a call."
    if isinstance(model, keras.Layer):
        hint = (
            " A layer or model that is built has no choices any more: build it with the layers of retiarii.nn.keras, "
            "or in a function or class that is marked with @model_wrapper, outside of fixed_arch."
        )
    raise TypeError(f"{function}() got {model!r}, expected a model of retiarii.nn.keras.{hint}")


def freeze(model: Any, architecture: ArchitectureSource, *, strict: bool = True) -> Any:
    """Return the network of an architecture: a plain Keras layer or model, with new weights.

    The result contains nothing of this package but `PickedInputs`. Layers that were built without this package
    (``keras.layers.Dense(10)``, ``keras.applications.MobileNetV3Small(...)``) are copied with the weights that they
    have; layers that code makes while it runs are used as they are.

    Args:
        model: The blueprint; it is not changed.
        architecture: An `Architecture`, a mapping from labels to values, or the path of a JSON file of one. Values may
            be names, indices, lists of them, and multi-hot lists.
        strict: Whether labels that the model does not have are an error. Labels of choices inside candidates that are
            not chosen never are.

    Raises:
        ArchitectureError: The architecture cannot be read, lacks a label, has an unknown one, or a wrong value.
        FreezeError: The code of a function or class makes other choices than with default values.
        TypeError: ``model`` is not a blueprint.
    """
    blueprint = require_blueprint(model, "freeze")
    space, first = numbered_space(blueprint)
    return build_network(blueprint, space, first, read_architecture(architecture), strict=strict)


def build_network(
    blueprint: Blueprint, space: SearchSpace, first: int, architecture: Architecture, *, strict: bool
) -> Any:
    """Return the network of an architecture for a blueprint whose space is known; see `freeze`."""
    if not strict:
        architecture = architecture.restricted([choice.label for choice in space])
    chosen = space.architecture(architecture)
    return Assembly(chosen, first, known=space).build(blueprint)


@contextmanager
def fixed_arch(architecture: ArchitectureSource, verbose: bool = True, *, strict: bool = True) -> Iterator[None]:
    """Inside the block, build models with the values of an architecture.

    ``with fixed_arch(arch): model = net()`` gives the same model as ``freeze(net(), arch)``. Layers of this package and
    functions and classes marked with `model_wrapper` return plain Keras layers in it. Automatic labels count afresh
    inside.

    Args:
        architecture: An `Architecture`, a mapping from labels to values, or the path of a JSON file of one.
        verbose: Whether to log which architecture is used.
        strict: Whether labels that no choice in the block has are an error. Labels of choices inside candidates that
            are not chosen never are.

    Raises:
        ArchitectureError: The architecture cannot be read, which is raised at once; or it lacks a label, has an unknown
            one, or a wrong value, which is raised at the end of the block at the latest.
    """
    given = read_architecture(architecture)
    if verbose:
        logger.info("Models are built with the architecture %s", given.canonical_json())
    assembly = Assembly(given)
    with assembly.active(), numbering_from(None):
        yield
    walk = ChoiceWalk(assembly)
    for root in assembly.roots:
        walk.visit(root, root.name)
    space = SearchSpace(walk.result()[0])
    space.architecture(given if strict else given.restricted([choice.label for choice in space]))
