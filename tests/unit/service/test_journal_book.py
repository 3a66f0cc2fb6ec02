"""What a line holds and what never, retention, keys of a month, and clocks that go wrong."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from discreet.errors import ConfigurationError, JournalError
from discreet.service import journal_book, journal_keys, journal_store
from discreet.service.journal_check import export_lines, verify
from discreet.service.journal_keys import JournalKeys, person_pseudonym
from discreet.service.journal_lines import bucket
from tests.unit.service.journal_support import (
    DAY_S,
    NOVEMBER,
    Clock,
    do_chores,
    entry,
    fields_of,
    open_book,
    request_ids,
)

SECRETS = {"subject": "王小明@example.org", "token_id": "jti-canary-7f3a", "source": "198.51.100.23"}


def everything(folder: Path) -> bytes:
    """All bytes of all files under a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_line_holds_this_and_nothing_else(tmp_path: Path) -> None:
    book = open_book(tmp_path / "journal")
    book.append(fields_of(1, 1, **SECRETS, reason="too-large", faces=None))
    book.close()
    (line,) = export_lines(tmp_path / "journal")
    pseudonyms = {name: line.pop(name) for name in ("subject", "token", "source", "hash")}
    assert line == {
        "sequence": 1, "time": "2026-11-18T11:06:40.000Z", "request_id": "request-000001", "route": "/predict",
        "status": 200, "bytes": 131072, "pixels": 524288, "faces": None, "model": "ab" * 32,
        "policy": "faces=mask/solid side=0 smooth=0 labels=0", "milliseconds": 81, "reason": "too-large",
    }  # fmt: skip
    assert {len(pseudonyms[name]) for name in ("subject", "token", "source")} == {32}


def _who_is_written(tmp_path: Path) -> list[str]:
    book = open_book(tmp_path / "journal")
    book.append(fields_of(1, 3, **SECRETS))
    found = everything(tmp_path)
    book.close()
    found += everything(tmp_path)
    spellings = {name: [value.encode(), json.dumps(value).encode()[1:-1]] for name, value in SECRETS.items()}
    spellings["bytes"] = [b"123457"]
    return [name for name, texts in spellings.items() if any(text in found for text in texts)]


def test_who_asked_is_in_no_file(tmp_path: Path) -> None:
    assert _who_is_written(tmp_path) == []


def test_this_search_finds_a_name_that_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_keys, "_pseudonym", lambda key, kind, value: value)
    assert _who_is_written(tmp_path) == ["subject", "token_id", "source"]


def test_persons_keep_their_pseudonym_and_addresses_for_a_month(tmp_path: Path) -> None:
    clock = Clock()
    book = open_book(tmp_path / "journal", clock)
    book.append(fields_of(1, 2))
    clock.now += 31 * DAY_S
    book.append(fields_of(3, 1))
    book.close()
    first, second, later = export_lines(tmp_path / "journal")
    assert first["subject"] == second["subject"] == later["subject"]
    assert first["token"] != second["token"]
    assert first["source"] == second["source"] != later["source"]
    assert person_pseudonym(tmp_path / "keys", "subject", "ada") == first["subject"]
    assert person_pseudonym(tmp_path / "keys", "token", "ada") != first["subject"]


def test_nobody_has_no_pseudonym(tmp_path: Path) -> None:
    book = open_book(tmp_path / "journal")
    book.append(fields_of(1, 1, subject="", token_id="", source=""))
    book.close()
    (line,) = export_lines(tmp_path / "journal")
    assert (line["subject"], line["token"], line["source"]) == ("", "", "")


def test_an_address_as_subject_does_not_outlive_the_month(tmp_path: Path) -> None:
    clock = Clock()
    book = open_book(tmp_path / "journal", clock)
    book.append(fields_of(1, 1, subject="open:192.0.2.7"))
    clock.now += 31 * DAY_S
    book.append(fields_of(2, 1, subject="open:192.0.2.7"))
    book.close()
    first, later = export_lines(tmp_path / "journal")
    assert first["subject"] != later["subject"]


def _keys_of_months(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "keys").glob("addresses-*"))


def test_the_key_of_a_month_is_destroyed_when_it_is_over(tmp_path: Path) -> None:
    clock = Clock()
    book = open_book(tmp_path / "journal", clock)
    book.append(fields_of(1, 1))
    path = tmp_path / "keys" / "addresses-2026-11.key"
    key = path.read_bytes()
    clock.now += 20 * DAY_S
    do_chores(book)  # nobody has asked since: it happens all the same
    assert _keys_of_months(tmp_path) == ["addresses-2026-12.key"]
    assert key not in everything(tmp_path)
    book.close()


def test_a_key_of_a_month_is_overwritten_before_it_is_removed(tmp_path: Path) -> None:
    keys = JournalKeys(tmp_path / "keys")
    keys.begin_month("2026-11")
    path = tmp_path / "keys" / "addresses-2026-11.key"
    key = path.read_bytes()
    os.link(path, tmp_path / "witness")  # the same cells under another name
    keys.begin_month("2026-12")
    assert (tmp_path / "witness").read_bytes() != key


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    book = open_book(tmp_path / "journal")
    book.append(fields_of(1, 1))
    book.checkpoint()
    paths = [tmp_path / "journal", *(tmp_path / "journal").iterdir(), tmp_path / "keys", *(tmp_path / "keys").iterdir()]
    assert len(paths) >= 10
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    book.close()


@pytest.mark.parametrize("name", ["journal", "keys"])
def test_a_folder_within_others_reach_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(mode=0o755)
    with pytest.raises(ConfigurationError, match="0700"):
        open_book(tmp_path / "journal")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request_id", "IMG_2034.jpg"), ("request_id", ""), ("route", "/predict/holiday at sea.jpg"),
        ("route", "predict"), ("model", "my model"), ("policy", "<b>"), ("policy", "ünter"), ("reason", "No such file"),
        ("reason", "IMG.jpg"), ("status", "200"), ("bytes_in", -1), ("pixels", 1.5), ("faces", -1), ("faces", True),
        ("milliseconds", float("nan")), ("milliseconds", -1.0), ("request_id", None),
    ],
)  # fmt: skip
def test_what_is_no_constant_is_refused_and_not_quoted(name: str, value: Any) -> None:
    with pytest.raises(JournalError) as caught:
        entry(1, **{name: value}).message()
    assert not isinstance(value, str) or value == "" or value not in str(caught.value)


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (2, 2), (3, 4), (1024, 1024), (1025, 2048)])
def test_sizes_are_powers_of_two(count: int, expected: int) -> None:
    assert bucket(count) == expected


# --- retention


def _after_retention(tmp_path: Path, num_old: int = 5000) -> tuple[Path, Any]:
    folder, clock = tmp_path / "journal", Clock()
    book = open_book(folder, clock)
    for first in range(0, num_old, 500):
        book.append(fields_of(first, 500))
    clock.now += 31 * DAY_S
    book.append(fields_of(num_old, 20))
    do_chores(book)
    return folder, book


def test_old_lines_are_deleted_and_the_rest_stays_verifiable(tmp_path: Path) -> None:
    folder, book = _after_retention(tmp_path)
    report = verify(folder)  # while the book is open
    assert (report.lines, report.first, report.deleted, report.problems) == (20, 5001, 5000, [])
    book.append(fields_of(6000, 5))
    book.close()
    report = verify(folder)
    assert (report.lines, report.last, report.problems) == (25, 5025, [])
    open_book(folder).close()


def _bytes_left(tmp_path: Path) -> set[bytes]:
    """Which of the deleted lines have left a byte of their request id."""
    folder, book = _after_retention(tmp_path)
    found = everything(folder)
    book.close()
    found += everything(folder)
    return {name for name in re.findall(rb"request-\d{6}", found) if int(name[-6:]) < 5000}


def test_of_deleted_lines_no_byte_is_left_in_any_file(tmp_path: Path) -> None:
    assert _bytes_left(tmp_path) == set()


@pytest.mark.parametrize("fault", ["no secure delete", "log not emptied"])
def test_this_search_finds_bytes_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "log not emptied":
        monkeypatch.setattr(journal_store.JournalStore, "empty_log", lambda self: True)
    else:
        original = journal_store.JournalStore.__init__

        def careless(self: Any, path: Path) -> None:
            original(self, path)
            self._database.execute("PRAGMA secure_delete = OFF")

        monkeypatch.setattr(journal_store.JournalStore, "__init__", careless)
    assert len(_bytes_left(tmp_path)) > 10


def test_everything_may_be_too_old(tmp_path: Path) -> None:
    folder, clock = tmp_path / "journal", Clock()
    book = open_book(folder, clock)
    book.append(fields_of(1, 50))
    clock.now += 365 * DAY_S
    do_chores(book)
    book.close()
    report = verify(folder)
    assert (report.lines, report.deleted, report.problems) == (0, 50, [])
    book = open_book(folder, clock)
    book.append(fields_of(51, 1))
    book.close()
    report = verify(folder)
    assert (report.first, report.last, report.problems) == (51, 51, [])


def test_lines_are_kept_for_the_days_that_are_set(tmp_path: Path) -> None:
    folder, clock = tmp_path / "journal", Clock()
    book = open_book(folder, clock, days=7)
    for number in range(10):
        book.append(fields_of(number, 1))
        clock.now += DAY_S
    clock.now -= 60
    do_chores(book)
    book.close()
    assert request_ids(folder) == [f"request-{number:06d}" for number in range(3, 10)]


def test_deleting_more_than_retention_allows_is_found(tmp_path: Path) -> None:
    from tests.unit.service.journal_support import change

    folder, book = _after_retention(tmp_path, 1000)
    book.close()
    change(folder, "DELETE FROM lines WHERE sequence <= 1005")
    assert "lines 1001 to 1005 are missing" in "; ".join(verify(folder).problems)


def test_a_reader_holds_nobody_up(tmp_path: Path) -> None:
    folder, clock = tmp_path / "journal", Clock()
    book = open_book(folder, clock)
    book.append(fields_of(1, 500))
    reader = export_lines(folder)
    next(reader)
    clock.now += 31 * DAY_S
    book.append(fields_of(501, 10))
    do_chores(book)
    assert book._log_holds_deleted  # the log cannot be emptied yet, and that is not forgotten
    assert sum(1 for _ in reader) == 499  # the reader sees the moment at which it began
    do_chores(book)
    assert not book._log_holds_deleted
    assert b"request-000001" not in everything(folder)
    book.close()


# --- clocks


def test_a_clock_that_goes_backwards_is_noted_and_the_sequence_goes_on(tmp_path: Path) -> None:
    folder, clock = tmp_path / "journal", Clock()
    book = open_book(folder, clock)
    book.append(fields_of(1, 1))
    clock.now -= 3 * DAY_S
    book.append(fields_of(2, 1))
    book.close()
    first, second = export_lines(folder)
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert second["time"] < first["time"]
    assert verify(folder).problems == []


def _kept(tmp_path: Path, offsets_days: list[float], now_days: float) -> list[int]:
    """Which lines retention keeps, of lines written when a clock showed these days."""
    clock = Clock()
    book = open_book(tmp_path / "journal", clock, days=30)
    for number, offset in enumerate(offsets_days):
        clock.now = NOVEMBER + offset * DAY_S
        book.append(fields_of(number, 1))
    clock.now = NOVEMBER + now_days * DAY_S
    do_chores(book)
    book.close()
    assert verify(tmp_path / "journal").problems == []
    return [int(name[-6:]) for name in request_ids(tmp_path / "journal")]


@pytest.mark.parametrize(
    ("offsets_days", "now_days", "kept"),
    [
        ([0, 1, 2], 20, [0, 1, 2]),
        ([0, 1, 40], 45, [2]),
        ([0, -20000, 1], 20, [0, 1, 2]),  # a battery died: 1970 in the middle deletes nothing
        ([0, -20000, 1, 40], 45, [3]),  # and does not stay longer than its neighbours
        ([0, 5000, 1, 40], 45, [3]),  # a time to come holds nothing back
        ([5000, 0, 1, 40], 45, [3]),
        ([40, 41], -20000, [0, 1]),  # a clock that shows 1970 now deletes nothing
        ([0, 5000], 45, [1]),  # when that was, nobody knows: until the next line is old
    ],
)
def test_retention_with_clocks_that_go_wrong(
    tmp_path: Path, offsets_days: list[float], now_days: float, kept: list[int]
) -> None:
    assert _kept(tmp_path, offsets_days, now_days) == kept


# --- crashes


def test_what_a_crash_left_unfinished_in_the_checkpoints_file_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    book = open_book(folder)
    for number in range(3):
        book.append(fields_of(number, 1))
        book.checkpoint()
    book.close()
    path = folder / "checkpoints.jsonl"
    whole = path.read_text()
    for cut in (len(whole) - 1, len(whole) - 40, len(whole) - len(whole.splitlines()[-1]) - 1, 10, 0):
        path.write_text(whole[:cut])
        open_book(folder).close()
        assert path.read_text() == whole
        assert verify(folder).problems == []


def test_a_commit_is_on_the_disk_and_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    """No test here can take the power away, so this asks SQLite: 2 is FULL."""
    book = open_book(tmp_path / "journal")
    asked = [book._store._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "secure_delete")]
    assert asked == [2, 1]
    book.close()


def test_two_services_cannot_write_one_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_book, "_LOCK_WITHIN_S", 0.1)
    book = open_book(tmp_path / "journal")
    with pytest.raises(JournalError, match="another service"):
        open_book(tmp_path / "journal")
    book.close()
    open_book(tmp_path / "journal").close()


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    open_book(tmp_path / "journal").close()
    for name in ("signing.pem", "persons.key"):
        path = tmp_path / "keys" / name
        content = path.read_bytes()
        path.write_bytes(content[:-9])
        with pytest.raises(ConfigurationError, match="bring back a copy"):
            open_book(tmp_path / "journal")
        path.write_bytes(content)
