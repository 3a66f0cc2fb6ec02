"""`discreet data`: what it prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from discreet.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind, mode in (("images", "RGB"), ("parts", "L")):
        (tmp_path / kind).mkdir()
        for name in ("a", "b"):
            Image.new(mode, (8, 6), 5 if mode == "L" else (5, 5, 5)).save(tmp_path / kind / f"{name}.png")
    (tmp_path / "labels.json").write_text('"cihp"')
    return tmp_path


def test_a_sound_set_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", f"folder:{folder}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "num_samples": 2,
        "num_subjects": None,
        "label_set": "cihp",
        "problems": [],
    }
    assert main(["data", "check", f"folder:{folder}"]) == 0
    assert "2 pictures, 20 parts (cihp); no problems" in capsys.readouterr().out


def test_every_problem_is_listed_and_the_exit_code_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "parts" / "a.png").unlink()
    (folder / "images" / "b.png").write_bytes(b"\x89PNG")
    assert main(["data", "check", f"folder:{folder}", "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [Path(problem["file"]).name for problem in problems] == ["a.png", "b.png"]
    assert main(["data", "check", f"folder:{folder / 'nowhere'}"]) == 1
    assert "does not exist" in capsys.readouterr().out


@pytest.mark.parametrize("labels", ['"coco"', "[]", '["a", "a"]', '{"names": ["a", "b"], "flip_pairs": [["a", "b"]]}'])
def test_labels_that_make_no_sense_are_a_problem(folder: Path, labels: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "labels.json").write_text(labels)
    assert main(["data", "check", f"folder:{folder}", "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert str(folder / "labels.json") in problem["what"]


def test_stats_count_pixels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "stats", f"folder:{folder}", "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert (stats["num_samples"], stats["ignored"], stats["pixels"]["UpperClothes"]) == (2, 0, 96)
    assert main(["data", "stats", f"folder:{folder}"]) == 0
    assert "100.00%" in capsys.readouterr().out


def test_stats_in_other_labels_say_what_is_lost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "stats", f"folder:{folder}?labels=pascal", "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert "UpperClothes becomes Torso" in stats["lost"]
    assert stats["pixels"]["Torso"] == 96
    assert main(["data", "stats", f"folder:{folder}?labels=pascal"]) == 0
    assert "UpperClothes becomes Torso" in capsys.readouterr().out
    assert main(["data", "stats", f"folder:{folder}?labels=lip"]) == 0
    assert "in these labels, Jumpsuits never occurs" in capsys.readouterr().out


def test_another_spec_is_one_line_of_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "wide:somewhere"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "unknown kind 'wide'; known are cihp" in captured.err
    with pytest.raises(SystemExit) as caught:
        main(["data", "sell", "folder:x"])
    assert caught.value.code == 2


def test_subjects_by_a_pattern_are_counted_as_training_would(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = f"folder:{folder}"
    assert main(["data", "check", spec, "--subject-pattern", "^(.)", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_subjects"] == 2
    assert main(["data", "check", spec, "--subject-pattern", "^(a)"]) == 1
    assert "finds no subject in the name b" in capsys.readouterr().out
    assert main(["data", "check", spec, "--subject-pattern", "^a"]) == 1
    assert "has 0 groups" in capsys.readouterr().err
    assert main(["data", "stats", spec, "--subject-pattern", "^(.)"]) == 2
    assert "--subject-pattern is for check" in capsys.readouterr().err


def test_an_evaluation_that_is_refused_is_not_noted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCREET_STATE", str(tmp_path / "state"))
    (folder / "labels.json").write_text('["sky", "shirt"]')
    assert main(["evaluate", "m2fp-lite", "--data", f"folder:{folder}"]) == 1
    assert "evaluate on data with the model's parts" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
