"""The selections that values of architectures stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retiarii.classic.pytorch._selection import Selection
from retiarii.errors import ArchitectureError
from retiarii.space import Choice, Subset


def layer_selection(choice: Any, raw: Any) -> Selection:
    """Read the value of a layer choice: one candidate, several in a list, or a weight for each.

    Args:
        choice: A `Categorical` of the candidates.
        raw: A name or an index; a list of these; a boolean or a number with decimals for each candidate.

    Raises:
        ArchitectureError: It is none of these.
    """
    values = choice.values
    if _are_weights(raw, len(values)):
        return _weighted(choice, raw, least=1)
    if isinstance(raw, (list, tuple)):
        several = Subset(choice.label, values=values, min_chosen=1, max_chosen=len(values))
        return _positions(several, several.parse(raw))
    return Selection(len(values), (choice.index_of(choice.parse(raw)),))


def input_selection(choice: Any, raw: Any, choose_from: Sequence[str]) -> Selection:
    """Read the value of an input choice.

    Args:
        choice: A `Subset` of the inputs, or a `Categorical` where one is chosen.
        raw: See `layer_selection`.
        choose_from: The names of the inputs, which are understood also where some are equal.

    Raises:
        ArchitectureError: It is none of these, or the number of inputs is wrong.
    """
    if _are_weights(raw, len(choose_from)):
        return _weighted(choice, raw, least=0)
    value = choice.parse(_without_names(choice, raw, choose_from))
    if isinstance(choice, Subset):
        return _positions(choice, value)
    return Selection(len(choose_from), (choice.index_of(value),))


def _without_names(choice: Choice, raw: Any, choose_from: Sequence[str]) -> Any:
    """Replace names by positions where the choice knows positions only, because some names are equal or empty."""
    if choice.values[0] == choose_from[0]:  # type: ignore[attr-defined]  # both kinds have values
        return raw
    if isinstance(raw, (list, tuple)):
        return [_without_names(choice, item, choose_from) for item in raw]
    if not isinstance(raw, str) or choose_from.count(raw) == 0:
        return raw
    if choose_from.count(raw) > 1:
        raise ArchitectureError(
            f"Choice {choice.label!r} has value {raw!r}, which is the name of several inputs in {list(choose_from)}. "
            "Give their positions instead.",
            label=choice.label,
            got=raw,
        )
    return choose_from.index(raw)


def _positions(choice: Subset, value: Any) -> Selection:
    return Selection(len(choice.values), tuple(choice.values.index(item) for item in value))


def _are_weights(raw: Any, length: int) -> bool:
    return isinstance(raw, (list, tuple)) and len(raw) == length and all(type(item) is float for item in raw)


def _weighted(choice: Choice, raw: Sequence[float], least: int) -> Selection:
    selection = Selection.of_weights(raw)
    if len(selection.chosen) < least:
        raise ArchitectureError(
            f"Choice {choice.label!r} has the weights {list(raw)}, expected at least one that is not 0.",
            label=choice.label,
            got=raw,
        )
    return selection
