"""Kill -9 at random points: what was released stays charged, and the run ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from tests.e2e.conftest import Discreet, environment

TEST_KEY = 11
# Of twelve, with a checkpoint every three: a kill comes after this step was kept, the last one while a run resumes.
KILLED_AFTER = (3, 6, 6)
LONGEST_DELAY_S = 0.5


def train_words(run_toml: Path, out: Path, *more: str) -> list[str]:
    return ["train", str(run_toml), "--out", str(out), "--test-key", str(TEST_KEY), "--json", *more]


def start_training(run_toml: Path, out: Path, state: Path) -> subprocess.Popen[bytes]:
    more = ["--resume"] if (out / "run.json").exists() else []
    return subprocess.Popen(
        [sys.executable, "-m", "discreet", *train_words(run_toml, out, *more)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(state),
    )


def run_id_of(out: Path) -> str:
    run_id = json.loads((out / "run.json").read_text())["run_id"]
    assert isinstance(run_id, str)
    return run_id


def wait_until_kept(step: int, process: subprocess.Popen[bytes], out: Path, state: Path) -> None:
    """Until a running training has kept the result of a step."""
    while not (out / "run.json").exists() or released_steps(state, run_id_of(out)) < step:
        assert process.poll() is None, "the run ended before it was killed"
        time.sleep(0.01)


def ledger_steps(state: Path, run_id: str) -> int:
    """Steps the ledger holds of a run; 0 before it was opened."""
    from discreet.privacy.ledger import Ledger

    if not (state / "ledger.sqlite").exists():
        return 0
    with Ledger.open(state / "ledger.sqlite") as ledger:
        return sum(entry.steps_executed for entry in ledger.entries() if entry.run_id == run_id)


def spent(state: Path) -> float:
    """ε of everything the ledger holds."""
    from discreet.privacy.accountant import epsilon_of
    from discreet.privacy.ledger import Ledger

    with Ledger.open(state / "ledger.sqlite") as ledger:
        return epsilon_of([event for entry in ledger.entries() if (event := entry.event()) is not None], 1e-3)


def released_steps(state: Path, run_id: str) -> int:
    """Steps whose result has left the process: those in the checkpoint."""
    from safetensors import safe_open

    path = state / "runs" / run_id / "checkpoint.safetensors"
    if not path.exists():
        return 0
    with safe_open(path, framework="numpy") as stored:
        return int(json.loads(stored.metadata()["discreet"])["step"])


def test_a_run_killed_at_random_points_ends_like_one_that_was_not(
    run_toml: Path, tmp_path: Path, state: Path, discreet: Discreet
) -> None:
    whole = json.loads(discreet(*train_words(run_toml, tmp_path / "whole")).stdout)
    killed, killed_state = tmp_path / "killed", tmp_path / "killed-state"
    moments = random.Random(5)
    for step in KILLED_AFTER:
        process = start_training(run_toml, killed, killed_state)
        wait_until_kept(step, process, killed, killed_state)
        time.sleep(moments.uniform(0, LONGEST_DELAY_S))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = released_steps(killed_state, run_id_of(killed))
        assert step <= kept < whole["num_steps"], "killed between two steps"
        assert ledger_steps(killed_state, run_id_of(killed)) >= kept
    last = start_training(run_toml, killed, killed_state)
    assert last.wait(timeout=300) == 0

    statement = json.loads((killed / "statement.json").read_text())
    uninterrupted = json.loads((tmp_path / "whole" / "statement.json").read_text())
    assert statement["private"] is uninterrupted["private"] is False, "a test key protects nothing"
    assert statement["mechanism"]["num_steps"] == uninterrupted["mechanism"]["num_steps"] == whole["num_steps"]
    assert spent(killed_state) == spent(state) > 0
    weights, expected = load_file(killed / "model.safetensors"), load_file(tmp_path / "whole" / "model.safetensors")
    assert weights.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(weights[name], values, err_msg=name)
    assert list((killed_state / "runs").iterdir()) == []
