"""Keep and print what a comparison of recipes has measured so far, also while some of its rows are still to be run.

    python benchmarks/recipe_table.py recipes/thermal-recipes.toml runs/thermal

Writes results/RECIPE.json beside this script; the table is that of EXPERIMENTS.md.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from discreet.cli.output import Output
from discreet.defences.cells import Bench, measured, measured_start
from discreet.defences.settings import CompareSettings, read_compare_settings
from discreet.defences.table import Comparison, Measured, tabulate

RESULTS = Path(__file__).parent / "results"


def finished(settings: CompareSettings, folder: Path) -> tuple[CompareSettings, Comparison]:
    """Rows and seeds that are measured, and their table, without latencies, which need all rows."""

    def done(name: str) -> list[int]:
        return [seed for seed in settings.seeds_of(name) if (folder / "rows" / f"{name}-{seed}" / "cell.json").exists()]

    wanted = {name: row.model_copy(update={"seeds": done(name)}) for name, row in settings.rows.items() if done(name)}
    settings = settings.model_copy(update={"rows": wanted})
    bench = Bench(settings, folder, folder, {"train": "", "evaluate": "", "public": ""})
    progress = Output().progress
    cells = {name: [measured(bench, name, seed, progress) for seed in settings.seeds_of(name)] for name in wanted}
    return settings, tabulate(settings, measured_start(bench, progress), cells, dict.fromkeys(wanted, 0.0))


def told_of(settings: CompareSettings, table: Comparison, folder: Path) -> dict[str, Any]:
    """What is kept: public settings, counts of generated pictures."""
    rows = []
    for row in table.rows:
        run = settings.run_settings(row.name, row.seeds[0], "")
        steps, mechanism = None, None
        if row.epsilon is not None:
            statement = folder / "rows" / f"{row.name}-{row.seeds[0]}" / "run" / "statement.json"
            did = json.loads(statement.read_text(encoding="utf-8"))["mechanism"]
            steps, mechanism = did["num_steps"], {key: did[key] for key in ("num_samples", "noise_multiplier")}
        rows.append(
            {
                "name": row.name,
                "epsilon": row.epsilon,
                "delta": row.delta,
                "trainable": run.model.trainable,
                "batch_size": run.training.batch_size,
                "learning_rate": run.training.learning_rate,
                "num_steps": steps,
                "mechanism": mechanism,
                "miou": _three(row.miou),
                "kept": None if row.recovered is None else _three(row.recovered),
                "pixel_accuracy": round(row.pixel_accuracy, 4),
                "train_seconds": round(row.train_seconds),
                "seeds": row.seeds,
            }
        )
    return {"title": table.title, "start": None if table.start is None else _three(table.start), "rows": rows}


def _three(measured: Measured) -> list[float]:
    """Value, and its interval."""
    return [round(number, 4) for number in (measured.value, *measured.interval)]


def as_text(told: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| row | seeds | ε | trains | batch | rate | mIoU | of the gain kept | pixel accuracy |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    if told["start"] is not None:
        lines.append(f"| public start | – | – | – | – | – | {_percent(told['start'])} | – | – |")
    for row in told["rows"]:
        epsilon = "none" if row["epsilon"] is None else f"{row['epsilon']:.2f}"
        kept = "–" if row["kept"] is None else _percent(row["kept"])
        lines.append(
            f"| {row['name']} | {len(row['seeds'])} | {epsilon} | {row['trainable']} | {row['batch_size']} "
            f"| {row['learning_rate']:g} | {_percent(row['miou'])} | {kept} | {100 * row['pixel_accuracy']:.1f} |"
        )
    return "\n".join(lines)


def _percent(three: list[float]) -> str:
    value, low, high = (100 * number for number in three)
    return f"{value:.1f} ({low:.1f} … {high:.1f})"


def main(recipe: Path, folder: Path) -> None:
    """Measure nothing; read, keep and print."""
    told = told_of(*finished(read_compare_settings(recipe), folder), folder)
    told["data"] = tomllib.loads(recipe.read_text(encoding="utf-8"))["data"]
    (RESULTS / f"{recipe.stem}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(as_text(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
