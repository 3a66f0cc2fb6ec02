"""Every benchmark, one after the other; results go to benchmarks/results/*.json."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = (
    "help_time.py",
    "step_cost.py",
    "opacus_cost.py",
    "read_speed.py",
    "scale.py",
    "killed_runs.py",
    "service_load.py",
    "inference_speed.py",
)


def main() -> None:
    """Stop at the first that fails."""
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, str(HERE / name)], check=True, cwd=HERE.parent)


if __name__ == "__main__":
    main()
