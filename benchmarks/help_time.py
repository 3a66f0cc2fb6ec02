"""How long `discreet VERB --help` takes, start of the process included; the limit is 0.3 s."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from discreet.cli.main import VERBS

LIMIT_S = 0.3
ROUNDS = 7


def main() -> None:
    """Measure every verb; exit 1 when one is too slow."""
    medians: dict[str, float] = {}
    for words in (["--help"], *([verb, "--help"] for verb in VERBS)):
        seconds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "discreet", *words], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - started)
        medians[" ".join(words)] = round(statistics.median(seconds), 4)
        print(f"{' '.join(words):20} {medians[' '.join(words)]:.3f} s", flush=True)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "help_time.json").write_text(json.dumps(medians, indent=1) + "\n")
    raise SystemExit(0 if max(medians.values()) < LIMIT_S else 1)


if __name__ == "__main__":
    main()
