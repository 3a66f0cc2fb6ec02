"""The journal's disk is full, cannot grow, hangs, or has room again."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from discreet.errors import JournalError
from discreet.service.journal import Journal, verify
from tests.unit.service.journal_support import entry, request_ids, until_healthy, write_until_it_fails

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="limits of another process, and small disks, are Linux's"
)


def test_a_file_that_cannot_grow_refuses(tmp_path: Path) -> None:
    acknowledged: list[str] = []

    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        await journal.write(entry(0))
        resource.prlimit(journal._writer.pid, resource.RLIMIT_FSIZE, (300_000, 300_000))
        problem = await write_until_it_fails(journal, 1, acknowledged)
        assert "make room" in str(problem)
        assert not journal.healthy
        await journal.close()

    asyncio.run(run())
    assert set(acknowledged) <= set(request_ids(tmp_path / "journal"))
    assert verify(tmp_path / "journal").problems == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """Two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def _fill(path: Path) -> None:
    """Take all the room that is left."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)


def test_when_there_is_room_again_the_service_goes_on(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discreet.service.journal.RESTART_AFTER_S", 0.2)

    async def run() -> None:
        journal = Journal(small_disk / "journal", days=30)
        _fill(small_disk / "filler")
        await write_until_it_fails(journal, 0, [])
        with pytest.raises(JournalError):
            await journal.write(entry(1))
        (small_disk / "filler").unlink()
        await until_healthy(journal)
        await journal.write(entry(7))
        await journal.close()

    asyncio.run(run())
    assert request_ids(small_disk / "journal")[-1] == "request-000007"
    assert verify(small_disk / "journal").problems == []


async def _write_some(folder: Path) -> None:
    journal = Journal(folder, days=30)
    try:
        for number in range(2000):
            await journal.write(entry(number))
    finally:
        await journal.close()


def test_a_full_disk_refuses_and_nothing_acknowledged_is_lost(small_disk: Path) -> None:
    folder = small_disk / "journal"
    acknowledged: list[str] = []

    async def run() -> None:
        journal = Journal(folder, days=30)
        clients = (write_until_it_fails(journal, 100_000 * client, acknowledged) for client in range(8))
        problems = await asyncio.gather(*clients)
        assert any("full" in str(problem) and "make room" in str(problem) for problem in problems)
        assert not journal.healthy
        await journal.close()

    (small_disk / "room").write_bytes(b"\0" * 600_000)
    asyncio.run(run())
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(request_ids(folder))
    assert verify(folder).problems == []
    _fill(small_disk / "filler")
    with pytest.raises(JournalError, match="make room"):
        asyncio.run(_write_some(folder))
    (small_disk / "room").unlink()

    async def again() -> None:  # there is room now
        journal = Journal(folder, days=30)
        await journal.write(entry(7))
        await journal.close()

    asyncio.run(again())
    assert request_ids(folder)[-1] == "request-000007"


def test_a_disk_that_hangs_refuses_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discreet.service.journal_process.WRITTEN_WITHIN_S", 0.3)

    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        os.kill(journal._writer.pid, signal.SIGSTOP)
        with pytest.raises(JournalError, match="took longer"):
            await journal.write(entry(1))
        assert not journal.healthy
        os.kill(journal._writer.pid, signal.SIGCONT)
        await journal.close()

    asyncio.run(run())
