"""Kill training runs with SIGKILL at 30 random moments in all, resuming each time, and compare with one that was not.

    python benchmarks/killed_runs.py [--kills 30]

Checks after every kill that the ledger shows at least the steps whose result was kept, and at the end
that ε and the weights are those of an uninterrupted run under the same test key.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from discreet.data.people import generate_people
from discreet.privacy.ledger import Ledger

SETTINGS = """
[data]
train = "people:{data}"
[model]
trainable = "norms-and-biases"
[privacy]
noise_multiplier = 1.0
delta = 1e-3
[training]
epochs = 24
batch_size = 6
micro_batch_size = 4
image_size = 64
checkpoint_every = 5
threads = 1
"""


def start(settings: Path, out: Path, state: Path) -> subprocess.Popen[bytes]:
    """Begin the run in `out`, or go on with it."""
    words = ["train", str(settings), "--out", str(out), "--test-key", "11"]
    words += ["--resume"] if (out / "run.json").exists() else []
    environment = {**os.environ, "DISCREET_STATE": str(state)}
    return subprocess.Popen(
        [sys.executable, "-m", "discreet", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def charged_and_kept(out: Path, state: Path) -> tuple[int, int]:
    """Steps in the ledger, and steps in the checkpoint."""
    run_id = json.loads((out / "run.json").read_text())["run_id"]
    with Ledger.open(state / "ledger.sqlite") as ledger:
        charged = sum(entry.steps_executed for entry in ledger.entries() if entry.run_id == run_id)
    checkpoint = state / "runs" / run_id / "checkpoint.safetensors"
    if not checkpoint.exists():
        return charged, 0
    with safe_open(checkpoint, framework="numpy") as stored:
        return charged, int(json.loads(stored.metadata()["discreet"])["step"])


def kill_until_done(settings: Path, folder: Path, duration: float, most: int, moments: random.Random) -> int:
    """Kill one run at most so often, then let it finish; returns how often it was killed."""
    out, state = folder / "run", folder / "state"
    done = 0
    while done < most:
        process = start(settings, out, state)
        time.sleep(duration * moments.uniform(0.05, 0.6))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        done += 1
        if (out / "run.json").exists() and (state / "ledger.sqlite").exists():
            charged, kept = charged_and_kept(out, state)
            print(f"{folder.name}, kill {done}: {charged} steps charged, {kept} kept", flush=True)
            if charged < kept:
                raise SystemExit("the ledger shows less than was released")
    if not json.loads((out / "run.json").read_text())["complete"] and start(settings, out, state).wait() != 0:
        raise SystemExit("the killed run did not finish")
    return done


def same_weights(one: Path, other: Path) -> bool:
    """Whether two runs released the same, bit by bit."""
    weights, wanted = (load_file(folder / "run" / "model.safetensors") for folder in (one, other))
    return all(np.array_equal(weights[name], wanted[name]) for name in wanted)


def main() -> None:
    """Run, kill, compare, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        generate_people(base / "data", style="studio", count=24, size_px=64, seed=5)
        settings, whole = base / "RUN.toml", base / "whole"
        settings.write_text(SETTINGS.format(data=base / "data"))
        began = time.monotonic()
        if start(settings, whole / "run", whole / "state").wait() != 0:
            raise SystemExit("the uninterrupted run failed")
        duration = time.monotonic() - began
        expected, _ = charged_and_kept(whole / "run", whole / "state")
        moments = random.Random(3)
        done, runs = 0, []
        while done < kills:
            killed = base / f"run {len(runs) + 1}"
            done += kill_until_done(settings, killed, duration, kills - done, moments)
            charged, _ = charged_and_kept(killed / "run", killed / "state")
            runs.append({"steps_charged": charged, "weights_equal": same_weights(killed, whole)})
    found = {"kills": done, "steps_expected": expected, "runs": runs}
    print(found)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "killed_runs.json").write_text(json.dumps(found, indent=1) + "\n")
    wanted = {"steps_charged": expected, "weights_equal": True}
    raise SystemExit(0 if all(run == wanted for run in runs) else 1)


if __name__ == "__main__":
    main()
