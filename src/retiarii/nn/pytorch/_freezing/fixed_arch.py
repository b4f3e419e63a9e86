"""`fixed_arch`: build a model with the values of an architecture."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from types import TracebackType

from retiarii.errors import ArchitectureError, FreezeError
from retiarii.nn._labels.architecture_source import ArchitectureSource, read_architecture
from retiarii.nn._labels.chosen_values import FIXED_KEY, ChosenValues
from retiarii.nn._labels.context_stack import ContextStack
from retiarii.nn._labels.namespace import ModelNamespace, numbering_from
from retiarii.nn.pytorch._freezing.building import Fixing
from retiarii.nn.pytorch._generators import generators_kept
from retiarii.nn.pytorch.mutation_utils import Mutable
from retiarii.space import Architecture, nearest

_logger = logging.getLogger(__name__)


def fixed_arch(fixed_arch: ArchitectureSource, verbose: bool = True, *, strict: bool = True) -> ContextStack:
    """Return a context in which models are built with the values of an architecture.

    ``with fixed_arch(arch): model = Net()`` gives the same modules and parameter names as ``freeze(Net(), arch)``: a
    plain PyTorch model. It runs the constructor of the model, so it needs no base model, and the constructor can
    compute with the chosen values. `freeze` is faster for a model that exists already. Layers of candidates that are
    not chosen are not initialised, and yet all weights are the same for the same seed. Functions that make
    candidates of a `LayerChoice` are called for the chosen candidate only.

    A primitive is replaced when it becomes a child of a module. All other choices are replaced when the constructor of
    a ``@model_wrapper`` model ends; for other models when the context ends, so leave it before you use the model. A
    model that is itself a primitive (``LayerChoice(...)`` alone) cannot be replaced in your variable: use `freeze`.

    Contexts nest, and belong to one thread. Automatic labels count afresh inside.

    Args:
        fixed_arch: An `Architecture`, a mapping from labels to values, or the path of a JSON file of one. Values may be
            names, indices, lists of them, and multi-hot lists.
        verbose: Whether to log which architecture is used.
        strict: Whether labels that no choice in the context has are an error, which is raised when the context ends.
            Labels of choices inside candidates that are not chosen never are.

    Raises:
        ArchitectureError: The architecture cannot be read or does not fit the model. Raised where it is noticed:
            here, in the constructor, or when the context ends.
    """
    architecture = read_architecture(fixed_arch)
    if verbose:
        _logger.info("Models are built with the architecture %s", architecture.canonical_json())
    return _FixedArchitecture(architecture, strict)


class _FixedArchitecture(ContextStack):
    """The context that `fixed_arch` returns."""

    def __init__(self, architecture: Architecture, strict: bool) -> None:
        super().__init__(FIXED_KEY, None)
        self._architecture = architecture
        self._strict = strict
        self._numberings: list[AbstractContextManager[None]] = []

    def __enter__(self) -> ContextStack:
        self.value = Fixing(ChosenValues(self._architecture))
        self._numberings.append(numbering_from(None))
        self._numberings[-1].__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                _complete(ContextStack.top(FIXED_KEY), self._strict)
        finally:
            super().__exit__(kind, error, traceback)
            self.value = None  # it keeps the candidates that are not chosen alive
            self._numberings.pop().__exit__(None, None, None)


def _complete(fixing: Fixing, strict: bool) -> None:
    """Fix the models that are complete only at the end of the block, and check for labels that no choice has."""
    roots = fixing.roots()
    for root in roots:
        if not isinstance(root, Mutable):
            for model in fixing.built_in(root):
                fixing.finish(model)
    for root in roots:
        if isinstance(root, Mutable) and root not in fixing.replaced:
            raise FreezeError(
                f"A {type(root).__name__} was built inside fixed_arch and is no child of a module, so it "
                "cannot be replaced in your variable. Use freeze(module, architecture), which returns the fixed module."
            )
    values = fixing.values
    unknown = _unknown_labels(values) if strict else []
    if unknown:
        raise ArchitectureError(
            f"The architecture has a value for {unknown[0]!r}, but no choice that was built inside fixed_arch has this "
            f"label.{nearest(unknown[0], values.declared)}",
            label=unknown[0],
            got=values.architecture[unknown[0]],
            expected=sorted(values.declared),
        )


def _unknown_labels(values: ChosenValues) -> list[str]:
    """Return the labels that no choice has, not even one in a part that was left out."""
    if not values.declared.issuperset(values.architecture):
        with generators_kept(), ModelNamespace():
            values.declare_left_out()
    return [label for label in values.architecture if label not in values.declared]
