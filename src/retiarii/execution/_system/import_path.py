"""The import path of this process, and its finders of modules, for another process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from retiarii._lazy import load


def import_path() -> list[str]:
    """Return `sys.path` with absolute folders, so that it is valid in a process with another current folder."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]  # "" is the current folder


def finders_here() -> list[str]:
    """Return the functions that install the finders of this process in another one, each as ``"module:function"``.

    A finder in `sys.meta_path` whose modules trials and resumed experiments have to find, too, names this function in
    an attribute ``installed_by``.
    """
    named = [getattr(finder, "installed_by", None) for finder in sys.meta_path]
    return [name for name in named if isinstance(name, str)]


def install_finders(names: Iterable[str]) -> None:
    """Install the finders that `finders_here` returned in another process, unless they are installed already."""
    for name in names:
        if name not in finders_here():
            load(name)()
