"""Choices as plain JSON data and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from retiarii.errors import SpaceError
from retiarii.space._categorical import Categorical
from retiarii.space._choice import Choice
from retiarii.space._condition import Condition, Test
from retiarii.space._numeric import Float, Integer
from retiarii.space._plain_value import as_json, nearest
from retiarii.space._subset import Subset

_KINDS: dict[str, type[Any]] = {"categorical": Categorical, "subset": Subset, "integer": Integer, "float": Float}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def choice_to_json(choice: Choice) -> dict[str, Any]:
    """Return a choice as a dict of JSON values; fields at their default are left out."""
    data: dict[str, Any] = {"kind": _NAMES[type(choice)]}
    for field in fields(choice):
        value = getattr(choice, field.name)
        if value != field.default:
            data[field.name] = _condition_to_json(value) if field.name == "condition" else as_json(value)
    return data


def _condition_to_json(condition: Condition) -> list[list[dict[str, Any]]]:
    tests = [
        sorted(
            ({"label": test.label, "values": sorted(map(as_json, test.values), key=repr)} for test in conjunction),
            key=repr,
        )
        for conjunction in condition
    ]
    return sorted(tests, key=repr)


def choice_from_json(data: Any) -> Choice:
    """Read the data that `choice_to_json` returned.

    Raises:
        SpaceError: ``data`` has another form or describes an impossible choice.
    """
    if not isinstance(data, Mapping):
        raise SpaceError(f"A choice in JSON is an object, got {data!r}.")
    arguments = dict(data)
    name = arguments.pop("kind", None)
    if not isinstance(name, str) or name not in _KINDS:
        raise SpaceError(
            f"A choice in JSON has the kind {name!r}, expected one of {list(_KINDS)}.{nearest(name, _KINDS)}"
        )
    if "condition" in arguments:
        arguments["condition"] = _condition_from_json(arguments["condition"])
    for key in ("values", "prior"):
        if isinstance(arguments.get(key), list):
            arguments[key] = tuple(arguments[key])
    try:
        choice: Choice = _KINDS[name](**arguments)
    except TypeError as err:
        raise SpaceError(f"A {name} choice in JSON has the wrong fields: {err}. Got {dict(data)!r}.") from err
    return choice


def _condition_from_json(data: Any) -> Condition:
    try:
        return frozenset(frozenset(Test(test["label"], test["values"]) for test in conjunction) for conjunction in data)
    except (TypeError, KeyError) as err:
        raise SpaceError(
            f"A condition in JSON is a list of lists of objects with the keys 'label' and 'values', got {data!r}."
        ) from err
