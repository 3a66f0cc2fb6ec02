"""`discreet audit` on real runs: a private one, the same over-fitted in secret, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discreet.auditing.answers import KINDS
from discreet.auditing.audited_run import read_audited_run
from discreet.auditing.controls import overfitted
from discreet.auditing.inversion import LEAST_PAIRS
from discreet.auditing.pool import LEAST_REHEARSAL
from discreet.cli.main import main
from discreet.data import open_spec
from discreet.labels import CIHP, from_names
from discreet.m2fp import build, load_model, save_model
from discreet.privacy.ledger import Ledger
from tests.e2e.conftest import RUN_TOML, write_pictures

NUM_MEMBERS, NUM_OTHERS = 24, 76
INVERSION = ("--inversion", LEAST_PAIRS, "--inversion-steps", 2)
Verb = Callable[..., int]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of one pool, members and others."""
    folder = tmp_path_factory.mktemp("audit")
    write_pictures(folder / "pool" / "train", NUM_MEMBERS)
    write_pictures(folder / "pool" / "val", NUM_OTHERS, seed=1, subjects=False)
    return folder


@pytest.fixture(scope="module")
def verb(place: Path) -> Verb:
    """The command in this process, with a state folder of its own."""

    def run(*words: object) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DISCREET_STATE", str(place / "state"))
            return main([str(word) for word in words])

    return run


@pytest.fixture(scope="module")
def private_run(place: Path, start: Path, verb: Verb) -> Path:
    """A private run, noisy enough to hide everybody; with a test key, because an audit's controls may err by chance."""
    toml = place / "RUN.toml"
    toml.write_text(RUN_TOML.format(data=place / "pool", init=start).replace("epochs = 4", "epochs = 1"))
    assert verb("train", toml, "--out", place / "run", "--test-key", 11, "--json") == 0
    return place / "run"


@pytest.fixture(scope="module")
def leaking_run(place: Path, private_run: Path) -> Path:
    """A folder that claims what the private run does, and holds weights that know their pictures by heart."""
    shutil.copytree(private_run, place / "leaking")
    model, info = load_model(private_run)
    members = open_spec(f"folder:{place / 'pool'}@train")
    # Twice leaves some pictures half learned, and how many hangs on rounding.
    for seed in range(3):
        model = overfitted(model, members, range(NUM_MEMBERS), CIHP, info.image_size, seed=seed)
    save_model(place / "leaking", model, CIHP, image_size=info.image_size)
    record = json.loads((place / "leaking" / "run.json").read_text())
    (place / "leaking" / "run.json").write_text(json.dumps({**record, "run_id": "f" * 16}))
    return place / "leaking"


def evaluations(place: Path) -> int:
    """Un-noised accesses that the ledger knows of."""
    with Ledger.open(place / "state" / "ledger.sqlite") as ledger:
        return len(ledger._store.records("evaluation"))


@pytest.fixture(scope="module")
def accesses(private_run: Path, place: Path, verb: Verb) -> int:
    """The private run is audited; how many accesses that was."""
    before = evaluations(place)
    assert verb("audit", private_run, "--shadows", 4, "--jobs", 2, "--answers", *INVERSION) == 0
    return evaluations(place) - before


def test_a_private_run_passes(private_run: Path, accesses: int) -> None:
    said = json.loads((private_run / "audit" / "audit.json").read_text())
    assert (said["verdict"], said["valid"]) == ("none found by these tests", True), said["problems"]
    assert [attack["name"] for attack in said["attacks"]][:2] == ["loss", "calibrated"]
    assert [attack["name"] for attack in said["attacks"]][-3:] == ["lira", "lira-offline", "rmia"]
    assert said["num_shadows"] == 4
    assert said["num_members"] == NUM_MEMBERS
    assert said["num_non_members"] == NUM_OTHERS - LEAST_REHEARSAL
    for attack in (*said["attacks"], said["blind"], said["negative_control"]):
        assert attack["auc_interval"][0] <= attack["auc"] <= attack["auc_interval"][1]
        assert attack["tpr_at_fpr"] == [], "so few pictures show no rate of 1 %"
    assert said["positive_control"]["auc_interval"][0] > 0.5
    assert all(bound["epsilon_lower_bound"] == 0 < bound["epsilon_ceiling"] for bound in said["bounds"])
    assert [answer["name"] for answer in said["answers"]] == list(KINDS)
    assert (said["inversion"]["num_pairs"], said["inversion"]["leaks"]) == (LEAST_PAIRS, False)


def test_nothing_of_shadow_models_stays(private_run: Path, accesses: int, place: Path) -> None:
    assert not list((place / "state" / "audits").iterdir())


def test_every_access_is_in_the_ledger(accesses: int) -> None:
    assert accesses == 2, "members, and others"


def test_the_card_tells_of_the_audit(
    private_run: Path, accesses: int, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("card", private_run) == 0
    card = capsys.readouterr().out
    assert "none found by these tests" in card
    assert "AUC of the attack loss" in card


def test_the_report_holds_everything_and_no_picture(private_run: Path, accesses: int) -> None:
    page = (private_run / "audit" / "report.html").read_text()
    assert "No leak was found by these tests." in page
    assert "没有发现泄漏" in page
    assert "Drawn back from the model" in page
    assert "Members are told apart by: none of them." in page
    assert "whether faces can be recognised" in page, "no encoder was given: not tested"
    assert not re.search(r"<script|src=|href=|https?:", page)
    # Nobody's picture, and nobody's name.
    assert "data:image" not in page
    assert "person-" not in page


def test_a_model_that_knows_its_pictures_is_caught(
    leaking_run: Path,
    accesses: int,
    place: Path,
    verb: Verb,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capsys.readouterr()
    out = place / "for the owner"
    (place / "judge.py").write_text("def colours(image):\n    return image.mean((0, 1))\n")
    monkeypatch.chdir(place)
    encoder = ("--face-encoder", "judge:colours")
    assert verb("audit", leaking_run, "--out", out, "--show-pictures", "--answers", *INVERSION, *encoder, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["valid"], said["problems"]
    assert said["verdict"] in {"leak found", "claim refuted"}
    assert max(attack["auc"] for attack in said["attacks"]) > 0.8
    answers = {answer["name"]: answer["auc"] for answer in said["answers"]}
    assert min(answers["scores"], answers["label map"]) > 0.9
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg") == 12 + 2 * 2 * 6, "exposed members; six pairs, true and drawn"
    assert said["inversion"]["identity"]["gallery"] == 2 * LEAST_PAIRS
    assert said["inversion"]["identity"]["clean_top_1"] >= 0.8
    assert "Most exposed members" in page
    assert said["confidence"] > 0.95, "two releases share the chance of error"
    (trend,) = (place / "state").glob("audits-*.html")
    assert "<td>1. run</td>" in trend.read_text()
    assert "<td>2. leaking</td>" in trend.read_text()


def refused(verb: Verb, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What is said of an audit that is not made."""
    assert verb("audit", *words) == 1
    return capsys.readouterr().err


def test_what_is_refused(
    private_run: Path, place: Path, verb: Verb, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = (private_run / "audit").exists() and (private_run / "audit" / "audit.json").read_bytes()
    pool = place / "pool"
    assert "choose among" in refused(verb, capsys, private_run, "--attacks", "magic")
    assert "confidence" in refused(verb, capsys, private_run, "--confidence", 1.0)
    assert "at least 1" in refused(verb, capsys, private_run, "--pictures", 0)
    assert "handed out" in refused(verb, capsys, private_run, "--show-pictures")
    (tmp_path / "file").touch()
    assert "cannot be written" in refused(verb, capsys, private_run, "--out", tmp_path / "file" / "audit")
    assert "at least 10" in refused(verb, capsys, private_run, "--inversion", 9)
    assert "need --inversion" in refused(verb, capsys, private_run, "--face-encoder", "json:loads")
    wrong = ("--inversion", 10, "--face-encoder", "json:no_such_function")
    assert "MODULE:FUNCTION" in refused(verb, capsys, private_run, *wrong)
    assert "does not exist" in refused(verb, capsys, tmp_path)
    both = shutil.copytree(pool / "val", tmp_path / "both" / "val")
    shutil.copy(pool / "train" / "images" / "003.jpg", both / "images" / "007.jpg")
    assert "1 pictures" in refused(verb, capsys, private_run, "--non-members", f"folder:{tmp_path / 'both'}@val")
    assert "some hundreds" in refused(verb, capsys, private_run, "--pictures", 5)

    write_pictures(tmp_path / "few" / "val", 5, seed=2)
    assert "some hundreds" in refused(verb, capsys, private_run, "--non-members", f"folder:{tmp_path / 'few'}@val")

    other = write_pictures(tmp_path / "other" / "val", 54, seed=3)
    (other / "labels.json").write_text(json.dumps([f"part {index}" for index in range(20)]))
    message = refused(verb, capsys, private_run, "--non-members", f"folder:{tmp_path / 'other'}@val")
    assert "labelled as the training ones" in message

    silent = shutil.copytree(private_run, tmp_path / "silent")
    (silent / "statement.json").unlink()
    assert "statement.json" in refused(verb, capsys, silent)
    (silent / "statement.json").write_text("{")
    assert "damaged" in refused(verb, capsys, silent)

    pathless = shutil.copytree(private_run, tmp_path / "pathless")
    config = pathless / "config.toml"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith("evaluate")))
    assert "--non-members" in refused(verb, capsys, pathless)
    assert kept == ((private_run / "audit").exists() and (private_run / "audit" / "audit.json").read_bytes())


def test_a_start_that_tells_other_parts_apart_is_left_out(private_run: Path, start: Path, tmp_path: Path) -> None:
    other = build("m2fp-lite", 9, seed=0)
    save_model(tmp_path, other, from_names("eight", [f"part {index}" for index in range(8)]), image_size=(64, 64))
    assert read_audited_run(private_run, tmp_path).start is None
    assert read_audited_run(private_run, start).start is not None


def test_pictures_from_elsewhere_make_it_not_valid(
    private_run: Path, tmp_path: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    """Non-members of another pool are told by their light: an audit must not call that a leak."""
    folder = write_pictures(tmp_path / "elsewhere" / "val", 54, seed=4)
    for path in (folder / "images").iterdir():
        image = np.asarray(Image.open(path)).astype(float)
        Image.fromarray((image * 0.5 + 100).astype(np.uint8)).save(path)
    assert (
        verb(
            "audit",
            private_run,
            "--non-members",
            f"folder:{tmp_path / 'elsewhere'}@val",
            "--out",
            tmp_path / "out",
            "--json",
        )
        == 1
    )
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "audit not valid"
    assert any("without any model" in problem for problem in said["problems"])


def test_canaries_are_the_trials_of_a_run_that_has_them(
    place: Path, start: Path, tmp_path: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "train", 110, seed=5, subjects=False)
    toml = tmp_path / "RUN.toml"
    text = (
        RUN_TOML.format(data=tmp_path, init=start).replace("epochs = 4", "epochs = 1").replace("size = 4", "size = 20")
    )
    text = text.replace(f"folder:{tmp_path}@val", f"folder:{place / 'pool'}@val").replace(
        "delta = 1e-3", "delta = 1e-5"
    )
    toml.write_text(text)
    out = tmp_path / "run"
    assert verb("train", toml, "--out", out, "--canaries", 111) == 1
    assert "plant fewer" in capsys.readouterr().err
    assert verb("train", toml, "--out", out, "--canaries", 100, "--test-key", 11) == 0
    assert not [path for path in out.rglob("*") if "canar" in path.name], "coins are not handed out"
    assert verb("audit", out, "--attacks", "loss,combined", "--pictures", 30) == 1
    assert "canaries" in capsys.readouterr().err
    assert "no audit was made" in (out / "report.html").read_text()
    verb("audit", out, "--attacks", "loss,combined", "--out", out / "audit", "--json")  # spelled out, the same place
    assert "no audit was made" not in (out / "report.html").read_text()
    said = json.loads(capsys.readouterr().out)
    assert said["valid"], said["problems"]
    assert said["num_members"] + said["num_non_members"] == 100
    one_run = {bound["method"]: bound for bound in said["bounds"]}["one run, canaries"]
    assert one_run["epsilon_lower_bound"] <= 1.0
    assert 2.0 < one_run["epsilon_ceiling"] < 3.0, "fifty right guesses"
