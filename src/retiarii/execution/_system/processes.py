"""Child processes: binding them to their parent, finding and killing them, and measuring their memory.

On Linux a process can ask for a signal when its parent dies, and can inherit the orphans among its descendants. On
other systems process groups are used, and on Windows the process tree.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import os
import signal
import sys

import psutil

IS_LINUX = sys.platform == "linux"
IS_POSIX = os.name == "posix"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


# The signal for a process whose parent may have died. Unlike other signals, it wakes up a stopped process.
PARENT_DIED = getattr(signal, "SIGCONT", 0)


def signal_at_parents_death(number: int) -> None:
    """Ask the kernel to send this process a signal when the *thread* that started it ends (Linux only)."""
    if IS_LINUX:
        libc().prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def show_stack_on_request() -> None:
    """Let this process and its forks print their stacks when they get SIGQUIT (POSIX only)."""
    faulthandler.register(signal.SIGQUIT, file=2)


def adopt_orphans() -> None:
    """Let this process inherit the orphans among its descendants, so that it can find them (Linux only)."""
    if IS_LINUX:
        libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@functools.lru_cache(maxsize=1)
def libc() -> ctypes.CDLL:
    """Return the C library."""
    return ctypes.CDLL(None, use_errno=True)


def children(pid: int) -> list[int]:
    """Return the direct children of a process, including zombies; empty if it has ended."""
    if IS_LINUX:
        try:
            found: list[int] = []
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                    found += map(int, file.read().split())
            return found
        except OSError:
            pass  # the process or one of its threads has ended, or the kernel lacks these files
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


def kill_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads; on Windows ``pid`` and its descendants."""
    if sys.platform == "win32":
        _kill_tree(pid)
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it has ended; macOS raises the second for zombies
        pass


def _kill_tree(pid: int) -> None:
    try:
        root = psutil.Process(pid)
        tree = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            pass


def kill_marked(name: str, value: str) -> None:
    """Kill the other processes of this user in whose environment, or that of an ancestor, a variable had this value."""
    for _ in range(3):  # they may be starting other processes
        others = (process for process in psutil.process_iter() if process.pid != os.getpid())
        marked = [process for process in others if _has_variable(process, name, value)]
        if not marked:
            return
        for process in marked:
            try:
                process.kill()
            except psutil.Error:  # it has ended, or belongs to another user
                pass
        psutil.wait_procs(marked, timeout=1.0)


def _has_variable(process: psutil.Process, name: str, value: str) -> bool:
    try:
        return bool(process.environ().get(name) == value)
    except (psutil.Error, OSError):  # gone, or another user's
        return False


def has_exited(pid: int) -> bool:
    """Return whether a child has exited, without collecting it, so that its id stays valid (POSIX only)."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def reap(pid: int, *, block: bool = True) -> int | None:
    """Collect a child that has exited (POSIX only).

    Returns:
        Its exit code, or minus the number of the signal that killed it; None if it is not a child of this process
        (any more) or, with ``block=False``, has not exited.
    """
    try:
        found, status = os.waitpid(pid, 0 if block else os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def try_to_kill(pid: int) -> bool:
    """Kill a process; return False if it belongs to another user (a program can change its user)."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:
        return False
    return True


def kill_and_reap(pid: int, *, block: bool) -> None:
    """Kill a child and collect it; with ``block=False``, only if it ends at once (POSIX only)."""
    can_end = try_to_kill(pid)
    reap(pid, block=block and can_end)


def exit_in_words(code: int | None) -> str:
    """Return a phrase like ``"was killed by SIGSEGV"`` for an exit code (negative: a signal)."""
    if code is None:
        return "ended"
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the kernel does this when the machine's memory runs out)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def private_memory(pid: int) -> int:
    """Return the bytes of main memory that a process uses, without mapped files; 0 if it has ended.

    Pages that it shares with the process that it was forked from are included.
    """
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss) - int(getattr(memory, "shared", 0))


def own_memory(pid: int) -> int:
    """Return the bytes of unshared main memory of a process and its descendants; 0 if it has ended."""
    total, waiting = 0, [pid]
    while waiting:  # no recursion: the chain of processes may be very long
        process = waiting.pop()
        waiting += children(process)
        try:
            total += int(psutil.Process(process).memory_full_info().uss)
        except psutil.Error:
            pass
    return total
