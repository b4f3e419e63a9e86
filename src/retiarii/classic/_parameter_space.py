"""`ParameterSpace`: a search space in NNI's JSON format, and the parameters of trials in NNI's format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from retiarii.errors import ArchitectureError, ConfigError, DomainError, SpaceError
from retiarii.space import (
    ALWAYS,
    Architecture,
    Categorical,
    Choice,
    Condition,
    Float,
    Integer,
    SearchSpace,
    Subset,
    both,
    nearest,
    rounded_range,
)
from retiarii.space import when as is_chosen

_NAME = "_name"

Entry = Mapping[str, Any]
"""The description of one parameter: ``{"_type": ..., "_value": ...}``."""


class ParameterSpace:
    """A search space in NNI's JSON format, with conversions between architectures and parameters.

    The types are ``choice`` (of values, or of nested parameters with ``_name``), ``randint`` (the upper end excluded),
    ``uniform``, ``quniform``, ``loguniform``, ``qloguniform``, ``layer_choice`` and ``input_choice``. Quantised ranges
    become a choice of their values, each as probable as in NNI: ``round(x / q) * q``, clipped to the range.

    Normal distributions are refused, because every label of a `SearchSpace` has bounds: use ``uniform`` or
    ``loguniform``.

    Inputs whose candidates are not all different, such as ``["", ""]`` of inputs without names, have their positions as
    values in an architecture.

    Args:
        description: The content of a search-space file: names of parameters to ``{"_type": ..., "_value": ...}``.

    Attributes:
        description: The content of the file, as plain data.
        space: The search space. Nested parameters have labels such as ``"conv/kernel_size"``.

    Raises:
        ConfigError: The description is not of this form; the message names the parameter and what is expected.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        if not isinstance(description, Mapping) or not description:
            raise ConfigError(
                f"A search space is {description!r}, expected names of parameters: "
                '{"lr": {"_type": "uniform", "_value": [0.01, 0.1]}}.'
            )
        try:
            self.description: dict[str, Any] = json.loads(json.dumps(description))
            self.space = SearchSpace(_choices(self.description, "", ALWAYS))
        except SpaceError as err:
            raise ConfigError(f"The search space cannot be read: {err}") from err
        except RecursionError:
            raise ConfigError("The search space cannot be read: it nests too deeply.") from None

    @classmethod
    def from_file(cls, path: str | Path) -> ParameterSpace:
        """Read a search-space file.

        Raises:
            ConfigError: It does not exist, is no JSON, or describes no search space.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
            description = json.loads(text)
        except (OSError, ValueError) as err:
            raise ConfigError(f"The search space {str(path)!r} cannot be read: {err}") from err
        try:
            return cls(description)
        except ConfigError as err:
            raise ConfigError(f"{path}: {err}") from err

    def save(self, path: str | Path) -> None:
        """Write a search-space file. A file that has hyper-parameters which this space lacks is not overwritten.

        Raises:
            ConfigError: The file cannot be written, has such hyper-parameters, or is no search-space file.
        """
        target = Path(path)
        lost = _hyper_parameters(target).difference(self.description)
        if lost:
            raise ConfigError(
                f"{path} has hyper-parameters that would be lost: {', '.join(map(repr, sorted(lost)))}. Write another "
                "file, or remove this one."
            )
        try:
            target.write_text(json.dumps(self.description, indent=2) + "\n", encoding="utf-8")
        except OSError as err:
            raise ConfigError(f"The search space cannot be written to {str(path)!r}: {err}") from err

    def parameters(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """Return an architecture as the parameters of a trial.

        Candidates of a ``layer_choice`` become ``{"_value": name, "_idx": position}``, those of an ``input_choice``
        the same with lists; a nested choice becomes a mapping with ``_name``.
        """
        return _parameters(self.description, "", architecture)

    def architecture(self, parameters: Mapping[str, Any]) -> Architecture:
        """Return the architecture of a trial's parameters.

        Args:
            parameters: As `parameters` returns them, or with plain values for layers and inputs.

        Raises:
            ArchitectureError: A parameter is missing or unknown, or has a value that it cannot have.
        """
        return self.space.architecture(self.values(parameters))

    def values(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that parameters give the labels of `space`, without checking them.

        Where ``_value`` and ``_idx`` contradict each other, the value is their JSON text, which no choice has.

        Raises:
            ArchitectureError: ``parameters`` is no mapping.
        """
        if not isinstance(parameters, Mapping):
            raise ArchitectureError(f"Parameters are {parameters!r}, expected a mapping from names to values.")
        return dict(_values(self.description, "", parameters))


def _hyper_parameters(path: Path) -> set[str]:
    """Return the names of the parameters in a file that are no layers or inputs; none if there is no file.

    Raises:
        ConfigError: It is no search-space file.
    """
    if not path.exists():
        return set()
    try:
        description = ParameterSpace.from_file(path).description
    except ConfigError as err:
        raise ConfigError(f"{path} is no search-space file and is not overwritten: {err}") from err
    return {name for name, entry in description.items() if entry["_type"] not in _NAS_TYPES}


def _choices(description: Entry, prefix: str, condition: Condition) -> list[Choice]:
    found: list[Choice] = []
    for name, entry in description.items():
        if prefix and name == _NAME:
            continue
        label = f"{prefix}{name}"
        kind, value = _checked_entry(label, entry)
        if kind == "choice" and any(isinstance(item, Mapping) for item in value):
            found.append(Categorical(label, tuple(_names(label, value)), condition=condition))
            for item in value:
                inner = both(condition, is_chosen(label, item[_NAME]))
                found += _choices(item, f"{label}/{item[_NAME]}/", inner)
        else:
            found.append(_READERS[kind](label, value, condition))
    return found


def _checked_entry(label: str, entry: Any) -> tuple[str, Any]:
    if not isinstance(entry, Mapping) or "_type" not in entry or "_value" not in entry:
        raise ConfigError(
            f"The parameter {label!r} is {json.dumps(entry)[:200]}, expected an object with '_type' and '_value'."
        )
    kind, value = entry["_type"], entry["_value"]
    if kind in _UNBOUNDED:
        raise ConfigError(
            f"The parameter {label!r} has the type {kind!r}, which has no bounds. Use {_UNBOUNDED[kind]!r} with "
            "the range that matters."
        )
    if kind not in _READERS:
        raise ConfigError(
            f"The parameter {label!r} has the type {kind!r}, expected one of {', '.join(_READERS)}."
            f"{nearest(kind, _READERS)}"
        )
    return kind, value


def _names(label: str, value: Sequence[Any]) -> list[str]:
    for item in value:
        if not isinstance(item, Mapping) or not isinstance(item.get(_NAME), str):
            raise ConfigError(
                f"The nested choice {label!r} has the candidate {json.dumps(item)[:200]}, expected an object with "
                "'_name' and its parameters."
            )
    return [item[_NAME] for item in value]


def _numbers(label: str, value: Any, count: int) -> list[float]:
    is_list = isinstance(value, list) and len(value) == count
    if not is_list or any(isinstance(item, bool) or not isinstance(item, (int, float)) for item in value):
        names = "[low, high, q]" if count == 3 else "[low, high]"
        raise ConfigError(f"The parameter {label!r} has the value {json.dumps(value)[:200]}, expected {names}.")
    return list(value)


def _choice(label: str, value: Any, condition: Condition) -> Choice:
    if not isinstance(value, list) or not value:
        raise ConfigError(f"The choice {label!r} has the value {json.dumps(value)[:200]}, expected a list of values.")
    return Categorical(label, tuple(value), condition=condition)


def _randint(label: str, value: Any, condition: Condition) -> Choice:
    low, high = _numbers(label, value, 2)
    if int(low) != low or int(high) != high or low >= high:
        raise ConfigError(
            f"The parameter {label!r} has the range {value}, expected integers [low, high] with low < high: 'randint' "
            "draws from low to high - 1."
        )
    return Integer(label, int(low), int(high) - 1, condition=condition)


def _uniform(label: str, value: Any, condition: Condition) -> Choice:
    low, high = _numbers(label, value, 2)
    return Float(label, low, high, condition=condition)


def _loguniform(label: str, value: Any, condition: Condition) -> Choice:
    low, high = _numbers(label, value, 2)
    return Float(label, low, high, log=True, condition=condition)


def _quniform(label: str, value: Any, condition: Condition) -> Choice:
    return _rounded(label, value, condition, log=False)


def _qloguniform(label: str, value: Any, condition: Condition) -> Choice:
    return _rounded(label, value, condition, log=True)


def _rounded(label: str, value: Any, condition: Condition, *, log: bool) -> Choice:
    low, high, step = _numbers(label, value, 3)
    try:
        values, prior = rounded_range(low, high, step, log=log)
    except DomainError as err:
        raise ConfigError(f"The parameter {label!r} has the value {value}: {err}") from err
    return Categorical(label, values, prior=prior, condition=condition)


def _layer_choice(label: str, value: Any, condition: Condition) -> Choice:
    if not isinstance(value, list) or not value or any(not isinstance(item, str) for item in value):
        raise ConfigError(f"The layer choice {label!r} has the value {json.dumps(value)[:200]}, expected names.")
    return Categorical(label, tuple(value), condition=condition, by_index=True)


def _input_choice(label: str, value: Any, condition: Condition) -> Choice:
    candidates = value.get("candidates") if isinstance(value, Mapping) else None
    if not isinstance(candidates, list) or not candidates or "n_chosen" not in value:
        raise ConfigError(
            f"The input choice {label!r} has the value {json.dumps(value)[:200]}, expected "
            '{"candidates": [...], "n_chosen": 1}, or null for any number.'
        )
    chosen = value["n_chosen"]
    low, high = (0, len(candidates)) if chosen is None else (chosen, chosen)
    return Subset(label, tuple(_in_architectures(candidates)), low, high, condition=condition)


def _in_architectures(candidates: Sequence[Any]) -> Sequence[Any]:
    """Return what architectures call the candidates of a layer or input choice: positions where names are doubled."""
    return candidates if all(candidates.count(item) == 1 for item in candidates) else range(len(candidates))


_READERS: dict[str, Callable[[str, Any, Condition], Choice]] = {
    "choice": _choice,
    "randint": _randint,
    "uniform": _uniform,
    "quniform": _quniform,
    "loguniform": _loguniform,
    "qloguniform": _qloguniform,
    "layer_choice": _layer_choice,
    "input_choice": _input_choice,
}
_NAS_TYPES = ("layer_choice", "input_choice")
_UNBOUNDED = {"normal": "uniform", "qnormal": "quniform", "lognormal": "loguniform", "qlognormal": "qloguniform"}


def _parameters(description: Entry, prefix: str, architecture: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, entry in description.items():
        if prefix and name == _NAME:
            continue
        label = f"{prefix}{name}"
        value = architecture[label]
        if entry["_type"] in _NAS_TYPES:
            told[name] = _chosen(entry, value)
        elif inner := _nested(entry, value):
            told[name] = {_NAME: value, **_parameters(inner, f"{label}/{value}/", architecture)}
        else:
            told[name] = _original(entry["_value"], value) if entry["_type"] == "choice" else value
    return told


def _chosen(entry: Entry, value: Any) -> dict[str, Any]:
    """Return the value of a layer or input choice in the form that trials get."""
    candidates = _candidates(entry)
    known = _in_architectures(candidates)
    if entry["_type"] == "layer_choice":
        return {"_value": value, "_idx": known.index(value)}
    positions = [known.index(item) for item in value]
    return {"_value": [candidates[position] for position in positions], "_idx": positions}


def _unchosen(entry: Entry, given: Mapping[str, Any]) -> Any:
    """Return the value that `_chosen` wrote; the text of what was given where it contradicts itself."""
    candidates = _candidates(entry)
    named, index = _of_python(given.get("_value")), _of_python(given.get("_idx"))
    if index is None:
        return named
    positions = index if isinstance(index, list) else [index]
    if any(type(position) is not int or not 0 <= position < len(candidates) for position in positions):
        return json.dumps(given, default=repr)
    expected = [candidates[position] for position in positions]
    if named not in (None, expected if isinstance(index, list) else expected[0]):
        return json.dumps(given, default=repr)
    values = [_in_architectures(candidates)[position] for position in positions]
    return values if isinstance(index, list) else values[0]


def _candidates(entry: Entry) -> list[Any]:
    value = entry["_value"]
    return list(value if entry["_type"] == "layer_choice" else value["candidates"])


def _nested(entry: Entry, name: Any) -> Entry | None:
    """Return the candidate of a nested choice that has a name; None where the choice is not nested."""
    if entry["_type"] != "choice":
        return None
    return next((item for item in entry["_value"] if isinstance(item, Mapping) and item.get(_NAME) == name), None)


def _original(candidates: Sequence[Any], value: Any) -> Any:
    """Return the candidate as the file has it: a list where the architecture has a tuple."""
    plain = json.loads(json.dumps(value))
    return next((item for item in candidates if item == plain and type(item) is type(plain)), plain)


def _values(description: Entry, prefix: str, parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in parameters.items():
        if prefix and name == _NAME:
            continue
        label, entry = f"{prefix}{name}", description.get(name)
        if entry is not None and entry["_type"] in _NAS_TYPES and isinstance(value, Mapping):
            value = _unchosen(entry, value)
        if entry is not None and isinstance(value, Mapping) and _NAME in value:
            inner = _nested(entry, value[_NAME])
            found.append((label, value[_NAME]))
            if inner is not None:
                found += _values(inner, f"{label}/{value[_NAME]}/", value)
        else:
            plain = _of_python(value)
            found.append((label, tuple(plain) if isinstance(plain, list) else plain))
    return found


def _of_python(value: Any) -> Any:
    """Return numbers, texts and arrays of NumPy, which tuners draw, as those of Python; tuples become lists."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    return [_of_python(item) for item in plain] if isinstance(plain, (list, tuple)) else plain
