"""`discreet journal` as a command."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from discreet.cli.main import main
from tests.unit.service.journal_support import change, fields_of, open_book, written


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The journal in a state folder, with its keys beside it as the service may keep them."""
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "state"))
    return written(tmp_path / "state" / "service" / "journal")


def test_verify_says_that_it_is_intact(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["lines"], found["intact"], found["problems"]) == (35, True, [])
    assert main(["journal", "verify"]) == 0
    assert "35 lines (1 to 35)" in capsys.readouterr().out


def test_verify_exits_with_1_and_says_what_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder, "DELETE FROM lines WHERE sequence = 15")
    assert main(["journal", "verify", "--json"]) == 1
    said = capsys.readouterr()
    assert "lines 15 to 15 are missing" in said.err
    assert json.loads(said.out)["intact"] is False


def test_verify_takes_copies_that_were_kept_elsewhere(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = ["--checkpoints", str(folder / "checkpoints.jsonl"), "--public-key", str(folder / "public-key.pem")]
    assert main(["journal", "verify", "--folder", str(folder), *kept]) == 0
    assert main(["journal", "verify", "--checkpoints", str(tmp_path / "none")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_journal_put_in_place_of_the_services_own_is_found(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.with_name("keys").rename(folder.with_name("journal-keys"))
    assert main(["journal", "verify"]) == 0
    other = written(tmp_path / "elsewhere" / "journal")
    assert main(["journal", "verify", "--folder", str(other)]) == 0  # of another service: by its own key
    shutil.rmtree(folder)
    shutil.copytree(other, folder)
    for words in ([], ["--folder", str(folder)], ["--folder", f"{folder}/../journal"]):
        assert main(["journal", "verify", *words]) == 1
        assert "forged" in capsys.readouterr().err
    monkeypatch.setenv("DISCREET_JOURNAL", str(other))
    assert main(["journal", "verify"]) == 1


def test_the_folder_is_that_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "state"))
    assert main(["journal", "verify"]) == 1
    assert "journal" in capsys.readouterr().err
    monkeypatch.setenv("DISCREET_JOURNAL", str(written(tmp_path / "elsewhere" / "journal")))
    assert main(["journal", "verify"]) == 0


def test_export_streams_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "export"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, 36))


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--since", "2026-11-18"], 35),
        (["--since", "2026-11-19"], 0),
        (["--until", "2026-11-18T11:06"], 0),
        (["--until", "2026-11-18T12:07:00+01:00"], 35),
        (["--subject", "ada"], 35),
        (["--subject", "bob"], 0),
    ],
)
def test_export_chooses(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], count: int) -> None:
    (folder.with_name("keys")).rename(folder.with_name("journal-keys"))
    assert main(["journal", "export", *words]) == 0
    assert len(capsys.readouterr().out.splitlines()) == count


def test_a_time_that_is_none_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "export", "--since", "yesterday"]) == 1
    assert "--since is 'yesterday'" in capsys.readouterr().err


def test_export_into_a_new_file_for_its_owner_only(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lines.jsonl"
    assert main(["journal", "export", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"lines": 35, "out": str(out), "intact": True}
    assert len(out.read_text().splitlines()) == 35
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert main(["journal", "export", "--out", str(out)]) == 1
    assert "name a new file" in capsys.readouterr().err


def test_one_json_object_holds_all_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "export"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(["journal", "export", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"lines": 35, "entries": lines, "intact": True}


def test_export_of_a_changed_journal_exits_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder, "DELETE FROM lines WHERE sequence = 15")
    assert main(["journal", "export"]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 34
    assert "missing" in said.err


def test_a_reader_that_has_seen_enough_is_no_error(folder: Path) -> None:
    book = open_book(folder)
    for first in range(100, 5000, 700):
        book.append(fields_of(first, 700))
    book.close()
    command = f"{sys.executable} -m discreet journal export | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["sequence"] == 1
    assert done.stderr == ""
