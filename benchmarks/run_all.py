"""Every benchmark that needs nothing but the package, one after the other, most of a night.

    make bench

Results go to benchmarks/results/*.json. Left out: `real_photos.py` and `face_masks.py`, which fetch judges and
photographs (`make real-photos`, `make face-masks`), `accelerator_cost.py`, which wants a GPU, and tables of runs that
were trained before (`recipe_table.py`, `audit_table.py`).
"""

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
    "people_speed.py",
    "people_statistics.py",
    "quality_by_group.py",
    "gradient_shares.py",
    "audit_speed.py",
    "audit_mechanism.py",
)


def main() -> None:
    """Stop at the first that fails."""
    for words in BENCHMARKS:
        print(f"== {words}", flush=True)
        name, *options = words.split()
        subprocess.run([sys.executable, str(HERE / name), *options], check=True, cwd=HERE.parent)


if __name__ == "__main__":
    main()
