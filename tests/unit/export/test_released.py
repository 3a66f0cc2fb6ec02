"""Weights under released keys: two forms, the same numbers, and a note of their licence."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from discreet.cli.main import main
from discreet.errors import WeightsError
from discreet.export import released
from discreet.labels import label_set
from discreet.m2fp import build, dump_released, save_model
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.statement import RunFacts, build_statement


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    save_model(out, build("m2fp-r50", 21, seed=4), label_set("cihp"), image_size=(64, 64))
    return out


def test_both_forms_hold_every_released_key_in_float32(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", str(trained), "--to", "m2fp", "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == ["README.md", "model.pth", "model.safetensors"]
    assert said["parity"][0]["largest_difference"] <= 1e-4
    assert zipfile.is_zipfile(out / "model.pth")
    as_pth = torch.load(out / "model.pth", weights_only=True)
    as_safetensors = safetensors.torch.load_file(out / "model.safetensors")
    wanted = dump_released(build("m2fp-r50", 21, seed=4))
    assert set(as_pth) == set(as_safetensors) == set(wanted)
    for key, tensor in wanted.items():
        assert torch.equal(as_pth[key], tensor)
        assert torch.equal(as_safetensors[key], tensor)
        assert tensor.dtype in (torch.float32, torch.int64)
    assert "CC BY-NC 4.0" in (out / "README.md").read_text()
    assert main(["export", str(trained), "--to", "m2fp", "--out", str(out)]) == 1
    assert "not empty" in capsys.readouterr().err


def test_what_is_guaranteed_goes_with_the_weights(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    plan = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=90, expected_batch_size=9, num_steps=2, delta=1e-5)
    statement = build_statement(plan, RunFacts(steps_executed=2, sensitivity=1.001, test_key=False, config_hash="0"))
    (run / "statement.json").write_text(statement.to_json())
    released.export_released(run, tmp_path / "out", name="mine")
    assert (tmp_path / "out" / "statement.json").read_text() == statement.to_json()
    assert statement.sentence.en in (tmp_path / "out" / "privacy-card.md").read_text()


def test_what_cannot_be_exported_so_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "m2fp-lite", "--to", "m2fp", "--out", str(tmp_path / "lite")]) == 1
    assert "no released layout" in capsys.readouterr().err
    assert not (tmp_path / "lite").exists()
    assert main(["export", str(trained), "--to", "m2fp", "--out", str(tmp_path / "side"), "--side", "64"]) == 2
    assert "any size" in capsys.readouterr().err
    assert not (tmp_path / "side").exists()


def test_weights_that_answer_otherwise_do_not_pass(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(model: object) -> dict[str, torch.Tensor]:
        tensors = dump_released(model)
        key = "sem_seg_head.predictor.mask_embed.layers.0.weight"
        return {**tensors, key: tensors[key].flip(0)}

    monkeypatch.setattr(released, "dump_released", swapped)
    with pytest.raises(WeightsError, match="off by"):
        released.export_released(trained, tmp_path / "out", name="mine")
