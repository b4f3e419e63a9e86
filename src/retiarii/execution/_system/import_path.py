"""`import_path`: the import path of this process, for another process."""

from __future__ import annotations

import os
import sys


def import_path() -> list[str]:
    """Return `sys.path` with absolute folders, so that it is valid in a process with another current folder."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]  # "" is the current folder
