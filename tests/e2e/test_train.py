"""`discreet train` as a user meets it: what a finished run holds, and what is refused before it begins."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from discreet.auditing.card import card_html, read_card
from discreet.cli.main import main
from discreet.privacy.ledger import Ledger
from tests.e2e.conftest import Discreet, environment, write_pictures

Run = Callable[..., int]


@pytest.fixture
def run_verb(state: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, with the test's own state folder."""
    monkeypatch.setenv("DISCREET_STATE", str(state))
    return lambda *words: main([str(word) for word in words])


def test_a_finished_run_holds_what_may_be_handed_out_and_nothing_else(
    run_toml: Path, tmp_path: Path, state: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run_verb("train", run_toml, "--out", out, "--json") == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert "a new ledger begins" in printed.err
    assert {path.name for path in out.iterdir()} == {
        "config.toml", "run.json", "model.safetensors", "model.json", "statement.json", "metrics.json", "report.html",
    }  # fmt: skip
    statement = json.loads((out / "statement.json").read_text())
    assert statement["private"] is True
    assert statement["guarantee"]["epsilon"] == said["epsilon"] > 0
    assert statement["mechanism"]["num_steps"] == said["num_steps"] == 12
    assert statement["mechanism"]["sensitivity"] == pytest.approx(1.001)
    assert statement["mechanism"]["cross_check"] == pytest.approx(said["epsilon"], rel=0.02)
    assert (out / "report.html").read_text() == card_html(read_card(out))
    metrics = json.loads((out / "metrics.json").read_text())
    assert 0 <= metrics["miou"] <= 1
    assert metrics["num_samples"] == 3
    assert not list((state / "runs").iterdir()), "keys and checkpoints go when the run is complete"

    pictures = run_toml.read_text().split('train = "')[1].split('"')[0]
    assert run_verb("ledger", "show", pictures, "--delta", "1e-3", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["epsilon_spent"] == said["epsilon"]
    assert shown["intact"] is True
    assert run_verb("ledger", "verify", "--statement", out / "statement.json") == 0
    capsys.readouterr()
    assert run_verb("ledger", "verify", pictures, "--delta", "1e-3", "--json") == 0
    verified = json.loads(capsys.readouterr().out)
    assert {key: verified[key] for key in shown} == shown
    assert run_verb("ledger", "verify", "folder:nowhere") == 1
    capsys.readouterr()

    assert run_verb("card", out, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["sentence"] == statement["sentence"]
    picture = pictures.removeprefix("folder:").replace("@train", "/val/images/000.jpg")
    assert run_verb("parse", picture, "--model", out, "--out", tmp_path / "parsed", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"][0]["width"] == 64
    assert (tmp_path / "parsed" / "000.overlay.png").exists()


def test_a_run_without_privacy_claims_none_and_the_ledger_knows(
    run_toml: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "plain"
    words = ["train", run_toml, "--out", out, "--no-private", "--set", "training.epochs=1", "--json"]
    assert run_verb(*words) == 0
    assert json.loads(capsys.readouterr().out)["epsilon"] is None
    statement = json.loads((out / "statement.json").read_text())
    assert statement["private"] is False
    assert statement["guarantee"] is None
    pictures = run_toml.read_text().split('train = "')[1].split('"')[0]
    assert run_verb("ledger", "show", pictures, "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["plan"] is None

    # Noise on top of weights that know the pictures by heart would protect nobody.
    assert run_verb("train", run_toml, "--out", tmp_path / "on-top", "--init", out) == 1
    printed = capsys.readouterr().err
    assert f"the start comes from run {entry['run_id']}" in printed
    assert not (tmp_path / "on-top").exists()
    assert "a new ledger" not in printed
    write_pictures(tmp_path / "others" / "train", 12, seed=3)
    elsewhere = ["--set", f"data.train=folder:{tmp_path / 'others'}@train", "--set", "training.epochs=1"]
    assert run_verb("train", run_toml, "--out", tmp_path / "apart", "--init", out, *elsewhere, "--json") == 0
    (start,) = json.loads((tmp_path / "apart" / "statement.json").read_text())["public_weights"]
    assert entry["run_id"] in start["origin"]
    assert "without privacy" in start["origin"]
    # Not even through a private run in between.
    assert run_verb("train", run_toml, "--out", tmp_path / "through", "--init", tmp_path / "apart") == 1
    assert entry["run_id"] in capsys.readouterr().err

    assert run_verb("export", out, "--to", "web", "--out", tmp_path / "exported") == 0
    capsys.readouterr()
    assert run_verb("ledger", "show", pictures, "--json") == 0
    assert json.loads(capsys.readouterr().out)["epsilon_spent"] is None


def test_weights_without_privacy_do_not_leave_under_a_cap(
    run_toml: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = run_toml.read_text().split('train = "')[1].split('"')[0]
    assert run_verb("ledger", "cap", pictures, "--epsilon", "8", "--delta", "1e-3") == 0
    out = tmp_path / "plain"
    assert run_verb("train", run_toml, "--out", out, "--no-private", "--set", "training.epochs=1") == 0
    capsys.readouterr()
    assert run_verb("export", out, "--to", "web", "--out", tmp_path / "exported") == 1
    assert "do not release it" in capsys.readouterr().err
    assert not (tmp_path / "exported").exists()


def test_subjects_are_the_unit_when_asked_for(
    run_toml: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [
        "privacy.unit=subject",
        "training.augmentation_multiplicity=2",
        "training.batch_size=3",
        "training.epochs=2",
        "privacy.delta=1e-2",
    ]
    overrides = [word for setting in more for word in ("--set", setting)]
    assert run_verb("train", run_toml, "--out", tmp_path / "run", *overrides, "--json") == 0
    statement = json.loads((tmp_path / "run" / "statement.json").read_text())
    assert statement["guarantee"]["unit"] == "subject"
    assert statement["mechanism"]["num_samples"] == 6
    assert statement["mechanism"]["sample_rate"] == 0.5
    assert not any("several subjects" in touch for touch in statement["data_touches"])


@pytest.mark.parametrize(
    ("policy", "num_subjects", "said"),
    [("drop", 5, "left out, by subjects.csv; how many is not told"), ("assign", 6, "count as the first one's")],
)
def test_the_statement_says_what_became_of_pictures_of_several_subjects(
    policy: str, num_subjects: int, said: str, run_toml: Path, tmp_path: Path, pictures: Path, run_verb: Run
) -> None:
    """Two pictures of the last subject show the first one, too: dropped, that subject owns nothing any more."""
    shutil.copytree(pictures, tmp_path / "shared")
    with (tmp_path / "shared" / "train" / "subjects.csv").open("a") as table:
        table.write("010,person-0\n011,person-0\n")
    run_toml.write_text(run_toml.read_text().replace(str(pictures), str(tmp_path / "shared")))
    words = [
        "privacy.unit=subject", f"data.shared_pictures={policy}", "training.batch_size=2", "training.epochs=1",
        "privacy.delta=1e-2",
    ]  # fmt: skip
    overrides = [word for setting in words for word in ("--set", setting)]
    assert run_verb("train", run_toml, "--out", tmp_path / "run", *overrides) == 0
    statement = json.loads((tmp_path / "run" / "statement.json").read_text())
    assert statement["mechanism"]["num_samples"] == num_subjects
    assert sum(said in touch for touch in statement["data_touches"]) == 1


def test_adapters_are_merged_into_what_is_released(
    run_toml: Path, tmp_path: Path, start: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--set", "model.trainable=low-rank", "--set", "training.epochs=1", "--json"]
    assert run_verb("train", run_toml, "--out", tmp_path / "run", *words) == 0
    assert json.loads(capsys.readouterr().out)["epsilon"] > 0
    before, after = (load_file(folder / "model.safetensors") for folder in (start, tmp_path / "run"))
    assert before.keys() == after.keys()
    changed = [name for name in before if not torch.equal(before[name].float(), after[name].float())]
    assert changed, "something was learnt"
    assert all(name.endswith("weight") or "class_embed" in name for name in changed)


def test_the_single_person_form_of_lip_trains_and_parses(
    run_toml: Path, tmp_path: Path, pictures: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 classes without Human on a canvas that is higher than wide, from a start that knew persons."""
    for split, name in (("train", "Training"), ("val", "Validation")):
        shutil.copytree(pictures / split / "images", tmp_path / "lip" / name / "Images")
        shutil.copytree(pictures / split / "parts", tmp_path / "lip" / name / "Category_ids")
    out = tmp_path / "run"
    words = [
        "data.train=lip:{0}@train", "data.evaluate=lip:{0}@val", "model.form=single-person",
        "training.image_size=[96, 64]", "training.epochs=1",
    ]  # fmt: skip
    overrides = [word for text in words for word in ("--set", text.format(tmp_path / "lip"))]
    assert run_verb("train", run_toml, "--out", out, *overrides, "--json") == 0
    described = json.loads((out / "model.json").read_text())
    architecture = described["architecture"]
    assert (architecture["num_classes"], architecture["human"]) == (20, False)
    assert (described["image_size"], described["label_set"]) == ([96, 64], "lip")
    capsys.readouterr()
    picture = pictures / "val/images/000.jpg"
    assert run_verb("parse", picture, "--model", out, "--out", tmp_path / "parsed", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["pictures"]
    assert len(found["persons"]) <= 1
    assert run_verb("evaluate", out, "--data", f"lip:{tmp_path / 'lip'}@val", "--json") == 0
    assert json.loads(capsys.readouterr().out)["miou"] == json.loads((out / "metrics.json").read_text())["miou"]


PUBLISHED = {
    "cihp": {"Images": "images", "Category_ids": "parts", "Human_ids": "persons"},
    "lip": {"Images": "images", "Category_ids": "parts"},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_recipe_of_a_published_set_runs_to_the_end(
    name: str, tmp_path: Path, pictures: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recipe as it lies there, on its set's layout, with fewer and smaller pictures."""
    for split, folder in (("train", "Training"), ("val", "Validation")):
        for published, own in PUBLISHED[name].items():
            shutil.copytree(pictures / split / own, tmp_path / name / folder / published)
    small = [
        f"data.train={name}:{tmp_path / name}@train", f"data.evaluate={name}:{tmp_path / name}@val",
        "privacy.delta=1e-3", "training.epochs=1", "training.batch_size=4", "training.micro_batch_size=4",
        "training.image_size=64",
    ]  # fmt: skip
    overrides = [word for setting in small for word in ("--set", setting)]
    recipe = Path(__file__).parents[2] / "recipes" / f"{name}.toml"
    assert run_verb("train", recipe, "--out", tmp_path / "run", *overrides, "--json") == 0
    assert json.loads(capsys.readouterr().out)["epsilon"] == pytest.approx(8.0, abs=0.01)
    statement = json.loads((tmp_path / "run" / "statement.json").read_text())
    assert statement["mechanism"]["num_samples"] == 12
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["num_samples"] == 3


def test_ctrl_c_saves_and_resume_goes_on(run_toml: Path, tmp_path: Path, state: Path, discreet: Discreet) -> None:
    out = tmp_path / "run"
    words = ["train", str(run_toml), "--out", str(out), "--set", "training.checkpoint_every=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "discreet", *words], stderr=subprocess.PIPE, text=True, env=environment(state)
    )
    deadline = time.monotonic() + 120
    while not list(state.glob("runs/*/checkpoint.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "--resume goes on" in said
    assert not (out / "model.safetensors").exists()

    (key_file,) = state.glob("runs/*/run.key")
    assert key_file.stat().st_mode & 0o077 == 0
    secret = key_file.read_bytes()[-32:]
    handed_out = [path for path in out.rglob("*") if path.is_file()]
    assert handed_out
    assert not any(secret in path.read_bytes() or secret.hex() in path.read_text("latin-1") for path in handed_out)

    other = discreet(*words, "--set", "training.learning_rate=0.1", "--resume", check=False)
    assert other.returncode == 1
    assert "another configuration" in other.stderr
    discreet(*words, "--resume")
    assert json.loads((out / "statement.json").read_text())["mechanism"]["num_steps"] == 12
    assert json.loads((out / "run.json").read_text())["complete"] is True
    assert not key_file.exists()
    discreet(*words, "--resume")  # a complete run is left as it is


def test_a_run_begun_with_a_test_key_never_becomes_private(
    run_toml: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["train", run_toml, "--out", out, "--set", "training.epochs=1", "--json"]
    assert run_verb(*words, "--test-key", "1") == 0
    capsys.readouterr()
    assert run_verb(*words, "--resume") == 0
    assert json.loads(capsys.readouterr().out)["epsilon"] is None
    assert json.loads((out / "statement.json").read_text())["private"] is False


def _break_size(folder: Path) -> None:
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(folder / "parts" / "001.png")


def _break_id(folder: Path) -> None:
    Image.fromarray(np.full((64, 64), 77, np.uint8)).save(folder / "parts" / "001.png")


def _break_jpeg(folder: Path) -> None:
    path = folder / "images" / "001.jpg"
    path.write_bytes(path.read_bytes()[:600])


def _empty(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        path.unlink()


def _forget_subjects(folder: Path) -> None:
    (folder / "subjects.csv").unlink()


def _as_evaluate(folder: Path) -> None:
    """The training pictures, measured on."""


def _other_parts(folder: Path) -> None:
    (folder / "labels.json").write_text(json.dumps(["nothing", "something"]))


HELD_OUT = (_as_evaluate, _other_parts)


@pytest.mark.parametrize(
    ("damage", "settings", "message"),
    [
        (_empty, [], "holds no picture"),
        (_break_size, [], "001.png"),
        (_break_id, [], "77"),
        (_break_jpeg, [], "001.jpg"),
        (_forget_subjects, ["privacy.unit=subject", "training.batch_size=2"], "subjects.csv"),
        (None, ["privacy.epsilon=0"], "privacy.epsilon"),
        (None, ["privacy.delta=0.5"], "delta is 0.5"),
        (None, ["training.batch_size=500"], "expected_batch_size is 500"),
        (None, ["training.epoch=3"], "did you mean epochs"),
        (None, ["model.init=nowhere"], "nowhere"),
        (None, ["data.train=cihp"], "cihp"),
        (None, ["data.evaluate=folder:nowhere"], "nowhere"),
        (_as_evaluate, [], "shares pictures"),
        (_other_parts, [], "has other parts than data.train"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:40],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    damage: Callable[[Path], None] | None,
    settings: list[str],
    message: str,
    run_toml: Path,
    pictures: Path,
    tmp_path: Path,
    state: Path,
    run_verb: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    overrides = [word for setting in settings for word in ("--set", setting)]
    if damage is not None:
        damaged = tmp_path / "damaged"
        shutil.copytree(pictures / "train", damaged)
        damage(damaged)
        overrides += ["--set", f"data.{'evaluate' if damage in HELD_OUT else 'train'}=folder:{damaged}"]
    out = tmp_path / "run"
    assert run_verb("train", run_toml, "--out", out, *overrides) == 1
    error = capsys.readouterr().err.split("discreet: ")[-1].strip()
    assert message in error
    assert "\n" not in error
    assert not out.exists()
    assert not list(state.glob("runs/*"))


def test_what_other_labels_lose_is_said_once_before_anything_else(
    run_toml: Path, pictures: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    train, held_out = (f"folder:{pictures}@{split}?labels=lip" for split in ("train", "val"))
    shown = [
        word for key, spec in (("train", train), ("evaluate", held_out)) for word in ("--set", f"data.{key}={spec}")
    ]
    assert run_verb("train", run_toml, "--out", tmp_path / "run", *shown, "--canaries", "999", "--json") == 1
    said = capsys.readouterr()
    losses = "in these labels, Torso-skin becomes background; Jumpsuits never occurs"
    assert said.err.splitlines()[:2] == [f"{train}: {losses}", f"{held_out}: {losses}"]
    assert "plant fewer" in said.err
    assert said.out == ""


def test_a_folder_in_use_is_not_overwritten(
    run_toml: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    unread = ["--set", "data.train=folder:nowhere"]  # refused before any picture is looked for
    assert run_verb("train", run_toml, "--out", tmp_path / "mine", *unread) == 1
    assert "not empty" in capsys.readouterr().err
    assert run_verb("train", run_toml, "--out", tmp_path / "nothing", "--resume", *unread) == 1
    assert "no run.json, so no run to resume" in capsys.readouterr().err


def test_a_lost_ledger_stops_a_run_before_it_begins(
    run_toml: Path, tmp_path: Path, state: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger.open(state / "ledger.sqlite").close()
    (state / "ledger.sqlite").unlink()
    assert run_verb("train", run_toml, "--out", tmp_path / "run") == 1
    assert "bring back ledger.sqlite from a copy" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert not (state / "ledger.sqlite").exists()


def test_a_cap_stops_a_run_before_it_begins(
    run_toml: Path, tmp_path: Path, pictures: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = f"folder:{pictures}@train"
    assert run_verb("ledger", "cap", spec, "--epsilon", "1", "--delta", "1e-3") == 0
    copied = tmp_path / "renamed"
    shutil.copytree(pictures / "train", copied)
    write_pictures(tmp_path / "more", 2, seed=9)
    shutil.copy(tmp_path / "more" / "images" / "001.jpg", copied / "images" / "new.jpg")
    shutil.copy(tmp_path / "more" / "parts" / "001.png", copied / "parts" / "new.png")
    shutil.copy(tmp_path / "more" / "persons" / "001.png", copied / "persons" / "new.png")
    capsys.readouterr()
    words = ["--set", f"data.train=folder:{copied}"]
    assert run_verb("train", run_toml, "--out", tmp_path / "run", *words) == 1
    assert "cap" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
