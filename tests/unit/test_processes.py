"""Processes of a pool end with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from discreet.processes import process_pool

POOLS = {
    "ours": "discreet.processes import process_pool as pool",
    "plain": "concurrent.futures import ProcessPoolExecutor as pool",
}
PROGRAM = """
import os, time
from pathlib import Path
from {pool}

def work(folder, number):
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    with pool(2) as processes:
        list(processes.map(work, [{folder!r}] * 2, range(2)))
"""


def workers_of(folder: Path, pool: str) -> list[int]:
    """Two processes at work, whose starter has just been killed."""
    program = folder / "program.py"
    program.write_text(PROGRAM.format(pool=POOLS[pool], folder=str(folder)))
    with subprocess.Popen([sys.executable, program]) as starter:
        until = time.monotonic() + 60
        while len(found := [int(path.name) for path in folder.iterdir() if path.name.isdigit()]) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        starter.send_signal(signal.SIGKILL)
    return found


def is_there(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="asks /proc whether a process is there")
@pytest.mark.parametrize(("pool", "left"), [("ours", 0), ("plain", 2)])
def test_they_end_when_it_is_killed(tmp_path: Path, pool: str, left: int) -> None:
    """An ordinary pool's go on: the test would see it."""
    workers = workers_of(tmp_path, pool)
    until = time.monotonic() + 5
    while len(alive := [pid for pid in workers if is_there(pid)]) > left and time.monotonic() < until:
        time.sleep(0.02)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    assert len(alive) == left


def test_they_begin_with_what_they_are_given() -> None:
    with process_pool(1, os.umask, 0o011) as processes:
        assert processes.submit(os.umask, 0).result() == 0o011
