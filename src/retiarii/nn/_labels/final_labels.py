"""The labels that choices have in architectures, once all choices of a model are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from retiarii.errors import LabelConflictError
from retiarii.space import AutomaticLabel, Choice


def final_label(label: str, first: int) -> str:
    """Return the label of a choice in architectures.

    Args:
        label: The label of the declaration.
        first: The creation number of the model's first choice that was numbered outside of a namespace.
    """
    return label.relative_to(first) if isinstance(label, AutomaticLabel) else label


def first_number_of(labels: Iterable[str]) -> int:
    """Return the creation number of the first of some choices that was numbered outside of a namespace, or 1."""
    numbers = [label.number for label in labels if isinstance(label, AutomaticLabel)]
    return min((number for number in numbers if number is not None), default=1)


def with_final_labels(choice: Choice, first: int) -> Choice:
    """Return a choice with the labels of architectures, also in its condition."""
    condition = frozenset(
        frozenset(replace(test, label=final_label(test.label, first)) for test in conjunction)
        for conjunction in choice.condition
    )
    return replace(choice, label=final_label(choice.label, first), condition=condition)


def check_numbering(choices: Iterable[Choice], first: int, advice: str) -> None:
    """Refuse automatic labels that two numberings gave, which did not know of each other.

    Args:
        choices: With the labels of their declarations.
        first: See `first_number_of`.
        advice: What to do about it.

    Raises:
        LabelConflictError: There is such a label.
    """
    numbered: dict[str, tuple[int, str]] = {}
    for choice in choices:
        origin = choice.label.origin if isinstance(choice.label, AutomaticLabel) else 0
        label = final_label(choice.label, first)
        known, place = numbered.setdefault(label, (origin, choice.declared_at))
        if known != origin:
            raise LabelConflictError(
                f"The automatic label {label!r} was given twice, at {place} and at {choice.declared_at}, because "
                f"these parts were numbered without knowing of each other. {advice}",
                label=label,
                places=(place, choice.declared_at),
            )
