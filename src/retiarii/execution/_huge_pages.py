"""`HugePages`: fewer pages, so that forking this process takes less time (Linux only)."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path

from retiarii.execution._processes import IS_LINUX, libc

_MADV_COLLAPSE = 25  # since Linux 6.1; earlier ones refuse it, and nothing changes
_SIZE_FILE = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
_LARGEST = 1 << 22  # bytes; where a huge page has 512 MB, it is too much of a good thing


class HugePages:
    """Puts the memory that this process holds now on huge pages, some at a time.

    A fork copies the tables of all pages, and its end frees them: with torch loaded that is half of what a trial costs
    that does nothing. Data of gigabytes are no exception, which is why the work is done in steps.
    """

    def __init__(self) -> None:
        self._left = _huge_ranges()

    def collapse(self, budget_s: float) -> None:
        """Go on for about this time, or until all is done."""
        end = time.monotonic() + budget_s
        for start, size in self._left:
            libc().madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), _MADV_COLLAPSE)
            if time.monotonic() >= end:
                return


def _huge_ranges() -> Iterator[tuple[int, int]]:
    """Yield the start and size of each part of this process's anonymous memory that a huge page can hold."""
    try:
        size = int(_SIZE_FILE.read_text()) if IS_LINUX else 0
        lines = Path("/proc/self/maps").read_text().splitlines() if 0 < size <= _LARGEST else []
    except (OSError, ValueError):  # a kernel without huge pages
        return
    for line in lines:
        addresses, permissions, *rest = line.split()
        if permissions != "rw-p" or rest[3:] not in ([], ["[heap]"]):
            continue
        first, last = (int(address, 16) for address in addresses.split("-"))
        for start in range(-(-first // size) * size, last - size + 1, size):
            yield start, size
