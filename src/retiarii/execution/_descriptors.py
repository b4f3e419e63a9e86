"""Descriptors that a new interpreter inherits, besides the standard ones.

Orders and events never go through standard input and output: whatever runs when an interpreter starts
(``sitecustomize``, ``.pth`` files) may print and read there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

if sys.platform == "win32":
    import msvcrt


def passing(descriptors: Sequence[int]) -> tuple[list[int], dict[str, Any]]:
    """Return what `received` takes in the new process, and the arguments of `subprocess.Popen` that pass them on."""
    if sys.platform == "win32":
        handles = [msvcrt.get_osfhandle(descriptor) for descriptor in descriptors]
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        return handles, {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})}
    return list(descriptors), {"pass_fds": tuple(descriptors)}


def received(number: int) -> int:
    """Return a descriptor that was passed to this process, as one that its own children do not inherit."""
    if sys.platform == "win32":
        return msvcrt.open_osfhandle(number, 0)
    os.set_inheritable(number, False)
    return number
