"""The journal with its real process: durable before the answer, refusing when it is gone, fast for many."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from discreet.errors import JournalError
from discreet.service.journal import Journal, verify
from discreet.service.journal_process import WriterProcess
from tests.unit.service.journal_support import entry, open_book, request_ids, until_healthy, write_until_it_fails


def test_lines_are_on_the_disk_when_write_returns(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        assert journal.healthy
        await journal.write(entry(1))
        assert request_ids(tmp_path / "journal") == ["request-000001"]  # while it is open
        await journal.write(entry(2))
        await journal.close()
        assert not journal.healthy
        with pytest.raises(JournalError, match="closed"):
            await journal.write(entry(3))

    asyncio.run(run())
    report = verify(tmp_path / "journal")
    assert (report.lines, report.checkpoints, report.problems) == (2, 2, [])


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    async def run(number: int) -> None:
        journal = Journal(tmp_path / "journal", days=30, keys=tmp_path / "keys")
        await journal.write(entry(number))
        await journal.close()

    for number in range(3):
        asyncio.run(run(number))
    assert not (tmp_path / "journal" / "keys").exists()
    report = verify(tmp_path / "journal")
    assert (report.lines, report.last, report.problems) == (3, 3, [])


def test_a_journal_that_is_never_written_to_closes(tmp_path: Path) -> None:
    asyncio.run(Journal(tmp_path / "journal", days=30).close())
    assert verify(tmp_path / "journal").intact


def test_two_thousand_lines_at_once_share_commits(tmp_path: Path) -> None:
    """Paired in one run: a line among many against a line alone."""

    async def run() -> tuple[float, float]:
        journal = Journal(tmp_path / "journal", days=30)
        started = time.perf_counter()
        for number in range(100):
            await journal.write(entry(number))
        alone_s = (time.perf_counter() - started) / 100
        started = time.perf_counter()
        await asyncio.gather(*(journal.write(entry(number)) for number in range(100, 2100)))
        among_many_s = (time.perf_counter() - started) / 2000
        await journal.close()
        return alone_s, among_many_s

    alone_s, among_many_s = asyncio.run(run())
    print(f"{1 / alone_s:.0f} lines/s one after the other, {1 / among_many_s:.0f} lines/s at once")
    assert among_many_s < alone_s
    assert 2000 * among_many_s < 20
    assert sorted(request_ids(tmp_path / "journal")) == [f"request-{number:06d}" for number in range(2100)]
    assert verify(tmp_path / "journal").problems == []


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    acknowledged: list[str] = []

    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        clients = [
            asyncio.create_task(write_until_it_fails(journal, 100_000 * client, acknowledged)) for client in range(8)
        ]
        while len(acknowledged) < 300:
            await asyncio.sleep(0.01)
        os.kill(journal._writer.pid, signal.SIGKILL)
        killed = time.perf_counter()
        problems = await asyncio.gather(*clients)
        assert time.perf_counter() - killed < 2  # nobody waits for a timeout
        assert all("writer has ended" in str(problem) for problem in problems)
        assert not journal.healthy
        with pytest.raises(JournalError):
            await journal.write(entry(1))
        await journal.close()

    asyncio.run(run())
    assert set(acknowledged) <= set(request_ids(tmp_path / "journal"))
    assert verify(tmp_path / "journal").problems == []

    async def again() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        await journal.write(entry(7))
        await journal.close()

    asyncio.run(again())
    assert request_ids(tmp_path / "journal")[-1] == "request-000007"
    assert verify(tmp_path / "journal").problems == []


def test_an_idle_journal_notices_the_death_of_its_writer(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        os.kill(journal._writer.pid, signal.SIGKILL)
        for _ in range(200):
            if not journal.healthy:
                break
            await asyncio.sleep(0.01)
        assert not journal.healthy
        started = time.perf_counter()
        with pytest.raises(JournalError, match="writer has ended"):
            await journal.write(entry(1))
        assert time.perf_counter() - started < 0.1
        await journal.close()

    asyncio.run(run())


def test_a_death_is_noticed_also_where_no_loop_runs(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", days=30)
    os.kill(journal._writer.pid, signal.SIGKILL)
    os.waitid(os.P_PID, journal._writer.pid, os.WEXITED | os.WNOWAIT)
    assert not journal.healthy
    asyncio.run(journal.close())


@pytest.mark.parametrize("lines_before", [0, 5])
def test_a_lost_writer_is_replaced_and_the_chain_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines_before: int
) -> None:
    monkeypatch.setattr("discreet.service.journal.RESTART_AFTER_S", 0.2)

    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        for number in range(lines_before):
            await journal.write(entry(number))
        os.kill(journal._writer.pid, signal.SIGKILL)
        while journal.healthy:
            await asyncio.sleep(0.001)
        with pytest.raises(JournalError):
            await journal.write(entry(1000))
        await until_healthy(journal)  # also if nobody asks
        await journal.write(entry(1001))
        await journal.close()

    asyncio.run(run())
    assert request_ids(tmp_path / "journal") == [f"request-{number:06d}" for number in [*range(lines_before), 1001]]
    assert verify(tmp_path / "journal").problems == []


def test_closing_while_a_lost_writer_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discreet.service.journal.RESTART_AFTER_S", 0.0)

    async def run(wait_s: float) -> None:
        journal = Journal(tmp_path / "journal", days=30)
        await journal.write(entry(1))
        os.kill(journal._writer.pid, signal.SIGKILL)
        await asyncio.sleep(wait_s)
        with suppress(JournalError):  # it may not have noticed yet, and says so
            await journal.close()
        assert not journal.healthy

    for wait_s in (0.0, 0.02, 0.1, 0.4):
        asyncio.run(run(wait_s))
    assert verify(tmp_path / "journal").problems == []
    open_book(tmp_path / "journal", keys=tmp_path / "journal" / "keys").close()  # nobody holds it any more


_SERVICE = """
import asyncio, sys
from pathlib import Path
from discreet.service.journal import Journal
from tests.unit.service.journal_support import entry

async def client(journal, first):
    for number in range(first, first + 100_000):
        await journal.write(entry(number))
        print(f"request-{number:06d}", flush=True)

async def main():
    journal = Journal(Path(sys.argv[1]), days=30)
    print(journal._writer.pid, flush=True)
    await asyncio.gather(*(client(journal, 100_000 * number) for number in range(8)))

asyncio.run(main())
"""


def test_when_the_service_is_killed_the_writer_finishes_and_ends(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    service = subprocess.Popen([sys.executable, "-c", _SERVICE, str(folder)], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    writer = int(service.stdout.readline())
    acknowledged = [service.stdout.readline().strip() for _ in range(200)]
    service.kill()
    acknowledged += [line.strip() for line in service.stdout if line.endswith("\n")]
    service.wait()
    service.stdout.close()
    _wait_until_gone(writer)
    assert set(acknowledged) <= set(request_ids(folder))
    report = verify(folder)
    assert report.problems == []
    assert f'"last":{report.last},' in (folder / "checkpoints.jsonl").read_text().splitlines()[-1]  # it signed its end


def test_all_that_was_sent_is_written_even_if_nobody_has_read_the_answers(tmp_path: Path) -> None:
    """Ending with answers unread resets the connection: the writer must not take that for trouble."""
    writer = WriterProcess(tmp_path / "journal", tmp_path / "keys", 30)
    for number in range(500):
        writer._socket.sendall(entry(number).message())
    writer._socket.recv(1, socket.MSG_PEEK)
    writer._socket.close()
    assert writer._process.wait(timeout=30) == 0
    assert len(request_ids(tmp_path / "journal")) == 500
    report = verify(tmp_path / "journal")
    assert (report.checkpoints, report.problems) == (2, [])  # one, in database and file: it signed its end


def _wait_until_gone(process: int) -> None:
    for _ in range(1000):
        with suppress(ProcessLookupError):
            os.kill(process, 0)
            if Path(f"/proc/{process}/stat").read_text().split()[2] != "Z":
                time.sleep(0.01)
                continue
        return
    raise AssertionError("the writer outlives its service")


def test_signals_to_the_group_do_not_end_the_writer_first(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        for name in (signal.SIGTERM, signal.SIGINT):
            os.kill(journal._writer.pid, name)
        await asyncio.sleep(0.1)
        await journal.write(entry(1))
        await journal.close()

    asyncio.run(run())
    assert request_ids(tmp_path / "journal") == ["request-000001"]


def test_a_client_that_goes_away_does_not_disturb_the_others(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        tasks = [asyncio.create_task(journal.write(entry(number))) for number in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(journal.write(entry(number)) for number in range(20, 40)))
        await journal.close()

    asyncio.run(run())
    found = set(request_ids(tmp_path / "journal"))
    assert {f"request-{number:06d}" for number in [*range(1, 20, 2), *range(20, 40)]} <= found


def test_what_is_no_constant_is_not_sent(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal(tmp_path / "journal", days=30)
        with pytest.raises(JournalError, match="reason"):
            await journal.write(entry(1, reason="cannot open holiday.jpg"))
        assert journal.healthy
        await journal.close()

    asyncio.run(run())


def test_a_writer_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir(mode=0o755)
    with pytest.raises(JournalError, match="0755"):
        Journal(tmp_path / "journal", days=30)


def test_a_second_service_is_told(tmp_path: Path) -> None:
    book = open_book(tmp_path / "journal")
    with pytest.raises(JournalError, match="another service"):
        Journal(tmp_path / "journal", days=30, keys=tmp_path / "keys")
    book.close()


def test_the_writer_loads_no_web_server_and_no_network(tmp_path: Path) -> None:
    code = "import sys, discreet.service.journal_writer; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert not loaded & {"fastapi", "starlette", "onnxruntime", "torch", "numpy", "jwt", "asyncio"}
    assert "sqlite3" in loaded
