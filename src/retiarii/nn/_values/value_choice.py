"""`ValueChoice`, `IntegerRange` and `FloatRange`: values that are chosen."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retiarii.errors import DomainError
from retiarii.nn._labels.chosen_values import ChosenValues
from retiarii.nn._labels.namespace import ModelNamespace
from retiarii.nn._values.candidates import content, own_copy, plain_candidates
from retiarii.nn._values.early_calls import refuse_in_constructor
from retiarii.space import Categorical, ChoiceVariable, Float, Integer, Value


def new_label(label: str | None) -> str:
    """Return the label of a new choice: the one given, or the next automatic one."""
    label = ModelNamespace.next_label() if label is None else label
    values = ChosenValues.current()
    if values is not None and isinstance(label, str):
        values.declare(label)
    return label


def label_or_key(label: str | None, key: str | None) -> str | None:
    """Return the label that was given, also under the old name of the argument."""
    if key is None:
        return label
    warnings.warn("The argument 'key' is now called 'label'.", DeprecationWarning, stacklevel=3)
    return key


class _ChosenNumberOrValue(ChoiceVariable):
    """A variable that knows the architecture that is being fixed."""

    @property
    def label(self) -> str:
        """The label of the choice; provisional if it is automatic and not made inside a ``@model_wrapper`` class."""
        return self._choice.label

    def __call__(self) -> Any:
        """Return the value: the default, or inside `fixed_arch` that of the architecture.

        So ``self.rate()`` in ``forward`` works before and after the model is fixed.

        Raises:
            ChoiceMisuseError: It is called in a constructor.
        """
        refuse_in_constructor(self)
        values = ChosenValues.current()
        return self.default() if values is None else values.evaluate_or_default(self)


class ValueChoice(_ChosenNumberOrValue):
    """The choice of one value.

    Give it, or an expression made of it (``width * 2``, ``ValueChoice.max(a, b)``, ``sizes[0]``), to a layer of this
    package, to a class marked with `basic_unit`, or keep it as an attribute of a module: once the model is fixed, the
    value stands in its place.

    The model that is not fixed uses the first candidate. In ``forward``, ``self.rate()`` works before and after the
    model is fixed, ``self.rate`` only after it.

    Args:
        candidates: Numbers, strings, booleans, None, tuples or lists of these; or any objects but modules: dicts,
            classes, functions. The architecture knows objects by their qualified name (``"ReLU"``) where all of them
            have one, and by index otherwise; the model gets the object (of a list or dict, a copy).
        prior: The probability of each candidate in random sampling; uniform if None.
        label: The name of the decision. Choices of one label take one value.

    Raises:
        DomainError: Candidates are missing or doubled, a dict or one is a module, or the prior does not fit them.

    Examples:
        >>> width = nn.ValueChoice([32, 64], label="width")
        >>> nn.Sequential(nn.Linear(10, width), nn.ReLU(), nn.Linear(width, width * 2))
    """

    def __init__(
        self, candidates: Iterable[Any], *, prior: Sequence[float] | None = None, label: str | None = None
    ) -> None:
        label = new_label(label)
        if isinstance(candidates, Mapping):
            raise DomainError(
                f"ValueChoice {label!r} got a dict, expected a list of candidates: [8, 16], or [{{...}}, {{...}}] to "
                "choose one of several dicts. Values have no names."
            )
        is_list = isinstance(candidates, Iterable) and not isinstance(candidates, (str, bytes))
        given: Any = list(candidates) if is_list else candidates
        values = plain_candidates(given, label) if is_list else None
        self._objects: list[Any] | None = None if values is None else given
        super().__init__(
            Categorical(label, given if values is None else values, prior, by_index=_are_names(values))  # type: ignore[arg-type]  # it makes tuples of them
        )

    @property
    def candidates(self) -> list[Any]:
        """The values to choose from."""
        return list(self._categorical.values if self._objects is None else self._objects)

    @property
    def contents(self) -> Any:
        """What tells apart two choices whose candidates are objects; None where the domain does."""
        return None if self._objects is None else content(self._objects)

    def value_of(self, chosen: Value) -> Any:
        """Return the candidate that the architecture's value stands for.

        Raises:
            ArchitectureError: There is no such candidate.
        """
        if self._objects is None:
            return chosen
        return own_copy(self._objects[self._categorical.index_of(self._categorical.parse(chosen))])

    @property
    def prior(self) -> list[float] | None:
        """The probability of each candidate, or None if they are equally likely."""
        return None if self._categorical.prior is None else list(self._categorical.prior)

    @property
    def _categorical(self) -> Categorical:
        assert isinstance(self._choice, Categorical)
        return self._choice


def _are_names(values: tuple[Value, ...] | None) -> bool:
    return values is not None and any(isinstance(value, str) for value in values)


class IntegerRange(_ChosenNumberOrValue):
    """The choice of an integer; it is used like a `ValueChoice`.

    Args:
        low: The smallest value, which the model that is not fixed uses.
        high: The largest value, itself included where a step meets it.
        step: The distance between neighbours.
        log: Whether random samples are spread evenly over the logarithm.
        label: The name of the decision.

    Raises:
        DomainError: The range is empty, or an argument does not fit the others.
    """

    def __init__(self, low: int, high: int, step: int = 1, log: bool = False, *, label: str | None = None) -> None:
        super().__init__(Integer(new_label(label), low=low, high=high, step=step, log=log))


class FloatRange(_ChosenNumberOrValue):
    """The choice of a number from an interval; it is used like a `ValueChoice`.

    Args:
        low: The smallest value, which the model that is not fixed uses.
        high: The largest value.
        log: Whether random samples are spread evenly over the logarithm.
        label: The name of the decision.

    Raises:
        DomainError: The interval is empty, or an argument does not fit the others.
    """

    def __init__(self, low: float, high: float, log: bool = False, *, label: str | None = None) -> None:
        super().__init__(Float(new_label(label), low=low, high=high, log=log))
