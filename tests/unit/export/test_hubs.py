"""Folders for hubs: what loads them, what they say in both languages, under which licence, and what stays behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import discreet
from discreet.cli.main import main
from discreet.inference.models import shipped_models
from discreet.labels import label_set
from discreet.m2fp import build, dump_released, save_model
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.statement import PublicWeights, RunFacts, build_statement

SHIPPED = shipped_models()["m2fp-lite"].sha256


@pytest.fixture(autouse=True)
def no_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was trained on this machine."""
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "state"))


def trained(folder: Path, name: str, start: str | None) -> Path:
    """A run's folder, of a private run that began with weights of some hash."""
    save_model(folder, build(name, 21, seed=4), label_set("cihp"), image_size=(64, 64))
    plan = PrivacyPlan.for_noise(
        noise_multiplier=1.0, num_samples=1000, expected_batch_size=100, num_steps=20, delta=1e-5
    )
    weights = [] if start is None else [PublicWeights(name="start", sha256=start, origin="given by the user")]
    facts = RunFacts(steps_executed=20, sensitivity=1.001, test_key=False, config_hash="0" * 64, public_weights=weights)
    (folder / "statement.json").write_text(build_statement(plan, facts).to_json())
    (folder / "metrics.json").write_text(json.dumps({"miou": 0.4321, "pixel_accuracy": 0.9, "app50": None}))
    (folder / "config.toml").write_text('[data]\ntrain = "folder:/a/private/place"\n')
    (folder / "run.json").write_text("{}")
    return folder


def front_matter(folder: Path) -> dict[str, object]:
    return yaml.safe_load((folder / "README.md").read_text().split("---")[1])


@pytest.mark.parametrize("hub", ["modelscope", "huggingface"])
def test_the_folder_loads_and_speaks_both_languages(hub: str, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "m2fp-lite", SHIPPED)
    out = tmp_path / "out"
    assert main(["export", str(run), "--to", hub, "--out", str(out)]) == 0
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(discreet.load(out).parse(picture).parts, discreet.load(run).parse(picture).parts)
    text = (out / "README.md").read_text()
    sentence = json.loads((run / "statement.json").read_text())["sentence"]
    assert sentence["en"] in text
    assert sentence["zh"] in text
    assert "0.432" in text
    assert "differential-privacy" in front_matter(out)["tags"]  # type: ignore[operator]
    names = {path.name for path in out.iterdir()}
    assert {"statement.json", "privacy-card.md", "privacy-card.html", "model.safetensors"} <= names
    assert not {"config.toml", "run.json"} & names
    for path in out.rglob("*"):
        assert path.is_dir() or b"/a/private/place" not in path.read_bytes()


def test_each_hub_has_its_configuration(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "m2fp-r50", None)
    for hub in ("modelscope", "huggingface"):
        assert main(["export", str(run), "--to", hub, "--out", str(tmp_path / hub)]) == 0
    told = json.loads((tmp_path / "modelscope" / "configuration.json").read_text())
    assert (told["task"], told["model"]["type"], told["model"]["backbone"]["depth"]) == (
        "image-segmentation",
        "m2fp",
        50,
    )
    weights = torch.load(tmp_path / "modelscope" / "pytorch_model.pt", weights_only=True)["model"]
    assert set(weights) == set(dump_released(build("m2fp-r50", 21)))
    assert front_matter(tmp_path / "modelscope")["tasks"] == ["image-segmentation"]
    told = json.loads((tmp_path / "huggingface" / "config.json").read_text())
    assert told["id2label"]["13"] == label_set("cihp").names[13]
    assert front_matter(tmp_path / "huggingface")["pipeline_tag"] == "image-segmentation"
    assert not (tmp_path / "huggingface" / "pytorch_model.pt").exists()


@pytest.mark.parametrize(
    ("start", "licence"), [(None, "apache-2.0"), (SHIPPED, "apache-2.0"), ("f" * 64, "cc-by-nc-4.0")]
)
def test_weights_of_others_are_taken_for_non_commercial(
    start: str | None, licence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path / "run", "m2fp-lite", start)
    assert main(["export", str(run), "--to", "huggingface", "--out", str(tmp_path / "out")]) == 0
    inherited = licence != "apache-2.0"
    assert ("non-commercial" in (tmp_path / "out" / "README.md").read_text()) is inherited
    assert ("CC BY-NC 4.0" in capsys.readouterr().out) is inherited
    assert front_matter(tmp_path / "out")["license"] == licence


def test_without_a_statement_nothing_is_claimed(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "m2fp-lite", None)
    (run / "statement.json").unlink()
    assert main(["export", str(run), "--to", "huggingface", "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    assert "nothing is guaranteed" in text
    assert "不作任何保证" in text
    assert "privacy-card" not in text
    assert front_matter(tmp_path / "out")["license"] == "cc-by-nc-4.0"


@pytest.mark.parametrize("to", ["huggingface", "onnx", "web"])
def test_an_audit_goes_along_and_the_card_says_that_epsilon_does_not_cover_it(to: str, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "m2fp-lite", None)
    attack = {"name": "loss", "auc": 0.51, "auc_interval": [0.45, 0.57]}
    told = {
        "verdict": "none found by these tests", "problems": [], "attacks": [attack], "num_members": 20,
        "num_non_members": 52, "confidence": 0.95, "bounds": [{"conditional": "", "epsilon_lower_bound": 0.0}],
    }  # fmt: skip
    (run / "audit").mkdir()
    (run / "audit" / "audit.json").write_text(json.dumps(told))
    assert main(["export", str(run), "--to", to, "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "audit" / "audit.json").read_text()) == told
    for card in ("privacy-card.md", "privacy-card.html"):
        text = (tmp_path / "out" / card).read_text()
        assert "an audit: results of attacks on training pictures" in text
        assert "0.4321" not in text, "what was measured without noise stays in the run's folder"


def test_shipped_weights_can_be_published(tmp_path: Path) -> None:
    assert main(["export", "m2fp-lite", "--to", "modelscope", "--out", str(tmp_path / "out")]) == 0
    assert front_matter(tmp_path / "out")["license"] == "Apache License 2.0"


def test_what_makes_no_sense_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "m2fp-lite", "--to", "huggingface", "--out", str(tmp_path), "--side", "256"]) == 2
    assert "--side" in capsys.readouterr().err
    (tmp_path / "something").touch()
    assert main(["export", "m2fp-lite", "--to", "huggingface", "--out", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err


def test_a_damaged_statement_is_told_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path / "run", "m2fp-lite", None)
    (run / "statement.json").write_text("{")
    for to in ("onnx", "huggingface"):
        assert main(["export", str(run), "--to", to, "--out", str(tmp_path / "out")]) == 1
        assert "statement.json" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
