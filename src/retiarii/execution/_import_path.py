"""`import_path`: where this process finds modules, in a form that another process can use."""

from __future__ import annotations

import os
import sys


def import_path() -> list[str]:
    """Return `sys.path` with absolute folders, so that it means the same in a process with another current folder."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]  # "" is the current folder
