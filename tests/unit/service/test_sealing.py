"""Each thing that a seal takes away is really tried: with the seal it fails, without it succeeds."""

from __future__ import annotations

import os
import platform
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from discreet.errors import ConfigurationError
from discreet.service import decoder, sealing
from discreet.service import serve as serving
from discreet.service.settings import ServiceSettings
from discreet.service.syscall_filter import _program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux seals wholly; elsewhere the limits alone hold")

HEAD = "import ctypes, os, resource, socket, subprocess, sys, tempfile, time\n"
SEAL = "from discreet.service import sealing, syscall_filter\n"


def tried(seal: str, attempt: str, folder: Path) -> str:
    """What came of an attempt in a fresh process: done, refused, or killed."""
    code = (
        f"{HEAD}{SEAL}libc = ctypes.CDLL(None, use_errno=True)\n{seal}\n"
        f"try:\n{textwrap.indent(attempt, '    ')}\n"
        "except (OSError, MemoryError, RuntimeError, AssertionError):\n    word = b'refused'\n"
        "else:\n    word = b'done'\nos.write(1, word)\nos._exit(0)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, timeout=60)
    return process.stdout.decode() or f"killed by {-process.returncode}"


LIMITS = {
    "write a file": ("sealing.seal_process()", "open('out', 'wb', 0).write(b'x')", "refused"),
    "become larger": ("sealing.seal_process(memory_bytes=1 << 29)", "bytearray(1 << 29)", "refused"),
    "open many files": ("sealing.seal_process(num_files=9)", "kept = [os.pipe() for _ in range(9)]", "refused"),
    "compute on and on": (
        "sealing.seal_process(cpu_s=1)",
        "end = time.process_time() + 1.6\nwhile time.process_time() < end:\n    pass",
        "killed by 9",
    ),
    "leave a core": ("sealing.seal_process()", "assert resource.getrlimit(resource.RLIMIT_CORE)[1] != 0", "refused"),
    "be traced": ("sealing.seal_process()", "assert libc.prctl(3, 0, 0, 0, 0) == 1", "refused"),
    "gain privileges": ("sealing.seal_process()", "assert libc.prctl(39, 0, 0, 0, 0) == 0", "refused"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str, tmp_path: Path) -> None:
    seal, attempt, outcome = LIMITS[name]
    unsealed = "resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))"
    if name == "leave a core" and tried(unsealed, attempt, tmp_path) == "refused":
        pytest.skip("this machine's own limit allows no cores")
    assert tried(unsealed, attempt, tmp_path) == "done"
    assert tried(seal, attempt, tmp_path) == outcome


def test_a_log_may_go_to_a_file_where_that_is_allowed(tmp_path: Path) -> None:
    assert tried("sealing.seal_process(file_writes=True)", LIMITS["write a file"][1], tmp_path) == "done"


FORBIDDEN = {
    "read a file": "open('/proc/self/status').read()",
    "make a file": "open('out', 'xb').close()",
    "make a file in memory": "os.memfd_create('x')",
    "make a folder": "os.mkdir('folder')",
    "remove": "os.symlink('a', 'b')",
    "look around": "os.listdir('.')",
    "make a socket": "socket.socket().close()",
    "make a socket pair": "socket.socketpair()",
    "fork": "os.fork() or os._exit(0)",
    "run a program": "subprocess.run(['true'], check=True)",
    "replace itself": "os.execv('/bin/echo', ['echo', '-n', 'done'])",
    "start a thread": "import _thread; _thread.start_new_thread(time.sleep, (0,))",
    "kill": "os.kill(os.getppid(), 0)",
    "raise a limit": "resource.prlimit(os.getppid(), resource.RLIMIT_CORE)",
    "watch its parent's memory": "ctypes.set_errno(0)\nassert libc.process_vm_readv(os.getpid(), 0, 0, 0, 0, 0) == 0",
    "become somebody else": "os.setuid(os.getuid())",
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_who_may_only_compute_can_do_nothing_else(name: str, tmp_path: Path) -> None:
    assert tried("", FORBIDDEN[name], tmp_path) == "done"
    for leftover in tmp_path.iterdir():
        leftover.rmdir() if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
    assert tried("assert syscall_filter.allow_only_computing()", FORBIDDEN[name], tmp_path) == "refused"
    assert list(tmp_path.iterdir()) == []


def test_who_may_only_compute_can_compute(tmp_path: Path) -> None:
    attempt = "kept = [bytearray(1 << 20) for _ in range(64)]\nassert sum(range(10**5)) > 0\nos.urandom(8)\ntime.time()"
    assert tried("assert syscall_filter.allow_only_computing()", attempt, tmp_path) == "done"


def test_calls_of_another_architecture_are_not_let_through() -> None:
    # The same number means something else there: the program's second instruction asks, its third kills.
    program = _program(0xC000003E, [0, 1])
    assert len(program) % 8 == 0
    assert program[16:24] == bytes.fromhex("0600000000000080")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of this processor")
def test_a_call_of_another_architecture_ends_the_process(tmp_path: Path) -> None:
    """Call 20 asks for the process's number on i386, and writes, which is allowed, on x86-64."""
    code = "b814000000cd80c3"  # mov eax, 20; int 0x80; ret
    page = (
        f"import mmap\npage = mmap.mmap(-1, 4096, prot=7)\npage.write(bytes.fromhex('{code}'))\n"
        "call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))\n"
    )
    attempt = "assert call() == os.getpid()"
    if tried(page, attempt, tmp_path) != "done":
        pytest.skip("this kernel knows no other architecture")
    assert tried(f"{page}assert syscall_filter.allow_only_computing()", attempt, tmp_path) == "killed by 31"


def test_what_the_system_does_not_take_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(sealing.resource, "setrlimit", lambda kind, value: limits.append((kind, value)))
    monkeypatch.setattr(sealing.sys, "platform", "darwin")
    told = sealing.seal_process(memory_bytes=1 << 40)
    assert "being traced" in told
    assert "core dumps" not in told
    assert (sealing.resource.RLIMIT_CORE, (0, 0)) in limits


def test_a_stricter_limit_stays(tmp_path: Path) -> None:
    before = "resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50)); sealing.seal_process(num_files=9999)"
    assert tried(before, "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (50, 50)", tmp_path) == "done"


def test_memory_is_locked_where_there_is_swap(tmp_path: Path) -> None:
    locked = "assert any(line.split()[1] != '0' for line in open('/proc/self/status') if line.startswith('VmLck'))"
    without = "sealing._swap_is_on = lambda: False\nsealing.forbid_swap(False)"
    assert tried(without, locked, tmp_path) == "refused"
    seal = "sealing._swap_is_on = lambda: True\ntry:\n    sealing.forbid_swap(False)\nexcept Exception: os._exit(7)"
    outcome = tried(seal, locked, tmp_path)
    if outcome == "killed by -7":
        pytest.skip("this machine allows no locking")
    assert outcome == "done"


def test_swap_that_cannot_be_kept_from_is_refused_or_told(tmp_path: Path) -> None:
    """As somebody who may lock no memory."""
    nobody = (
        "from discreet.errors import ConfigurationError\nresource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))\n"
        "os.geteuid() or os.setuid(65534)\nsealing._swap_is_on = lambda: True\n"
    )
    refused = (
        "try:\n    sealing.forbid_swap(False)\nexcept ConfigurationError as problem:\n"
        "    assert '--allow-swap' not in str(problem)"
    )
    assert tried(nobody, refused, tmp_path) == "refused", "the way out is named"
    assert tried(nobody, "assert 'may be swapped' in sealing.forbid_swap(True)", tmp_path) == "done"


@pytest.mark.parametrize("seal", ["sealing.die_with_parent(me)", "pass"], ids=["sealed", "not sealed"])
def test_a_child_ends_with_its_parent(seal: str) -> None:
    """One that is not sealed lives on: the test would see it."""
    code = (
        f"{HEAD}{SEAL}reading, writing = os.pipe()\nmiddle = os.fork()\n"
        "if middle == 0:\n    me = os.getpid()\n    last = os.fork()\n    if last == 0:\n"
        f"        {seal}; os.close(1); os.close(2); os.write(writing, b'x'); time.sleep(60)\n"
        "    os.read(reading, 1); os.write(1, b'%d' % last); os._exit(0)\n"
        "os.waitpid(middle, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    last = int(done.stdout)
    until = time.monotonic() + (5 if seal != "pass" else 0.5)
    while (lives := _lives(last)) and time.monotonic() < until:
        time.sleep(0.02)
    if lives:
        os.kill(last, signal.SIGKILL)
    assert lives == (seal == "pass")


def _lives(process: int) -> bool:
    """Whether it is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_cannot_be_taken_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoder.missing_seals() == []
    monkeypatch.setattr(decoder, "allow_only_computing", lambda: False)
    assert decoder.missing_seals() == ["files, network and programs"]
    monkeypatch.setattr(sealing, "_limit", lambda kind, value: kind != resource.RLIMIT_FSIZE)
    assert decoder.missing_seals() == ["file writes", "files, network and programs"]
    monkeypatch.setattr(decoder, "_seal", lambda max_pixels: os._exit(1))
    assert decoder.missing_seals() == ["anything at all"]


def test_a_service_that_cannot_seal_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(serving, "missing_seals", lambda max_pixels: ["file writes"])
    with pytest.raises(ConfigurationError, match="--allow-unsealed"):
        serving.serve(ServiceSettings(port=0, allow_swap=True), tmp_path, lambda line: None, lambda told: None)
    assert "NOT SEALED" in serving._sealed(ServiceSettings(allow_unsealed=True))
