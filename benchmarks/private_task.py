"""What privacy costs on one fixed task, recipe by recipe: rows of a TOML file, trained, evaluated and kept.

    python benchmarks/private_task.py recipes/private-task.toml [--rows adam plain] [--seeds 1 2 3] [--work DIR]

Each row and seed is a `discreet train` of its own, with a state folder of its own and a test key, so that anybody gets
the same numbers. Stopped at any moment, the same command goes on: finished rows are read from the results, begun ones
resume. "recovered" is (row - start) / (plain - start): the share of what ordinary training gains that privacy leaves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from discreet.data.people import generate_people

RESULTS = Path(__file__).parent / "results"
START, PLAIN = "start", "plain"


def made_pictures(wanted: dict[str, dict[str, Any]], work: Path) -> dict[str, str]:
    """SPECs of the task's pictures, by split; made where they are missing."""
    specs: dict[str, str] = {}
    for split, how in wanted.items():
        folder = work / "pictures" / "-".join(str(value) for value in how.values())
        if not (folder / "labels.json").exists():
            print(f"{how['count']} pictures of {how['style']} into {folder}", flush=True)
            generate_people(
                folder, style=how["style"], count=how["count"], size_px=how["size"], seed=how["seed"],
                face_masks=0.0, workers=2, resume=True,
            )  # fmt: skip
        specs[split] = f"people:{folder}"
    return specs


def as_toml(tree: dict[str, dict[str, Any]]) -> str:
    """Sections of plain values."""
    lines: list[str] = []
    for section, values in tree.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)


def run_toml(base: dict[str, dict[str, Any]], changes: dict[str, Any], specs: dict[str, str], seed: int) -> str:
    """RUN.toml of a row: "section.key" = value changes the base, "section" = false drops it."""
    tree = {section: dict(values) for section, values in base.items()}
    for where, value in changes.items():
        section, _, key = where.partition(".")
        if key:
            tree[section][key] = value
        else:
            del tree[section]
    tree["training"]["seed"] = seed
    return as_toml({"data": {"train": specs["train"], "evaluate": specs["val"]}, **tree})


def discreet(*words: object, state: Path) -> dict[str, Any]:
    """The command's JSON answer."""
    command = [sys.executable, "-m", "discreet", *map(str, words), "--json"]
    found = subprocess.run(
        command, env={**os.environ, "DISCREET_STATE": str(state)}, stdout=subprocess.PIPE, check=False
    )
    if found.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {found.returncode}")
    return json.loads(found.stdout)


def trained(row: str, changes: dict[str, Any], task: dict[str, Any], specs: dict[str, str], seed: int, work: Path):
    """Metrics of one row and seed, and how long it took."""
    folder = work / f"{row}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    out, state = folder / "run", folder / "state"
    toml = folder / "RUN.toml"
    toml.write_text(run_toml(task["base"], changes, specs, seed))
    words = ["--resume"] if (out / "run.json").exists() else []
    key = ["--test-key", seed] if "privacy" in tomllib.loads(toml.read_text()) else []
    started = time.monotonic()
    said = discreet("train", toml, "--out", out, *words, *key, state=state)
    return json.loads((out / "metrics.json").read_text()) | {"epsilon": said.get("epsilon")}, time.monotonic() - started


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Markdown: mIoU of each row in percent, mean and range over seeds, and what of the gain was recovered."""
    means = {row: statistics.mean(found["miou"] for found in seeds.values()) for row, seeds in results.items()}
    lines = ["| row | mIoU | recovered | seeds |", "|---|---|---|---|"]
    for row, seeds in results.items():
        found = [100 * one["miou"] for one in seeds.values()]
        share = ""
        if START in means and PLAIN in means and row not in (START, PLAIN):
            share = f"{(means[row] - means[START]) / (means[PLAIN] - means[START]):.0%}"
        lines.append(
            f"| {row} | {100 * means[row]:.1f} ({min(found):.1f} … {max(found):.1f}) | {share} | {len(found)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, and print the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path)
    parser.add_argument("--rows", nargs="+", help="some of the file's, in this order")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--work", type=Path, default=Path("runs/private-task"))
    arguments = parser.parse_args()
    task = tomllib.loads(arguments.task.read_text(encoding="utf-8"))
    rows = arguments.rows or list(task["rows"])
    specs = made_pictures(task["pictures"], arguments.work)
    kept = RESULTS / f"{arguments.task.stem}.json"
    results: dict[str, dict[str, dict[str, Any]]] = json.loads(kept.read_text()) if kept.exists() else {}
    for seed in arguments.seeds:
        for row in rows:
            if str(seed) in results.get(row, {}):
                continue
            metrics, seconds = trained(row, task["rows"][row], task, specs, seed, arguments.work)
            wanted = ("miou", "miou_interval", "pixel_accuracy", "iou", "epsilon")
            found = {key: metrics[key] for key in wanted if metrics.get(key) is not None}
            results.setdefault(row, {})[str(seed)] = found | {"minutes": round(seconds / 60, 1)}
            kept.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
            print(f"\n{table(results)}\n", flush=True)


if __name__ == "__main__":
    main()
