"""The ``retiarii`` command as a child process, which imports torch and the user's code so that the dashboard need not.

The store is named in the environment: its URL may hold a password, and command lines are readable for everybody.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_LAST_BYTES = 4000


def command_line(*words: str) -> list[str]:
    """Return the command line of ``retiarii`` and some words, run by this interpreter."""
    return [sys.executable, "-m", "retiarii", *words]


def environment(url: str) -> dict[str, str]:
    """Return the environment of a command on a store.

    Args:
        url: The URL of the store, as `Store.url` returns it.
    """
    return {**os.environ, "RETIARII_STORAGE": url, "PYTHONUNBUFFERED": "1"}


def detached() -> dict[str, Any]:
    """Return the options of ``Popen`` for a process that outlives this one and does not get its signals."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    return {"start_new_session": True}


def last_part(path: Path) -> str:
    """Return the end of a text file; an empty text if it does not exist."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LAST_BYTES, 0))
            return file.read(_LAST_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return ""
