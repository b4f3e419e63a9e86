"""`Registry`: names for objects such as executors and stores, in settings, on the command line and in URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retiarii._lazy import load
from retiarii.errors import ConfigError
from retiarii.space import nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints


class Registry:
    """The names of one kind of object; each object is imported when its name is used.

    Other packages add names through entry points.

    Args:
        kind: The kind of object in messages, for example ``"executor"``.
        builtin: A mapping from built-in names to ``"module:attribute"``.
        group: The entry-point group of other packages.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str], group: str) -> None:
        self.kind, self.group = kind, group
        self._builtin = dict(builtin)

    def names(self) -> list[str]:
        """Return all names, including those of other packages."""
        return sorted({*self._builtin, *(point.name for point in _entry_points(self.group))})

    def is_builtin(self, name: str) -> bool:
        """Return whether a name is built in."""
        return isinstance(name, str) and name in self._builtin

    def check(self, name: str, *, setting: str | None = None) -> None:
        """Check that a name is known, without loading anything.

        Args:
            name: The name.
            setting: The setting in which the name was given, for messages; the kind if left out.

        Raises:
            ConfigError: The name is unknown.
        """
        if not self.is_builtin(name) and name not in self.names():
            raise ConfigError(
                f"{setting or self.kind} is {name!r}, expected one of {self.names()}.{nearest(name, self.names())}"
            )

    def get(self, name: str, *, setting: str | None = None) -> Any:
        """Import and return the function that a name stands for; other packages cannot replace built-in names.

        Args:
            name: The name.
            setting: The setting in which the name was given, for messages; the kind if left out.

        Raises:
            ConfigError: The name is unknown, several packages define it, or its function cannot be imported or called.
        """
        if self.is_builtin(name):
            return load(self._builtin[name])
        self.check(name, setting=setting)
        found = list(_entry_points(self.group).select(name=name))
        if len({point.value for point in found}) > 1:
            givers = ", ".join(sorted(point.value for point in found))
            raise ConfigError(f"Several packages give the {self.kind} {name!r}: {givers}. Uninstall all but one.")
        try:
            made = found[0].load()
        except Exception as error:  # the package's code runs, and may raise anything
            raise self._broken(found[0], f"{type(error).__name__}: {error}") from error
        if not callable(made):
            raise self._broken(found[0], f"that is {_kind(made)}, expected a function")
        return made

    def _broken(self, point: EntryPoint, reason: str) -> ConfigError:
        return ConfigError(
            f"The {self.kind} {point.name!r} cannot be loaded from {point.value}, as an installed package says "
            f"({reason}). Repair or uninstall that package."
        )


def _entry_points(group: str) -> EntryPoints:
    from importlib.metadata import entry_points  # slow to import, and built-in names do not need it

    return entry_points(group=group)


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"
