"""`HugePages`: huge memory pages, which make forks of this process faster (Linux only)."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path

from retiarii.execution._system.processes import IS_LINUX, libc

_MADV_COLLAPSE = 25  # since Linux 6.1; earlier ones refuse it, and nothing changes
_SIZE_FILE = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
_LARGEST = 1 << 22  # bytes; systems with larger huge pages (up to 512 MB) would waste memory


class HugePages:
    """Moves the present memory of this process to huge pages, in steps.

    A fork copies the page tables, and its end frees them: with torch loaded, that is half of the time of an empty
    trial. The work is done in steps because the data may have gigabytes.
    """

    def __init__(self) -> None:
        self._left = _huge_ranges()

    def collapse(self, budget_s: float) -> None:
        """Work for about this time, or until everything is done."""
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
