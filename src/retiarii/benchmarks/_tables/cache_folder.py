"""`tables_folder`: where the tables of benchmarks are kept."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from retiarii.errors import ConfigError


def tables_folder() -> Path:
    """Return the folder of tables: ``benchmarks`` in the cache folder of this package.

    The cache folder is ``$RETIARII_CACHE_HOME``, or ``retiarii`` in this system's folder for caches:
    ``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``. It is made when
    something is stored in it, not here.

    Raises:
        ConfigError: ``$RETIARII_CACHE_HOME`` begins with the home folder of an unknown user, or it is not set, and this
            user has no home folder.
    """
    # Each query asks for it, so it is kept as long as what it depends on stays the same.
    variables = [os.environ.get(name, "") for name in _VARIABLES]
    is_relative = bool(variables[0]) and not os.path.isabs(variables[0])
    return _folder(sys.platform, os.getcwd() if is_relative else "", *variables)


_VARIABLES = ("RETIARII_CACHE_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME", "USERPROFILE")


@lru_cache(maxsize=8)
def _folder(platform: str, _: str, chosen: str, xdg_caches: str, local_data: str, *__: str) -> Path:
    try:
        home = (
            Path(chosen).expanduser().absolute() if chosen else _caches(platform, xdg_caches, local_data) / "retiarii"
        )
    except RuntimeError as err:  # no home folder
        raise ConfigError(
            f"The environment variable RETIARII_CACHE_HOME is {chosen!r}, and there is no such home folder. Set it to "
            "a folder for the tables of benchmarks."
        ) from err
    return home / "benchmarks"


def _caches(platform: str, xdg_caches: str, local_data: str) -> Path:
    """Return a system's folder for caches."""
    default: tuple[str, ...]
    if platform == "win32":
        base, default = local_data, ("AppData", "Local")
    elif platform == "darwin":
        base, default = "", ("Library", "Caches")
    else:
        base, default = xdg_caches, (".cache",)
    return Path(base) if os.path.isabs(base) else Path.home().joinpath(*default)
