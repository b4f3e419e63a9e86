"""The findings of ``retiarii doctor``, as plain data."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import platform
import re
import sys
from importlib import metadata
from typing import Any

import psutil

from retiarii._version import __version__
from retiarii.errors import NotFoundError, RetiariiError

_NEEDED = ("torch", "numpy", "sqlalchemy", "cloudpickle", "psutil", "typer", "rich")
_EXTRAS_FOR_DEVELOPERS = frozenset({"test", "dev", "docs"})
_GIB = 2**30
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+).*?;.*extra\s*==\s*['\"]([^'\"]+)['\"]")


def examine(storage: str | None) -> dict[str, Any]:
    """Examine the installation, the machine and the store.

    Args:
        storage: The store to examine; None for the default.

    Returns:
        JSON data, with one sentence under ``"problems"`` for each problem that prevents searches.
    """
    problems: list[str] = []
    packages = {name: installed_version(name) for name in _NEEDED}
    problems += [f"{name} is not installed: pip install {name}" for name, found in packages.items() if found is None]
    return {
        "retiarii": __version__,
        "packages": packages,
        "system": _system(),
        "devices": _devices(problems),
        "extras": _extras(),
        "store": _store(storage, problems),
        "problems": problems,
    }


def installed_version(package: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _system() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "usable_cores": usable,
        "memory_gib": round(memory.total / _GIB, 2),
        "memory_available_gib": round(memory.available / _GIB, 2),
        "fork": "fork" in multiprocessing.get_all_start_methods(),
    }


def _devices(problems: list[str]) -> list[str]:
    """Return the devices that torch finds, the CPU first."""
    try:
        torch = importlib.import_module("torch")
    except ImportError as err:
        problems.append(f"torch cannot be imported: {err}")
        return ["cpu"]
    devices = ["cpu"]
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index} ({found.name}, {found.total_memory / _GIB:.0f} GiB)")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def _extras() -> dict[str, Any]:
    """Return the installed and missing packages of each extra."""
    wanted: dict[str, list[str]] = {}
    for requirement in metadata.requires("retiarii") or ():
        match = _REQUIREMENT.match(requirement)
        if match and match[2] not in _EXTRAS_FOR_DEVELOPERS:
            wanted.setdefault(match[2], []).append(match[1])
    extras = {}
    for extra, packages in sorted(wanted.items()):
        versions = {package: installed_version(package) for package in packages}
        extras[extra] = {
            "installed": {package: version for package, version in versions.items() if version is not None},
            "missing": [package for package, version in versions.items() if version is None],
            "install": f'pip install "retiarii[{extra}]"',
        }
    return extras


def _store(storage: str | None, problems: list[str]) -> dict[str, Any]:
    """Return the location and the content of the store; a store that does not exist yet is not a problem.

    ``exists`` is None if the store cannot be read.
    """
    from retiarii.storage import described, open_store

    found: dict[str, Any] = {"where": storage, "exists": False, "experiments": None}
    try:
        found["where"] = described(storage)
        with open_store(storage, create=False) as store:
            found |= {"exists": True, "experiments": len(store.scan_experiments())}
            problems += [str(err) for err in store.find_damage()]
    except NotFoundError:
        pass
    except RetiariiError as err:
        found["exists"] = None  # it may exist, but cannot be read
        problems.append(str(err))
    return found
