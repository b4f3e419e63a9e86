"""File descriptors that a new interpreter inherits in addition to the standard ones.

Orders and events do not use standard input and output, because code that runs when an interpreter starts
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
    """Return the numbers for `received` in the new process, and the arguments of `subprocess.Popen` that pass them."""
    if sys.platform == "win32":
        handles = [msvcrt.get_osfhandle(descriptor) for descriptor in descriptors]
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        return handles, {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})}
    return list(descriptors), {"pass_fds": tuple(descriptors)}


def received(number: int) -> int:
    """Return a descriptor that was passed to this process, after making it non-inheritable."""
    if sys.platform == "win32":
        return msvcrt.open_osfhandle(number, 0)
    os.set_inheritable(number, False)
    return number
