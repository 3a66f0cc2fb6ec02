"""Taking away from a process what it does not need: files, core dumps, privileges, swap; from decoders, nearly all.

Linux does all of it; elsewhere what the system knows is done, and what is missing is said.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path

from discreet.errors import ConfigurationError

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_MCL_CURRENT, _MCL_FUTURE = 1, 2


def seal_process(
    *,
    file_writes: bool = False,
    memory_bytes: int | None = None,
    cpu_s: int | None = None,
    num_files: int | None = None,
) -> tuple[str, ...]:
    """Seal this process, for good.

    Args:
        file_writes: whether it may still write files; otherwise every byte beyond a file's end is refused.
        memory_bytes: most address space.
        cpu_s: most seconds of computing; then it is killed.
        num_files: most open files.

    Returns:
        what was taken away, for the log.
    """
    done = ["no core dumps"]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not file_writes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        done.append("no file writes")
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_NOFILE, num_files),
    ):  # fmt: skip
        if value is not None:
            resource.setrlimit(kind, (value, value))
    if _prctl(_PR_SET_DUMPABLE, 0):
        done.append("not traceable")
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        done.append("no new privileges")
    return tuple(done)


def die_with_parent() -> None:
    """End this process when the one that started it ends, however it ends."""
    parent = os.getppid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended in between


def forbid_swap(allow: bool) -> str:
    """Make sure that memory is never written to disk.

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
    raise ConfigurationError(
        "memory could be swapped to disk, pictures with it; turn swap off, allow memory to be locked "
        "(ulimit -l unlimited), or say --allow-swap"
    )


def forbid_everything_but_computing() -> bool:
    """Let the kernel kill this process when it opens, connects, forks or executes anything (seccomp).

    Returns:
        False where the kernel or the processor has no such filter that we know; limits hold all the same.
    """
    known = _FORBIDDEN.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    architecture, numbers = known
    program = _filter(architecture, numbers)
    instructions = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions)))
    return _prctl(_PR_SET_NO_NEW_PRIVS, 1) and _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))


# Numbers of system calls that a decoder never needs: by the kernel's tables of each processor.
_X86_64 = {
    "open": 2, "creat": 85, "openat": 257, "openat2": 437, "socket": 41, "connect": 42, "bind": 49, "sendto": 44,
    "clone": 56, "clone3": 435, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "ptrace": 101, "kill": 62,
    "tgkill": 234, "rename": 82, "renameat": 264, "renameat2": 316, "unlink": 87, "unlinkat": 263, "mkdir": 83,
    "mkdirat": 258, "link": 86, "linkat": 265, "symlink": 88, "symlinkat": 266, "truncate": 76, "chmod": 90,
    "mknod": 133, "mount": 165, "process_vm_readv": 310, "memfd_create": 319, "bpf": 321, "userfaultfd": 323,
    "io_uring_setup": 425,
}  # fmt: skip
_AARCH64 = {
    "openat": 56, "openat2": 437, "socket": 198, "connect": 203, "bind": 200, "sendto": 206, "clone": 220,
    "clone3": 435, "execve": 221, "execveat": 281, "ptrace": 117, "kill": 129, "tgkill": 131, "renameat": 38,
    "renameat2": 276, "unlinkat": 35, "mkdirat": 34, "linkat": 37, "symlinkat": 36, "truncate": 45, "mknodat": 33,
    "mount": 40, "process_vm_readv": 270, "memfd_create": 279, "bpf": 280, "userfaultfd": 282, "io_uring_setup": 425,
}  # fmt: skip
_FORBIDDEN = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}


def _filter(architecture: int, numbers: dict[str, int]) -> bytes:
    """A BPF program: kill on another architecture's calls, refuse the forbidden ones, allow the rest.

    Refused, not killed: a library that only asks whether a file is there goes on without it.
    """
    load_word, jump_equal, answer = 0x20, 0x15, 0x06
    killed, refused, allowed = 0x80000000, 0x00050000 | 1, 0x7FFF0000
    program = [(load_word, 0, 0, 4), (jump_equal, 1, 0, architecture), (answer, 0, 0, killed), (load_word, 0, 0, 0)]
    ordered = sorted(numbers.values())
    program += [(jump_equal, len(ordered) - position, 0, number) for position, number in enumerate(ordered)]
    program += [(answer, 0, 0, allowed), (answer, 0, 0, refused)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def _prctl(option: int, *values: int) -> bool:
    """Whether the kernel took it."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return libc.prctl(option, *arguments) == 0


def _swap_is_on() -> bool:
    """Whether this machine has any swap; where nobody can say, it might."""
    try:
        return len(Path("/proc/swaps").read_text().splitlines()) > 1
    except OSError:
        return True


def _lock_memory() -> bool:
    """Whether all memory of this process, now and later, stays in memory. Children lock their own."""
    name = ctypes.util.find_library("c")
    return name is not None and ctypes.CDLL(name, use_errno=True).mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0
