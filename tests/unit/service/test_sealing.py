"""What a sealed process cannot do, tried in real processes; and that without the seal it could."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from discreet.service import sealing

ATTEMPTS = {
    "write a file": "open('written', 'wb').write(b'x'); import os; assert os.path.getsize('written') == 1",
    "leave a core": "import resource; resource.setrlimit(resource.RLIMIT_CORE, (1, 1))",
    "be traced": "import pathlib, os; assert 'CoreDumping' in pathlib.Path('/proc/self/status').read_text();"
    "import ctypes; assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 1",
    "take all memory": "bytearray(3 << 30)",
    "open many files": "files = [open('/dev/null') for _ in range(100)]",
}
SEAL = "from discreet.service.sealing import *; seal_process(memory_bytes=2 << 30, num_files=64)\n"

FORBIDDEN = {
    "open a file": "open('/etc/passwd').read()",
    "write a file": "open('written', 'wb')",
    "connect": "import socket; socket.socket()",
    "fork": "import os; pid = os.fork(); pid or os._exit(0)",
    "execute": "import os; os.execv('/bin/true', ['true'])",
    "remove a file": "import os; os.unlink('there')",
    "trace another": "import ctypes; assert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0",
}
FILTER = "import os, socket, ctypes\nfrom discreet.service.sealing import *; assert forbid_everything_but_computing()\n"


def attempt(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "there").touch()
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False)


@pytest.mark.parametrize("what", ATTEMPTS)
def test_a_sealed_process_cannot(what: str, tmp_path: Path) -> None:
    assert attempt(ATTEMPTS[what], tmp_path).returncode == 0, "without the seal it could"
    assert attempt(SEAL + ATTEMPTS[what], tmp_path).returncode != 0


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_process_that_may_only_compute_cannot(what: str, tmp_path: Path) -> None:
    assert attempt(FORBIDDEN[what], tmp_path).returncode == 0, "without the filter it could"
    assert attempt(FILTER + FORBIDDEN[what], tmp_path).returncode != 0


def test_a_process_that_may_only_compute_computes(tmp_path: Path) -> None:
    done = attempt(FILTER + "print(sum(range(10)), bytes(1 << 20).count(0))", tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["45", "1048576"])


def test_a_process_that_computes_too_long_is_killed(tmp_path: Path) -> None:
    code = "from discreet.service.sealing import *; seal_process(cpu_s=1)\nwhile True: pass"
    assert attempt(code, tmp_path).returncode < 0


def test_a_log_may_be_written_where_files_may(tmp_path: Path) -> None:
    code = "from discreet.service.sealing import *; seal_process(file_writes=True); open('log', 'w').write('x')"
    assert attempt(code, tmp_path).returncode == 0


def test_swap_is_refused_unless_memory_is_locked_or_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_swap_is_on", lambda: True)
    monkeypatch.setattr(sealing, "_lock_memory", lambda: False)
    with pytest.raises(sealing.ConfigurationError, match="--allow-swap"):
        sealing.forbid_swap(allow=False)
    assert "may be swapped" in sealing.forbid_swap(allow=True)
    monkeypatch.setattr(sealing, "_lock_memory", lambda: True)
    assert "locked" in sealing.forbid_swap(allow=False)
    monkeypatch.setattr(sealing, "_swap_is_on", lambda: False)
    assert "no swap" in sealing.forbid_swap(allow=False)
