"""The memory limit of a trial, enforced inside (an allocation fails) and from outside (the trial is killed).

The two complement each other. Inside, the kernel refuses allocations beyond the limit, so that the trial ends with a
traceback of the line that allocated too much; but it counts address space, and only of one process. From outside, the
memory of the trial and of the processes that it starts is measured regularly.
"""

from __future__ import annotations

import sys
from pathlib import Path

from retiarii.execution._system.processes import children, own_memory, private_memory

if sys.platform != "win32":
    import resource

_HEADROOM = 64 << 20  # bytes of address space that a trial reserves but never touches: stacks, arenas


def limit_allocations(memory_bytes: int) -> None:
    """Make allocations of this process fail beyond its present size and ``memory_bytes`` (Linux only)."""
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = _data_size() + memory_bytes + _HEADROOM
        resource.setrlimit(resource.RLIMIT_DATA, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def lift_limit() -> None:
    """Remove the limit, so that the failure can be reported."""
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def memory_of_trial(pid: int, baseline: int) -> int:
    """Return the bytes that a trial and the processes it started have allocated since its start.

    Args:
        pid: The id of the trial's process.
        baseline: Its `private_memory` at the start, which it shares with the process that it was forked from.
    """
    return max(0, private_memory(pid) - baseline) + sum(own_memory(child) for child in children(pid))


def _data_size() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
