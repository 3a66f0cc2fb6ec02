"""What is there is said, and what is missing comes with the command that brings it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from discreet.cli import doctor
from discreet.cli.main import main


def test_it_names_every_runtime_and_misses_nothing_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["runtimes"]) >= {"torch", "onnx"}
    assert found["weights"]["m2fp-lite"] == "intact"
    assert not [warning for warning in found["warnings"] if "pip install" in warning and "embreex" not in warning]


def test_what_is_missing_comes_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = importlib.util.find_spec
    gone = {"onnxruntime", "fastapi", "dp_accounting", "onnx"}
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None if name in gone else there(name))
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "onnx" not in found["runtimes"]
    assert "to serve, onnxruntime, fastapi is missing: pip install 'discreet[serve]'" in found["warnings"]
    assert "to export, onnx is missing: pip install 'discreet[export]'" in found["warnings"]
    assert "to train and account, dp_accounting is missing: pip install 'discreet[train]'" in found["warnings"]


def test_a_state_folder_that_others_can_look_into_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("DISCREET_STATE", str(state))

    def warned() -> bool:
        assert main(["doctor", "--json"]) == 0
        return any("chmod 700" in warning for warning in json.loads(capsys.readouterr().out)["warnings"])

    assert not warned()
    assert not state.exists(), "the doctor makes nothing"
    state.mkdir(mode=0o755)
    assert warned()
    state.chmod(0o700)
    assert not warned()
