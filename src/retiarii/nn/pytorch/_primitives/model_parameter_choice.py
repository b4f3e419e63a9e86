"""`ModelParameterChoice`: a choice whose value the constructor of the model computes with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from retiarii.errors import DomainError, NoContextError
from retiarii.nn._labels.chosen_values import ChosenValues
from retiarii.nn._labels.namespace import ModelNamespace
from retiarii.nn._values.value_choice import ValueChoice
from retiarii.nn.pytorch._recording.module_call import current_choice
from retiarii.space import identity

_UNSET = object()


def ModelParameterChoice(
    candidates: Iterable[Any],
    *,
    prior: Sequence[float] | None = None,
    default: Any = _UNSET,
    label: str | None = None,
) -> Any:
    """Return a plain value that is chosen, for use in the ``__init__`` of a model.

    `ValueChoice` returns an expression; this function returns the value itself, so that ``__init__`` can
    compute, loop and branch with it. Therefore the constructor of the model runs again for each architecture, which
    takes longer than fixing a model otherwise does; and choices that are made only for some of the values have
    to have labels.

    Args:
        candidates: What `ValueChoice` takes.
        prior: The probability of each candidate in random sampling; uniform if None.
        default: The value in the base model; the first candidate if it is not given.
        label: The name of the decision. Choices of one label take one value.

    Raises:
        NoContextError: The model is not decorated with `model_wrapper`, or this is called outside of its ``__init__``.
        DomainError: Candidates are missing or doubled, one is a module, or prior or default do not fit them.

    Examples:
        >>> @model_wrapper
        ... class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         depth = nn.ModelParameterChoice([2, 4], label="depth")
        ...         self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(depth))
    """
    try:
        namespace = ModelNamespace.current_context()
    except NoContextError as err:
        raise NoContextError(
            "ModelParameterChoice was called outside of the constructor of a model that can be built again. Decorate "
            "the class of the model with @model_wrapper, or use ValueChoice."
        ) from err
    variable = ValueChoice(candidates, prior=prior, label=label)
    value = current_choice(variable)
    values = ChosenValues.current()
    if default is not _UNSET and (values is None or variable.label not in values):
        value = _checked_default(default, variable)
    namespace.parameters.append((variable, value))
    return variable.value_of(value)


def _checked_default(default: Any, variable: ValueChoice) -> Any:
    for position, candidate in enumerate(variable.candidates):
        if candidate is default or identity(candidate) == identity(default):
            return variable.choice().value_at(position)
    raise DomainError(
        f"ModelParameterChoice {variable.label!r} has default={default!r}, expected one of {variable.candidates}."
    )
