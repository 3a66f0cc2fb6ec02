"""`discreet compare` as users run it: five rows trained, measured, attacked; stopped, and gone on with."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from discreet.cli.main import main
from discreet.data import open_spec
from discreet.errors import BudgetError
from discreet.m2fp import load_model
from discreet.privacy.ledger import Ledger
from discreet.training.private_data import picture_bytes
from discreet.training.release import note_leaving
from discreet.training.starts import lineage_of
from tests.e2e.conftest import write_pictures

ROWS = ["plain", "blurred", "student", "private", "private-student"]
Verb = Callable[..., int]


def compare_toml(place: Path, init: Path) -> str:
    return f"""
title = "tiny"
[data]
train = "folder:{place / "pool"}@train"
evaluate = "folder:{place / "pool"}@val"
[data.public]
style = "street"
count = 6
size = 64
seed = 5
[base.model]
name = "m2fp-lite"
init = "{init}"
trainable = "norms-and-biases"
[base.privacy]
noise_multiplier = 1.0
delta = 1e-3
[base.training]
epochs = 1
batch_size = 4
micro_batch_size = 4
image_size = 32
threads = 1
[audit]
attacks = ["loss", "combined"]
[rows.plain]
defence = "none"
[rows.blurred]
defence = "output-noise"
of = "plain"
class_noise = 1.0
[rows.student]
defence = "distillation"
of = "plain"
[rows.private]
defence = "dp-sgd"
[rows.private-student]
defence = "distillation"
of = "private"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, start: Path) -> Path:
    """A pool, split, and what is to be compared."""
    folder = tmp_path_factory.mktemp("compare")
    write_pictures(folder / "pool" / "train", 22)
    write_pictures(folder / "pool" / "val", 56, seed=1, subjects=False)
    (folder / "COMPARE.toml").write_text(compare_toml(folder, start))
    return folder


@pytest.fixture(scope="module")
def verb(place: Path) -> Verb:
    """The command in this process, with a state folder of its own."""

    def run(*words: object) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DISCREET_STATE", str(place / "state"))
            return main(["compare", *map(str, words)])

    return run


@pytest.fixture(scope="module")
def compared(place: Path, verb: Verb) -> Path:
    """Begun by a process that is killed when its first row is there, and finished by two processes at once."""
    out = place / "out"
    command = [sys.executable, "-m", "discreet", "compare", str(place / "COMPARE.toml"), "--out", str(out), "--json"]
    process = subprocess.Popen(command, env={**os.environ, "DISCREET_STATE": str(place / "state")})
    while not (out / "rows" / "plain-7" / "cell.json").exists():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
    process.kill()
    process.wait()
    kept = out / "rows" / "plain-7" / "cell.json"
    before = kept.stat().st_mtime_ns
    assert verb(place / "COMPARE.toml", "--out", out, "--jobs", 2) == 0
    assert kept.stat().st_mtime_ns == before, "a finished row is not measured again"
    return out


@pytest.fixture
def rows(compared: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads((compared / "table.json").read_text())["rows"]}


def test_every_row_is_measured_and_attacked(rows: dict[str, dict[str, Any]]) -> None:
    assert list(rows) == ROWS
    for row in rows.values():
        assert 0 <= row["miou_interval"][0] <= row["miou"] <= row["miou_interval"][1] <= 1
        assert row["latency_ms"] > 0
        assert 0 <= row["membership"]["auc"] <= 1
        assert (row["loss"] is None) == (row["name"] == "plain")
    assert rows["blurred"]["train_seconds"] == 0 < rows["student"]["train_seconds"]


def test_only_private_training_guarantees_and_its_students_inherit(rows: dict[str, dict[str, Any]]) -> None:
    assert [name for name in ROWS if rows[name]["epsilon"] is not None] == ["private", "private-student"]
    assert rows["private"]["epsilon"] == rows["private-student"]["epsilon"] > 0
    assert rows["private-student"]["delta"] == 1e-3


def test_students_saw_generated_people_alone_and_nothing_of_the_teacher_stays(compared: Path) -> None:
    for row in ("student-7", "private-student-7"):
        assert "labelled" in (compared / "rows" / row / "run" / "config.toml").read_text()
        assert not (compared / "rows" / row / "labelled").exists()
    taught, teacher = (load_model(compared / "rows" / row / "run")[0] for row in ("student-7", "plain-7"))
    assert any(not one.equal(other) for one, other in zip(taught.parameters(), teacher.parameters(), strict=True))


def test_a_students_weights_leave_as_its_teachers_would(compared: Path, place: Path) -> None:
    runs = {row: compared / "rows" / row / "run" for row in ("plain-7", "student-7", "private-7", "private-student-7")}
    ids = {row: json.loads((run / "run.json").read_text())["run_id"] for row, run in runs.items()}
    assert lineage_of(runs["student-7"]) == (ids["plain-7"], ids["student-7"])
    pool = open_spec(f"folder:{place / 'pool'}@train")
    with Ledger.open(place / "state" / "ledger.sqlite") as ledger:
        private = ledger.fingerprint(picture_bytes(pool))
        ledger.cap(private, 1e6, 1e-3)
        note_leaving(runs["private-student-7"], ledger)
        with pytest.raises(BudgetError, match=ids["plain-7"]):
            note_leaving(runs["student-7"], ledger)
        with pytest.raises(BudgetError, match=ids["plain-7"]):
            ledger.check_start(lineage_of(runs["student-7"]), private)
        ledger.cap(private, math.inf, 1e-3)


def test_the_ledger_knows_of_every_run_and_access(compared: Path, place: Path) -> None:
    with Ledger.open(place / "state" / "ledger.sqlite") as ledger:
        accesses = len(ledger._store.records("evaluation"))
    assert accesses >= 5 + 2 * 5 + 1 + 1, "measured, attacked with both kinds, the start, and timed"


def test_page_table_and_audits_are_there(compared: Path) -> None:
    page = (compared / "report.html").read_text()
    assert "防护对比" in page
    assert "data:image" not in page, "nobody's picture"
    assert (compared / "table.md").read_text().count("| private-student |") == 2
    for row in ROWS:
        assert (compared / "rows" / f"{row}-7" / "audit.html").exists()
        assert json.loads((compared / "rows" / f"{row}-7" / "audit.json").read_text())["num_members"] == 22


def test_a_row_may_be_added(compared: Path, place: Path, verb: Verb) -> None:
    longer = compared.parent / "longer.toml"
    blurred = '[rows.more-blurred]\ndefence = "output-noise"\nof = "plain"\nclass_noise = 2.0\n'
    longer.write_text((place / "COMPARE.toml").read_text() + blurred)
    trained = {path: path.stat().st_mtime_ns for path in compared.glob("rows/*/run/model.safetensors")}
    assert verb(longer, "--out", compared) == 0
    assert len(json.loads((compared / "table.json").read_text())["rows"]) == len(ROWS) + 1
    assert {path: path.stat().st_mtime_ns for path in compared.glob("rows/*/run/model.safetensors")} == trained


def test_finished_runs_are_loaded_and_others_refused(
    compared: Path, place: Path, verb: Verb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The runs of the comparison, once more, as rows of another."""
    settings = (place / "COMPARE.toml").read_text().split("[rows.plain]")[0]
    runs = {row: compared / "rows" / f"{row}-7" / "run" for row in ("plain", "private")}
    plain = f'[rows.today]\ndefence = "none"\nrun = "{runs["plain"]}"\n'
    private = f'[rows.tomorrow]\ndefence = "dp-sgd"\nrun = "{runs["private"]}"\n'
    blurred = '[rows.blurred]\ndefence = "output-noise"\nof = "today"\nclass_noise = 1.0\n'
    other = '[rows.other]\ndefence = "dp-sgd"\nset = { "model.init" = "none" }\n'
    (tmp_path / "good.toml").write_text(settings + plain + private + blurred + other)
    assert verb(tmp_path / "good.toml", "--out", tmp_path / "out") == 0
    before, after = (
        {row["name"]: row for row in json.loads((folder / "table.json").read_text())["rows"]}
        for folder in (compared, tmp_path / "out")
    )
    for old, new in (("plain", "today"), ("private", "tomorrow"), ("blurred", "blurred")):
        assert after[new]["epsilon"] == before[old]["epsilon"]
        assert after[new]["miou"] == before[old]["miou"]
        assert after[new]["train_seconds"] == 0
    for row, has_start in (("today", True), ("other", False)):
        attacked = json.loads((tmp_path / "out" / "rows" / f"{row}-7" / "audit.json").read_text())
        assert (attacked["negative_control"] is not None) == has_start, "each is attacked beside its own start"
    for name, text, told in (
        ("defence", settings + plain + private.replace("dp-sgd", "none"), "is a private run"),
        ("people", settings.replace("@train", "@val") + plain, "learned from"),
        ("nothing", settings + plain.replace("plain-7", "plane-7"), "does not exist"),
        ("both", settings + plain + 'set = { "training.epochs" = 2 }\n', "has its own settings"),
    ):
        (tmp_path / f"{name}.toml").write_text(text)
        assert verb(tmp_path / f"{name}.toml", "--out", tmp_path / name) == 1, name
        assert told in capsys.readouterr().err, name


def test_another_comparison_needs_another_folder(
    compared: Path, place: Path, verb: Verb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "COMPARE.toml"
    changed.write_text((place / "COMPARE.toml").read_text().replace("epochs = 1", "epochs = 2"))
    assert verb(changed, "--out", compared) == 1
    assert "other settings" in capsys.readouterr().err
    foreign = shutil.copytree(place / "pool", tmp_path / "foreign")
    assert verb(changed, "--out", foreign) == 1
    assert "something else" in capsys.readouterr().err
    assert verb(changed, "--out", tmp_path / "new", "--jobs", 0) == 1
    assert "at least 1" in capsys.readouterr().err
