"""`Architecture`: an immutable mapping from active labels to values, with a canonical form and a stable hash."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Container, ItemsView, Iterator, KeysView, Mapping, ValuesView
from pathlib import Path
from typing import Any

from retiarii._counted import counted
from retiarii._html_table import html_table
from retiarii.errors import ArchitectureError
from retiarii.space._plain_value import Value, as_json, plain_value

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class Architecture(Mapping[str, Value]):
    """An immutable mapping from labels to plain values.

    Two architectures are equal when their canonical JSON is: types count (``1``, ``1.0`` and ``True`` differ), order
    does not. It has no reference to a search space; `SearchSpace.architecture` checks that it fits one.

    Args:
        values: Label to value. Lists become tuples.

    Raises:
        ArchitectureError: A label is not a string, or a value is not plain.
    """

    __slots__ = ("_hash", "_key", "_values")

    _values: dict[str, Value]
    _hash: int | None
    _key: str | None

    def __init__(self, values: Mapping[str, Any]) -> None:
        if not isinstance(values, Mapping):
            raise ArchitectureError(
                f"An architecture is a mapping from labels to values, got {values!r} of type {type(values).__name__}.",
                got=values,
                expected=Mapping,
            )
        self._values = {_plain_label(label): _plain(label, value) for label, value in values.items()}
        self._hash = None
        self._key = None

    @classmethod
    def _of(cls, values: dict[str, Value]) -> Architecture:
        """Wrap a dict of plain values without copying it; the caller must not change the dict afterwards."""
        self = cls.__new__(cls)
        self._values = values
        self._hash = None
        self._key = None
        return self

    def __getitem__(self, label: str) -> Value:
        return self._values[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, label: object) -> bool:
        return label in self._values

    def keys(self) -> KeysView[str]:
        """Return the active labels."""
        return self._values.keys()

    def values(self) -> ValuesView[Value]:
        """Return the chosen values, in the order of the labels."""
        return self._values.values()

    def items(self) -> ItemsView[str, Value]:
        """Return the pairs of label and value."""
        return self._values.items()

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._values.items()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Architecture):
            return NotImplemented
        # Almost all unequal pairs differ as dicts already; the canonical form tells 1, 1.0 and True apart.
        return self._values == other._values and self.canonical_json() == other.canonical_json()

    def __repr__(self) -> str:
        return f"Architecture({self._values!r})"

    def _repr_html_(self) -> str:
        """Return the chosen values as a table for notebooks."""
        caption = f"Architecture {self.key[:8]}: {counted(len(self), 'choice')}"
        return html_table(caption, ("label", "value"), [(name, repr(value)) for name, value in self.items()], "choice")

    def __reduce__(self) -> tuple[Any, ...]:
        return Architecture._of, (self._values,)

    def restricted(self, labels: Container[str]) -> Architecture:
        """Return the architecture of some labels only, for example those of the model in a joint search."""
        return Architecture._of({label: value for label, value in self._values.items() if label in labels})

    @property
    def key(self) -> str:
        """The stable hash: BLAKE2b with 128 bits of the canonical JSON, as 32 hexadecimal digits.

        It is the same in every process, on every machine and with every Python version.
        """
        if self._key is None:
            self._key = hashlib.blake2b(self.canonical_json().encode(), digest_size=16).hexdigest()
        return self._key

    def canonical_json(self) -> str:
        """Return the canonical form: compact ASCII JSON with sorted labels."""
        return _CANONICAL.encode(self._values)

    def to_json(self) -> dict[str, Any]:
        """Return a new dict of JSON values, with tuples as lists."""
        return {label: as_json(value) for label, value in self._values.items()}

    @classmethod
    def from_json(cls, data: str | bytes | Mapping[str, Any]) -> Architecture:
        """Read what `to_json` or `canonical_json` returned, or any JSON object of plain values.

        Args:
            data: JSON text, or the object that was parsed from it.

        Raises:
            ArchitectureError: The text is not JSON or not an object, names a label twice, or holds a value that is
                not plain.
        """
        return cls(_parse(data, "the text") if isinstance(data, (str, bytes)) else data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the architecture as indented JSON, atomically: readers see the old file or the new one.

        Args:
            path: The file to write, replaced if it exists. Missing folders are made.

        Raises:
            OSError: The file cannot be written.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
        try:
            with part.open("x", encoding="utf-8") as file:
                file.write(json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Architecture:
        """Read a JSON file of labels and values. Nothing in the file is ever run.

        Args:
            path: A file that `save` wrote, or any JSON object of plain values.

        Raises:
            ArchitectureError: The file does not exist, or is not a JSON object of plain values.
        """
        source = os.fspath(path)
        try:
            content = Path(source).read_bytes()
        except FileNotFoundError as err:
            raise ArchitectureError(
                f"There is no architecture file {source!r} (working directory {os.getcwd()!r}). Check the path; "
                "an experiment writes one when its top models are exported."
            ) from err
        except OSError as err:
            raise ArchitectureError(
                f"The architecture file {source!r} cannot be read: {err.strerror or err}. Expected a readable JSON "
                "file; check that the path is no folder and its permissions."
            ) from err
        parsed = _parse(content, f"the architecture file {source!r}")
        try:
            return cls(parsed)
        except ArchitectureError as err:
            raise ArchitectureError(
                f"In the architecture file {source!r}: {err}", label=err.label, got=err.got, expected=err.expected
            ) from err


def _plain_label(label: Any) -> str:
    if not isinstance(label, str):
        raise ArchitectureError(
            f"The label {label!r} is of type {type(label).__name__}, expected a string.", got=label, expected=str
        )
    try:
        return str(plain_value(label))
    except ValueError as err:
        raise ArchitectureError(f"A label {err}.", got=label) from err


def _plain(label: Any, value: Any) -> Value:
    try:
        return plain_value(value)
    except ValueError as err:
        raise ArchitectureError(f"The value of {label!r} {err}.", label=label, got=value) from err


def _parse(text: str | bytes, where: str) -> Mapping[str, Any]:
    """Parse JSON text that must hold an object."""
    try:
        parsed = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text, object_pairs_hook=_no_twins)
    except ArchitectureError as err:  # of _no_twins
        raise ArchitectureError(f"In {where}: {err}", label=err.label) from err
    except UnicodeDecodeError as err:
        raise ArchitectureError(f"{_upper(where)} is not UTF-8 text: {err}. {_EXPECTED}") from err
    except json.JSONDecodeError as err:
        raise ArchitectureError(
            f"{_upper(where)} is not JSON: {err.msg} at line {err.lineno}, column {err.colno}. {_EXPECTED}"
        ) from err
    except (ValueError, RecursionError) as err:  # a number with too many digits, lists in lists in lists ...
        raise ArchitectureError(f"{_upper(where)} cannot be read as JSON: {err}. {_EXPECTED}") from err
    if not isinstance(parsed, dict):
        raise ArchitectureError(
            f"{_upper(where)} holds a JSON {_JSON_NAMES.get(type(parsed), 'value')}, not an object. {_EXPECTED}",
            got=parsed,
            expected=dict,
        )
    return parsed


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        labels = [label for label, _ in pairs]
        twin = next(label for label in labels if labels.count(label) > 1)
        raise ArchitectureError(f"The label {twin!r} occurs twice in the JSON object. Remove one.", label=twin)
    return values


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


_EXPECTED = 'Expected a JSON object of labels and values, such as {"layer": "conv3x3", "width": 64}.'
_JSON_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
