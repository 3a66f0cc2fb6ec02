"""Taking away from a process what it does not need: core dumps, files, memory, privileges, swap.

Linux does all of it; elsewhere what the system knows is done, and what is missing is said.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from discreet.errors import ConfigurationError

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def seal_process(
    *,
    file_writes: bool = False,
    memory_bytes: int | None = None,
    cpu_s: int | None = None,
    num_files: int | None = None,
) -> tuple[str, ...]:
    """Seal this process, for good.

    Args:
        file_writes: whether it may still write files; otherwise every byte written to one is refused.
        memory_bytes: most address space.
        cpu_s: most seconds of computing; then it is killed.
        num_files: most open files.

    Returns:
        what the system would not take away.
    """
    limits = {
        "core dumps": (resource.RLIMIT_CORE, 0),
        "file writes": (resource.RLIMIT_FSIZE, None if file_writes else 0),
        "memory without end": (resource.RLIMIT_AS, memory_bytes),
        "computing without end": (resource.RLIMIT_CPU, cpu_s),
        "files without end": (resource.RLIMIT_NOFILE, num_files),
    }
    taken = {name: _limit(kind, value) for name, (kind, value) in limits.items() if value is not None}
    taken["being traced"] = _prctl(_PR_SET_DUMPABLE, 0)
    taken["new privileges"] = _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return tuple(name for name, done in taken.items() if not done)


def die_with_parent(parent: int | None = None) -> None:
    """End this process when the one that started it ends, however it ends.

    Args:
        parent: its id, where it is known for sure; by default whoever is the parent now.
    """
    parent = os.getppid() if parent is None else parent
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before we asked


def forbid_swap(allow: bool) -> str:
    """Make sure that this process's memory is never written to disk; those it starts ask for themselves.

    Args:
        allow: go on where it could be.

    Returns:
        why it is not, or that it could be.

    Raises:
        ConfigurationError: it could be, and that is not allowed; says the ways out.
    """
    if not _swap_is_on():
        return "never written to disk: this machine has no swap"
    if _lock_memory():
        return "never written to disk: locked"
    if allow:
        return "may be swapped to disk (--allow-swap)"
    ways = "turn swap off, allow memory to be locked (ulimit -l unlimited), or " if sys.platform == "linux" else ""
    raise ConfigurationError(f"memory could be swapped to disk, pictures with it; {ways}say --allow-swap")


def _limit(kind: int, value: int) -> bool:
    """Whether the limit holds now; one that was stricter stays."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        return False
    return True


def _prctl(option: int, value: int) -> bool:
    """Whether the kernel took it."""
    if sys.platform != "linux":
        return False
    zero = ctypes.c_ulong(0)
    return ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), zero, zero, zero) == 0


def _swap_is_on() -> bool:
    """Whether this machine has any swap; where nobody can say, it might."""
    try:
        return len(Path("/proc/swaps").read_text().splitlines()) > 1
    except OSError:
        return True


def _lock_memory() -> bool:
    """Whether all that this process will ever touch stays in memory."""
    if sys.platform != "linux":
        return False
    return ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0
