"""`Section`: a part of a YAML file that knows the line of every field, for error messages."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from retiarii.errors import ConfigError

_MOST_VALUES = 1_000_000


class Section:
    """A mapping in a YAML file, with the line of each field. Names are compared without case, ``_`` and ``-``.

    Args:
        path: The file.
        node: The mapping.
        name: Its name in messages, such as ``"trial"``; empty for the whole file.
    """

    def __init__(self, path: Path, node: yaml.MappingNode, name: str = "") -> None:
        self._path, self._name, self._line = path, name, node.start_mark.line + 1
        self._nodes: dict[str, yaml.Node] = {}
        self._written: dict[str, str] = {}
        self._lines: dict[str, int] = {}
        self._used: set[str] = set()
        for key, value in node.value:
            written = str(getattr(key, "value", ""))
            field = _normal(written)
            if field in self._nodes:
                raise self._error(key.start_mark.line + 1, f"the field {written!r} is there twice")
            self._nodes[field], self._written[field] = value, written
            self._lines[field] = key.start_mark.line + 1

    @classmethod
    def read(cls, path: Path) -> Section:
        """Read a file.

        Raises:
            ConfigError: The file cannot be read, is not YAML, or does not contain a mapping.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as err:
            raise ConfigError(f"The configuration file {str(path)!r} cannot be read: {err}.") from err
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as err:
            raise ConfigError(f"{path} is not valid YAML: {' '.join(str(err).split())}.") from err
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path} has no fields, expected some such as 'trialCommand: python train.py'.")
        return cls(path, node)

    def __contains__(self, field: str) -> bool:
        return _normal(field) in self._nodes

    def section(self, *fields: str) -> Section | None:
        """Return the mapping in a field; None if the field is missing.

        Raises:
            ConfigError: The field holds something else.
        """
        field = self._take(fields)
        if field is None:
            return None
        node = self._nodes[field]
        if not isinstance(node, yaml.MappingNode):
            raise self.error(field, "has no fields of its own, expected some")
        return Section(self._path, node, self._full_name(field))

    def value(self, kind: type | tuple[type, ...], *fields: str) -> Any:
        """Return the value of a field; None if the field is missing.

        Args:
            kind: The type that the value must have.
            *fields: The accepted names of the field; the file may use one of them.

        Raises:
            ConfigError: The value has another type, or the file uses two of the names.
        """
        field = self._take(fields)
        if field is None:
            return None
        value = yaml.SafeLoader("").construct_document(self._nodes[field])  # scalars, lists and mappings only
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if object in kinds:
            return value
        if value is None or not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(_KINDS[item] for item in kinds)
            raise self.error(field, f"is {value!r}, expected {names}")
        return value

    def finish(self, known: Iterable[str], places: Mapping[str, str] = MappingProxyType({})) -> None:
        """Raise an error if the file has fields that were not read.

        Args:
            known: All names of fields, for the hint.
            places: Names of fields that belong to a section, with the name of the section.

        Raises:
            ConfigError: There is such a field; the message has its line and the most similar name.
        """
        names = {_normal(name): name for name in known}
        for field, written in self._written.items():
            if field not in self._used:
                place = f" in {self._name!r}" if self._name else ""
                hint = _hint(field, names, {_normal(name): section for name, section in places.items()})
                raise self._error(self._lines[field], f"there is no field {written!r}{place}. {hint}")

    def error(self, field: str, what: str) -> ConfigError:
        """Return an error about a field, with its line."""
        field = _normal(field)
        return self._error(self._lines.get(field, self._line), f"{self._full_name(field)!r} {what}.")

    def missing(self, field: str, example: str) -> ConfigError:
        """Return an error about a missing field, with an example."""
        place = f" in {self._name!r}" if self._name else ""
        return self._error(self._line, f"the field {field!r} is missing{place}, for example: {example}")

    def _take(self, fields: tuple[str, ...]) -> str | None:
        found = [_normal(name) for name in fields if _normal(name) in self._nodes]
        self._used.update(found)
        if len(found) > 1:
            found.sort(key=lambda field: self._lines[field])
            names = " and ".join(repr(self._written[field]) for field in found)
            raise self._error(self._lines[found[-1]], f"{names} mean the same: leave one out.")
        return found[0] if found else None

    def _full_name(self, field: str) -> str:
        written = self._written.get(field, field)
        return f"{self._name}.{written}" if self._name else written

    def _error(self, line: int, what: str) -> ConfigError:
        return ConfigError(f"{self._path}, line {line}: {what}")


def _hint(field: str, names: Mapping[str, str], places: Mapping[str, str]) -> str:
    if field in places:
        return f"It belongs into {places[field]!r}."
    near = difflib.get_close_matches(field, names, n=1)
    return f"Did you mean {names[near[0]]!r}?" if near else f"The fields are: {', '.join(names.values())}."


def plain_data(value: Any) -> Any:
    """Convert the content of a YAML file to plain JSON data: no dates, keys are strings, aliases are written out.

    Raises:
        ConfigError: Aliases make the content endless or too large.
    """
    try:
        return _plain(value, itertools.count())
    except RecursionError:
        raise ConfigError(
            "The content is nested without end: an alias (*name) is inside the value that it names."
        ) from None


def _plain(value: Any, counter: Iterator[int]) -> Any:
    if next(counter) > _MOST_VALUES:
        raise ConfigError(f"The content has more than {_MOST_VALUES:,} values, with aliases (*name) written out.")
    if isinstance(value, Mapping):
        return {str(name): _plain(item, counter) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, counter) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _normal(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


_KINDS: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "fields",
    list: "a list",
}
