"""Write what `discreet plan` expects by, from measured runs of the recipe that a private run takes by default.

    python tools/measure_expectation.py benchmarks/results/thermal-recipes.json everything everything-eps-1

Rewrites src/discreet/assets/measured/private_training.json; `benchmarks/recipe_table.py` wrote the results.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from discreet.privacy.expectation import MeasuredRun, Measurements, signal_of
from discreet.privacy.plan import PrivacyPlan
from discreet.training.run_folder import write_text

ASSET = Path(__file__).parents[1] / "src" / "discreet" / "assets" / "measured" / "private_training.json"


def plan_of(row: dict[str, Any]) -> PrivacyPlan:
    """What the run did."""
    return PrivacyPlan(
        expected_batch_size=row["batch_size"], num_steps=row["num_steps"], delta=row["delta"], **row["mechanism"]
    )


def main(results: Path, names: list[str]) -> None:
    """Print and keep."""
    told = json.loads(results.read_text(encoding="utf-8"))
    rows = [row for row in told["rows"] if row["name"] in names]
    plans = [plan_of(row) for row in rows]
    found = Measurements(
        task=told["title"],
        num_samples=plans[0].num_samples,
        samples_seen=plans[0].num_steps * plans[0].expected_batch_size,
        fewest_steps=min(plan.num_steps for plan in plans),
        start_miou=told["start"][0],
        ordinary_miou=next(row["miou"][0] for row in told["rows"] if row["epsilon"] is None),
        runs=[
            MeasuredRun(row["name"], round(signal_of(plan), 1), *row["kept"])
            for row, plan in zip(rows, plans, strict=True)
        ],
    )
    ASSET.parent.mkdir(exist_ok=True)
    write_text(ASSET, json.dumps(asdict(found), indent=1, ensure_ascii=False) + "\n")
    print(ASSET.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
