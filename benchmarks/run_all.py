"""Every benchmark, one after the other, most of a night; results go to benchmarks/results/*.json."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = (
    "help_time.py",
    "step_cost.py --again",
    "step_profile.py",
    "norm_choice.py",
    "largest_batch.py",
    "opacus_cost.py",
    "plot_costs.py docs/images/step-cost.svg",
    "read_speed.py",
    "scale.py",
    "killed_runs.py",
    "service_load.py",
    "inference_speed.py",
)


def main() -> None:
    """Stop at the first that fails."""
    for words in BENCHMARKS:
        print(f"== {words}", flush=True)
        name, *options = words.split()
        subprocess.run([sys.executable, str(HERE / name), *options], check=True, cwd=HERE.parent)


if __name__ == "__main__":
    main()
