"""`installed_folder`: where an installed Python package with published files is, without importing it."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def installed_folder(package: str) -> Path | None:
    """Return the folder of an installed package; None if it is not installed. No code of it runs.

    Args:
        package: The name of a top-level package.
    """
    spec = importlib.util.find_spec(package)
    places = None if spec is None else spec.submodule_search_locations
    return Path(next(iter(places))) if places else None
