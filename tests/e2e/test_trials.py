"""`--trials K`: one budget for all of them, chosen by other pictures, and resumable like one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from discreet.cli.main import main
from discreet.privacy import PrivacyPlan
from discreet.training.run import Outcome, train
from discreet.training.settings import read_settings
from discreet.training.surroundings import Surroundings
from discreet.training.trials import learning_rates

Run = Callable[..., int]
SHORT = ["training.epochs=1", "training.trials=2", "training.checkpoint_every=1"]


@pytest.fixture
def run_verb(state: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, with the test's own state folder."""
    monkeypatch.setenv("DISCREET_STATE", str(state))
    return lambda *words: main([str(word) for word in words])


def test_epsilon_covers_all_trials_and_one_is_released(
    run_toml: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run_verb("train", run_toml, "--out", out, "--trials", 3, "--set", "training.epochs=1", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    whole = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=12, expected_batch_size=4, num_steps=9, delta=1e-3)
    assert said["num_steps"] == 9
    assert said["epsilon"] == pytest.approx(whole.epsilon, abs=1e-9)
    statement = json.loads((out / "statement.json").read_text())
    assert statement["mechanism"]["num_steps"] == 9
    assert any("the best of 3 trials" in touch for touch in statement["data_touches"])
    trials = json.loads((out / "trials.json").read_text())
    assert [trial["learning_rate"] for trial in trials] == pytest.approx([2e-4, 4e-4, 8e-4])
    chosen = [trial for trial in trials if trial["chosen"]]
    assert len(chosen) == 1
    assert chosen[0]["miou"] == max(trial["miou"] for trial in trials)
    assert json.loads((out / "metrics.json").read_text())["miou"] == pytest.approx(chosen[0]["miou"])
    assert len(list(out.glob("*.safetensors"))) == 1, "the others stay behind"


def test_a_target_is_for_all_trials_together(run_toml: Path) -> None:
    from discreet.training.run import make_plan

    text = run_toml.read_text().replace("noise_multiplier = 1.0", "epsilon = 4.0")
    run_toml.write_text(text)
    plans = [make_plan(read_settings(run_toml, [f"training.trials={trials}"]), 500) for trials in (1, 4)]
    one, four = (plan for plan in plans if plan is not None)
    assert four.num_steps == 4 * one.num_steps
    assert four.noise_multiplier > one.noise_multiplier
    assert 3.9 < four.epsilon <= 4.0


def test_interrupted_anywhere_it_goes_on_to_the_same_weights(run_toml: Path, tmp_path: Path, start: Path) -> None:
    settings = read_settings(run_toml, SHORT)

    def begin(name: str, stop_after: int | None, resume: bool = False) -> Outcome:
        left = [stop_after]

        def should_stop() -> bool:
            if left[0] is None:
                return False
            left[0] -= 1
            return left[0] <= 0

        around = Surroundings(tmp_path / f"state-{name}", init=start, should_stop=should_stop, test_seed=5)
        return train(settings, tmp_path / name, around, resume=resume)

    whole = begin("whole", None)
    assert whole.num_steps == whole.planned_steps == 6
    stopped = begin("parts", 2)
    assert stopped.num_steps == 2
    assert begin("parts", 2, resume=True).num_steps == 5, "the third step ends a trial, where nobody asks"
    assert begin("parts", None, resume=True).complete
    for name in ("model.safetensors", "trials.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


@pytest.mark.parametrize(
    ("replaced", "message"),
    [("", "data.evaluate, which is not set"), ("@train", "shares pictures or protected subjects with data.train")],
    ids=["none", "the same"],
)
def test_what_cannot_choose_is_refused_before_anything_is_written(
    run_toml: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str], replaced: str, message: str
) -> None:
    lines = run_toml.read_text().splitlines()
    kept = [line.replace("@val", replaced) for line in lines if replaced or not line.startswith("evaluate")]
    run_toml.write_text("\n".join(kept))
    assert run_verb("train", run_toml, "--out", tmp_path / "run", "--trials", 2) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("named", [[], ["--set", "data.subject_pattern='(\\d+)'"]], ids=["listed", "by their names"])
def test_other_pictures_of_protected_subjects_cannot_choose(
    run_toml: Path, tmp_path: Path, run_verb: Run, capsys: pytest.CaptureFixture[str], named: list[str]
) -> None:
    """The held-out pictures show subjects who are trained on."""
    words = ["--trials", 2, "--set", "privacy.unit=subject", "--set", "training.batch_size=3", *named]
    assert run_verb("train", run_toml, "--out", tmp_path / "run", *words) == 1
    assert "shares pictures or protected subjects with data.train" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_single_trial_trains_at_the_rate_of_the_settings(run_toml: Path) -> None:
    assert learning_rates(read_settings(run_toml)) == [4e-4]
    assert learning_rates(read_settings(run_toml, ["training.trials=2"])) == pytest.approx([2e-4, 8e-4])
