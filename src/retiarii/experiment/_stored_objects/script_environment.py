"""`ScriptEnvironment`: the import path and the current folder of a script, for a process that resumes it."""

from __future__ import annotations

import logging
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_ZIPPED_LIBRARY = re.compile(r"python\d+t?\.zip")


@dataclass(frozen=True)
class ScriptEnvironment:
    """The import path and the current folder of the process that ran a script.

    The folders of the Python installation are left out: the resuming process has its own.

    Attributes:
        before: The folders before the standard library, such as the script's own.
        after: The folders after the standard library.
        directory: The current folder; empty if it was deleted.
        finders: The functions that install finders of modules, see `retiarii.execution.finders_here`.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    directory: str = ""
    finders: tuple[str, ...] = ()

    @classmethod
    def here(cls) -> ScriptEnvironment:
        """Return the environment of this process."""
        from retiarii.execution import finders_here, import_path  # needed where it runs, not where it is set up

        path = import_path()
        library = next((place for place, entry in enumerate(path) if _is_installed(entry)), len(path))
        before = (entry for entry in path[:library] if not _is_installed(entry))
        after = (entry for entry in path[library:] if not _is_installed(entry))
        return cls(tuple(before), tuple(after), _current_folder(), tuple(finders_here()))

    @classmethod
    def from_json(cls, data: Any) -> ScriptEnvironment:
        """Read the data that `to_json` returned.

        Raises:
            ValueError: ``data`` is something else.
        """
        try:
            before, after, directory = data["before"], data["after"], data["directory"]
            finders = data.get("finders", ())  # files of earlier versions have none
            if all(isinstance(entry, str) for entry in (*before, *after, directory, *finders)):
                return cls(tuple(before), tuple(after), directory, tuple(finders))
        except (AttributeError, KeyError, TypeError):
            pass
        raise ValueError(f"{data!r} does not say where modules and files are.")

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @property
    def missing(self) -> list[str]:
        """The folders that do not exist any more."""
        return [entry for entry in (*self.before, *self.after) if not os.path.exists(entry)]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Use the import path and the current folder of the script in this block.

        Afterwards the script's folders stay at the end of `sys.path`, where they shadow no other modules: loaded
        functions may import further modules of the script when they are called.
        """
        from retiarii.execution import import_path, install_finders

        present = set(import_path())
        before = [entry for entry in self.before if entry not in present]
        after = [entry for entry in self.after if entry not in present]
        sys.path[:] = [*before, *sys.path, *after]
        install_finders(self.finders)
        try:
            with _in_folder(self.directory):
                yield
        finally:
            sys.path[:] = [entry for entry in sys.path if entry not in before] + before


@contextmanager
def _in_folder(folder: str) -> Iterator[None]:
    origin = _current_folder()
    if folder and folder != origin:
        try:
            os.chdir(folder)
        except OSError as error:
            logger.warning(
                "The folder %s, in which the experiment was started, cannot be entered (%s); trials run in %s.",
                folder,
                error.strerror,
                origin or "a folder that was deleted",
            )
    try:
        yield
    finally:
        if origin and origin != _current_folder():
            os.chdir(origin)


def _current_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _is_installed(entry: str) -> bool:
    """Return whether an entry of an import path belongs to the Python installation."""
    if _ZIPPED_LIBRARY.fullmatch(os.path.basename(entry)):
        return True
    installed = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *site.getsitepackages()}
    folder = Path(entry)
    return any(folder.is_relative_to(place) for place in (*installed, site.getusersitepackages()))
