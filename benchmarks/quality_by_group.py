"""Is everybody parsed alike? Shipped weights on generated people, by age, sex and skin.

    python benchmarks/quality_by_group.py [--count 600] [--models m2fp-lite m2fp-lite-imagenet]
    python benchmarks/quality_by_group.py --table        # what was measured, as in docs/people.md

A picture belongs to the group of its main person, whose age, sex and skin the generator knows; everybody in it
counts. Prints mIoU with 95 % intervals, and how well persons are told apart, and writes results/quality_by_group.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import discreet
from discreet.data import open_spec
from discreet.data.joined import Joined
from discreet.data.people import generate_people
from discreet.data.people.data_set import GENERATOR_VERSION
from discreet.data.people.generate import main_subject
from discreet.data.people.identity import Identity
from discreet.data.people.styles import find_style
from discreet.data.subset import Subset
from discreet.training.evaluation import evaluate

RESULTS = Path(__file__).parent / "results" / "quality_by_group.json"
STYLES = ("street", "home", "store", "studio")
GROUPS = ("everybody", "3 to 11 years", "12 to 17", "18 to 59", "60 to 90", "women", "men")
GROUPS += ("dark skin", "skin between", "light skin")
SEED, SIZE_PX = 141, 224
PERSONS = {"human_ap50": "outlines (Human AP50)", "app50": "with their parts (APp50)", "pcp50": "their parts (PCP50)"}
DARK, LIGHT = 0.36, 0.62  # mean of the skin's colour, 0 to 1


def groups_of(identity: Identity) -> list[str]:
    """The groups by age, by sex (as dressed; grown people alone), and by skin."""
    years, brightness = identity.years, float(np.mean(identity.skin))
    found = ["3 to 11 years" if years < 12 else "12 to 17" if years < 18 else "18 to 59" if years < 60 else "60 to 90"]
    if years >= 18:
        found.append("women" if identity.feminine else "men")
    return [*found, "dark skin" if brightness < DARK else "light skin" if brightness > LIGHT else "skin between"]


def measure(models: list[str], count: int) -> dict[str, Any]:
    """All groups of all models."""
    a_style = count // len(STYLES)
    members: dict[str, list[int]] = {group: [] for group in GROUPS}
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for number, style in enumerate(STYLES):
            out = Path(folder) / style
            generate_people(out, style=style, count=a_style, size_px=SIZE_PX, seed=SEED, workers=2)
            sources.append(open_spec(f"people:{out}"))
            for index in range(a_style):
                for group in ["everybody", *groups_of(main_subject(find_style(style), SEED, index))]:
                    members[group].append(number * a_style + index)
        pictures, found = Joined(sources), {}
        for name in models:
            parser = discreet.load(name)
            found[name] = {}
            for group, indices in members.items():
                metrics = evaluate(parser, Subset(pictures, indices))
                found[name][group] = {"miou": metrics.miou, "miou_interval": metrics.miou_interval}
                found[name][group] |= {key: value for key, value in metrics.to_json().items() if key in PERSONS}
                print(f"{name}, {group}: {metrics.miou}", flush=True)
    sizes = {group: len(indices) for group, indices in members.items()}
    return {"generator": GENERATOR_VERSION, "size_px": SIZE_PX, "pictures": sizes, "models": found}


def table(results: dict[str, Any]) -> str:
    """Rows of docs/people.md."""
    models = list(results["models"])
    lines = [f"| main person | pictures | {' | '.join(models)} |", f"|---|---|{'---|' * len(models)}"]
    for group, size in results["pictures"].items():
        cells = []
        for name in models:
            row = results["models"][name][group]
            low, high = row["miou_interval"]
            cells.append(f"{100 * row['miou']:.1f} ({100 * low:.1f} … {100 * high:.1f})")
        lines.append(f"| {group} | {size} | {' | '.join(cells)} |")
    lines += ["", f"| persons, everybody | {' | '.join(models)} |", f"|---|{'---|' * len(models)}"]
    for key, what in PERSONS.items():
        cells = [f"{results['models'][name]['everybody'][key]:.2f}" for name in models]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and write down, or print what was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=600, help="pictures, a multiple of four")
    parser.add_argument("--models", nargs="+", default=["m2fp-lite", "m2fp-lite-imagenet"])
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if not arguments.table:
        RESULTS.write_text(json.dumps(measure(arguments.models, arguments.count), indent=1) + "\n")
    print(table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
