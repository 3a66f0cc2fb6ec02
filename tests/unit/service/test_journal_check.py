"""`verify` finds every planted change, and nothing in a journal that is as it was written."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from discreet.errors import ConfigurationError, JournalError
from discreet.service import journal_book
from discreet.service.journal_check import MAX_PROBLEMS, export_lines, verify
from discreet.service.journal_checkpoints import Checkpoint, CheckpointFile
from discreet.service.journal_lines import line_hash
from discreet.service.journal_store import Head
from discreet.signing import load_signing_key, public_pem
from tests.unit.service.journal_support import DAY_S, Clock, change, do_chores, fields_of, open_book, written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "journal")


def problems(folder: Path, **copies: Path) -> str:
    report = verify(folder, **copies)
    assert report.intact == (not report.problems)
    return "; ".join(report.problems)


def rechain(folder: Path, first: int) -> None:
    """What a careful forger does: compute all later hashes anew. It needs no key."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as database, database:
        (previous,) = database.execute("SELECT hash FROM lines WHERE sequence = ?", (first - 1,)).fetchone()
        rows = database.execute("SELECT sequence, text FROM lines WHERE sequence >= ? ORDER BY sequence", (first,))
        for sequence, text in rows.fetchall():
            previous = line_hash(previous, text)
            database.execute("UPDATE lines SET hash = ? WHERE sequence = ?", (previous, sequence))
        database.execute("UPDATE head SET hash = ?", (previous,))


def test_an_untouched_journal_is_intact(folder: Path) -> None:
    report = verify(folder)
    assert (report.lines, report.first, report.last, report.deleted) == (35, 1, 35, 0)
    assert report.problems == []
    assert verify(folder, checkpoints=folder / "checkpoints.jsonl", public_key=folder / "public-key.pem").intact


def test_a_new_journal_without_lines_is_intact(tmp_path: Path) -> None:
    open_book(tmp_path / "journal").close()
    assert verify(tmp_path / "journal").problems == []


def test_a_journal_that_is_written_meanwhile_is_intact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines, checkpoints and retention as fast as they go, and a reader that looks all the time."""
    folder, clock, done = tmp_path / "journal", Clock(), threading.Event()
    monkeypatch.setattr(journal_book, "DELETE_AT_ONCE", 3)
    open_book(folder, clock).close()

    def write() -> None:
        book = open_book(folder, clock)
        for number in range(0, 600, 10):
            book.append(fields_of(number, 10))
            book.checkpoint()
            clock.now += DAY_S
            do_chores(book)
        book.close()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    while not done.is_set() and looks < 200:
        assert verify(folder).problems == []
        looks += 1
    writer.join()
    assert looks >= 5
    report = verify(folder)
    assert report.problems == []
    assert report.deleted > 200


@pytest.mark.parametrize("look", [1, 2])
def test_what_is_written_between_two_looks_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    book = open_book(tmp_path / "journal")
    original, looks = CheckpointFile.texts, []

    def much_happens(self: CheckpointFile) -> list[str]:
        found = original(self)
        looks.append(found)
        if len(looks) == look:
            for number in range(5):
                book.append(fields_of(number, 1))
                book.checkpoint()
        return found if look == 1 else original(self)  # before the database is read, or after

    monkeypatch.setattr(CheckpointFile, "texts", much_happens)
    assert verify(tmp_path / "journal").problems == []
    assert len(looks) == 2
    book.close()


@pytest.mark.parametrize("line", [1, 15, 35])
@pytest.mark.parametrize("field", ["status", "subject", "time", "request_id"])
def test_an_edited_line_is_found(folder: Path, line: int, field: str) -> None:
    text = f"UPDATE lines SET text = json_set(text, '$.{field}', 'other') WHERE sequence = {line}"
    change(folder, text)
    assert f"line {line} was altered" in problems(folder)


@pytest.mark.parametrize("line", [2, 15, 25, 33])
def test_an_edited_line_is_found_even_if_all_hashes_are_computed_anew(folder: Path, line: int) -> None:
    change(folder, f"UPDATE lines SET text = json_set(text, '$.status', 403) WHERE sequence = {line}")
    rechain(folder, line)
    found = problems(folder)
    assert "altered" not in found  # the chain itself is consistent again
    assert "signed end is forged" in found
    if line <= 30:
        assert f"is not the one that checkpoint {(line - 1) // 10 + 1} knows" in found


def test_a_line_filed_under_another_time_is_found(folder: Path) -> None:
    change(folder, "UPDATE lines SET time = '2020-01-01T00:00:00.000Z' WHERE sequence = 7")
    assert "line 7 is filed under another" in problems(folder)


@pytest.mark.parametrize("line", [1, 15, 30, 34])
def test_a_line_removed_in_the_middle_is_found(folder: Path, line: int) -> None:
    change(folder, f"DELETE FROM lines WHERE sequence = {line}")
    assert f"lines {line} to {line} are missing" in problems(folder)


def test_a_removed_line_whose_followers_move_up_is_found(folder: Path) -> None:
    change(
        folder, "DELETE FROM lines WHERE sequence = 15", "UPDATE lines SET sequence = sequence - 1 WHERE sequence > 15"
    )
    rechain(folder, 15)
    found = problems(folder)
    assert "line 15 is filed under another number" in found
    assert "checkpoint 2" in found


def test_reordered_lines_are_found(folder: Path) -> None:
    change(
        folder,
        "UPDATE lines SET sequence = -1 WHERE sequence = 12",
        "UPDATE lines SET sequence = 12 WHERE sequence = 13",
        "UPDATE lines SET sequence = 13 WHERE sequence = -1",
    )
    found = problems(folder)
    assert "line 12 was altered, or is not in its place" in found
    assert "line 13 was altered, or is not in its place" in found


def test_lines_removed_at_the_beginning_are_found(folder: Path) -> None:
    change(folder, "DELETE FROM lines WHERE sequence <= 10", "DELETE FROM checkpoints WHERE number = 1")
    assert "lines 1 to 10 are missing" in problems(folder)


@pytest.mark.parametrize("left", [34, 30, 12, 0])
def test_a_removed_end_is_found(folder: Path, left: int) -> None:
    change(folder, f"DELETE FROM lines WHERE sequence > {left}")
    assert f"lines {left + 1} to 35 are missing at the end: the signed end knows them" in problems(folder)


@pytest.mark.parametrize("left", [29, 12, 0])
def test_a_removed_end_is_found_by_checkpoints_even_if_all_else_is_put_right(folder: Path, left: int) -> None:
    change(
        folder,
        f"DELETE FROM lines WHERE sequence > {left}",
        f"DELETE FROM checkpoints WHERE last > {left}",
        "DELETE FROM head",
    )
    found = problems(folder)
    assert f"lines {left + 1} to 30 are missing at the end: checkpoint 3 knows them" in found
    assert "checkpoint 3 is not in the database" in found


def test_an_older_copy_put_back_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    written(folder, lines=20)
    shutil.copy(folder / "journal.sqlite", tmp_path / "older")
    book = open_book(folder)
    book.append(fields_of(25, 10))
    book.close()
    assert problems(folder) == ""
    shutil.copy(tmp_path / "older", folder / "journal.sqlite")
    assert "lines 26 to 35 are missing at the end" in problems(folder)
    with pytest.raises(JournalError, match="was changed"):
        open_book(folder)  # the service does not go on with it


def test_an_older_copy_of_everything_is_found_by_checkpoints_kept_elsewhere(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "journal", tmp_path / "kept.jsonl"
    written(folder, lines=20)
    shutil.copytree(folder, tmp_path / "older")
    book = open_book(folder)
    book.append(fields_of(25, 10))
    book.close()
    shutil.copy(folder / "checkpoints.jsonl", elsewhere)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "older", folder)
    assert problems(folder) == ""  # nothing here can know
    assert "lines 26 to 35 are missing at the end" in problems(folder, checkpoints=elsewhere)
    book = open_book(folder)  # and if it is continued from there:
    book.append(fields_of(40, 20))
    book.close()
    assert "continued from an older copy" in problems(folder, checkpoints=elsewhere)


def _forge(folder: Path, signer: Ed25519PrivateKey, **fields: object) -> None:
    """Replace the newest checkpoint, in database and file."""
    path = folder / "checkpoints.jsonl"
    *others, last = path.read_text().splitlines()
    content = json.loads(last)
    content.pop("signature")
    text = Checkpoint(**{**content, **fields}).sign(signer)
    path.write_text("\n".join([*others, text]) + "\n")
    change(folder, ("UPDATE checkpoints SET text = ? WHERE number = 3", (text,)))


def test_a_forged_checkpoint_is_found(folder: Path) -> None:
    _forge(folder, Ed25519PrivateKey.generate(), last=20)
    found = problems(folder)
    assert "checkpoint 3 in checkpoints.jsonl is forged or damaged" in found
    assert "checkpoint 3 in the database is forged or damaged" in found


def test_a_checkpoint_that_claims_a_deletion_is_found(folder: Path) -> None:
    change(folder, "DELETE FROM lines WHERE sequence <= 10")
    _forge(folder, Ed25519PrivateKey.generate(), deleted=10)
    found = problems(folder)
    assert "forged" in found
    assert "lines 1 to 10 are missing" in found


def test_an_edited_checkpoint_keeps_no_signature(folder: Path) -> None:
    path = folder / "checkpoints.jsonl"
    path.write_text(path.read_text().replace('"last":30', '"last":29'))
    assert "its signature does not fit" in problems(folder)


@pytest.mark.parametrize("text", ["{}", "garbage", "[]", '{"signature": 5}', "null", ""])
def test_what_is_no_checkpoint_is_said_to_be_none(folder: Path, text: str) -> None:
    with (folder / "checkpoints.jsonl").open("a") as file:
        file.write(text + "\n")
    assert "checkpoint 4 in checkpoints.jsonl is forged or damaged" in problems(folder)


def test_a_removed_checkpoints_file_is_found(folder: Path) -> None:
    (folder / "checkpoints.jsonl").unlink()
    assert "checkpoints 1 to 3 are missing from checkpoints.jsonl" in problems(folder)


def test_a_removed_checkpoint_is_found(folder: Path) -> None:
    path = folder / "checkpoints.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[2])
    assert "checkpoint 3 comes after 1" in problems(folder)


def test_a_checkpoint_of_another_story_is_found_though_this_key_signed_it(folder: Path) -> None:
    path = folder / "checkpoints.jsonl"
    content = json.loads(path.read_text().splitlines()[-1])
    content.pop("signature")
    other = Checkpoint(**{**content, "number": 4, "previous": "0" * 64})
    with path.open("a") as file:
        file.write(other.sign(load_signing_key(folder.with_name("keys") / "signing.pem")) + "\n")
    assert "checkpoint 4 does not follow the one before it" in problems(folder)


def test_a_replaced_database_is_found(folder: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "elsewhere" / "journal", lines=30)
    shutil.copy(other / "journal.sqlite", folder / "journal.sqlite")
    found = problems(folder)
    assert "in the database is forged" in found
    assert "line 1 was altered" in found
    assert "the signed end is forged" in found


def test_a_replaced_database_with_its_key_and_file_is_found_by_the_key_kept_elsewhere(
    folder: Path, tmp_path: Path
) -> None:
    kept = shutil.copy(folder / "public-key.pem", tmp_path / "kept.pem")
    other = written(tmp_path / "elsewhere" / "journal")
    shutil.rmtree(folder)
    shutil.copytree(other, folder)
    assert problems(folder) == ""  # by the key that was replaced with it
    assert "forged" in problems(folder, public_key=kept)
    found = problems(folder, keys=folder.with_name("keys"))
    assert "forged" in found
    assert "public-key.pem is missing, or not that of the key" in found
    assert "forged" in problems(folder, public_key=kept, keys=other.with_name("keys"))  # what was named counts


def test_the_journals_own_key_verifies_it_where_it_is(folder: Path) -> None:
    keys = folder.with_name("keys")
    assert problems(folder, keys=keys) == ""
    (keys / "signing.pem").unlink()
    assert problems(folder, keys=keys) == ""
    (keys / "signing.pem").write_bytes(b"damaged")
    (keys / "signing.pem").chmod(0o600)
    with pytest.raises(ConfigurationError, match="not an Ed25519 key"):
        verify(folder, keys=keys)


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 300])
def test_a_database_that_is_none_is_a_problem_and_no_crash(folder: Path, content: bytes) -> None:
    (folder / "journal.sqlite").write_bytes(content)
    assert "the database cannot be read" in problems(folder)


def test_damaged_pages_are_a_problem_and_no_crash(folder: Path) -> None:
    raw = bytearray((folder / "journal.sqlite").read_bytes())
    raw[5000:12000] = b"\xff" * 7000
    (folder / "journal.sqlite").write_bytes(bytes(raw))
    assert problems(folder)


def test_a_removed_end_mark_is_found(folder: Path) -> None:
    change(folder, "DELETE FROM head")
    assert "the signed end is missing" in problems(folder)


def test_text_that_is_no_json_is_found(folder: Path) -> None:
    change(folder, "UPDATE lines SET text = 'x' WHERE sequence = 3")
    assert "line 3 was altered" in problems(folder)


def test_problems_are_not_endless(tmp_path: Path) -> None:
    folder = written(tmp_path / "journal", lines=100)
    change(folder, "UPDATE lines SET text = 'x'")
    assert len(verify(folder).problems) == MAX_PROBLEMS


def test_without_a_journal_it_says_so(tmp_path: Path, folder: Path) -> None:
    for copy in (None, folder / "public-key.pem"):
        with pytest.raises(JournalError, match="none holds no journal"):
            verify(tmp_path / "none", public_key=copy)
    (folder / "journal.sqlite").unlink()
    with pytest.raises(JournalError, match="holds no journal"):
        verify(folder)
    with pytest.raises(JournalError, match="holds no journal"):
        list(export_lines(folder))


def test_another_kind_of_key_is_refused(folder: Path) -> None:
    (folder / "public-key.pem").write_bytes(public_pem(Ed25519PrivateKey.generate().public_key())[:40])
    with pytest.raises(JournalError, match="public key"):
        verify(folder)


@pytest.mark.parametrize(
    "fault",
    [
        lambda folder: change(folder, "DELETE FROM lines WHERE sequence > 33"),
        lambda folder: change(folder, "DELETE FROM lines", "DELETE FROM head", "DELETE FROM checkpoints"),
        lambda folder: change(folder, "UPDATE head SET signature = x'00'"),
        lambda folder: change(folder, "UPDATE lines SET hash = 'x' WHERE sequence = 35"),
        lambda folder: _forge(folder, Ed25519PrivateKey.generate()),
        lambda folder: (folder / "journal.sqlite").unlink(),
        lambda folder: (folder.with_name("keys") / "signing.pem").unlink(),
    ],
)
def test_a_service_does_not_go_on_with_a_changed_journal(folder: Path, fault: Callable[[Path], None]) -> None:
    fault(folder)
    with pytest.raises(JournalError, match="was changed"):
        open_book(folder)


def test_the_signed_end_is_of_this_sequence_only(folder: Path) -> None:
    assert Head.content(1, "a") != Head.content(2, "a")


def test_export_gives_lines_of_a_time(folder: Path) -> None:
    lines = list(export_lines(folder))
    assert [line["sequence"] for line in lines] == list(range(1, 36))
    assert lines[0].keys() == {
        "sequence", "time", "request_id", "subject", "token", "source", "route", "status", "bytes", "pixels", "faces",
        "model", "policy", "milliseconds", "reason", "hash",
    }  # fmt: skip
    assert list(export_lines(folder, until=lines[0]["time"])) == []
    assert len(list(export_lines(folder, since=lines[0]["time"]))) == 35
