"""Kill a training run with SIGKILL at 30 random moments, resuming each time, and compare with one that was not.

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


def main() -> None:
    """Run, kill, compare, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        generate_people(base / "data", style="studio", count=24, size_px=64, seed=5)
        settings = base / "RUN.toml"
        settings.write_text(SETTINGS.format(data=base / "data"))
        began = time.monotonic()
        if start(settings, base / "whole", base / "whole-state").wait() != 0:
            raise SystemExit("the uninterrupted run failed")
        duration = time.monotonic() - began
        moments = random.Random(3)
        done = 0
        while done < kills:
            process = start(settings, base / "killed", base / "killed-state")
            time.sleep(duration * moments.uniform(0.05, 0.6))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
            if (base / "killed" / "run.json").exists() and (base / "killed-state" / "ledger.sqlite").exists():
                charged, kept = charged_and_kept(base / "killed", base / "killed-state")
                print(f"kill {done}: {charged} steps charged, {kept} kept", flush=True)
                if charged < kept:
                    raise SystemExit("the ledger shows less than was released")
        if start(settings, base / "killed", base / "killed-state").wait() != 0:
            raise SystemExit("the killed run did not finish")
        charged, _ = charged_and_kept(base / "killed", base / "killed-state")
        expected, _ = charged_and_kept(base / "whole", base / "whole-state")
        weights, wanted = (load_file(base / name / "model.safetensors") for name in ("killed", "whole"))
        same = all(np.array_equal(weights[name], wanted[name]) for name in wanted)
    found = {"kills": done, "steps_charged": charged, "steps_expected": expected, "weights_equal": same}
    print(found)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "killed_runs.json").write_text(json.dumps(found, indent=1) + "\n")
    raise SystemExit(0 if same and charged == expected else 1)


if __name__ == "__main__":
    main()
