"""`tables_folder`: where the tables of benchmarks are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def tables_folder() -> Path:
    """Return the folder of tables: ``benchmarks`` in the cache folder of this package.

    The cache folder is ``$RETIARII_CACHE_HOME``, or ``retiarii`` in this system's folder for caches:
    ``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``. It is made when
    something is stored in it, not here.
    """
    chosen = os.environ.get("RETIARII_CACHE_HOME")
    home = Path(chosen).expanduser().absolute() if chosen else _system_caches() / "retiarii"
    return home / "benchmarks"


def _system_caches() -> Path:
    if sys.platform == "win32":
        base, default = os.environ.get("LOCALAPPDATA", ""), ("AppData", "Local")
    elif sys.platform == "darwin":
        base, default = "", ("Library", "Caches")
    else:
        base, default = os.environ.get("XDG_CACHE_HOME", ""), (".cache",)
    return Path(base) if os.path.isabs(base) else Path.home().joinpath(*default)
