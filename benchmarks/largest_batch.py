"""The largest physical batch that fits into so much memory, private beside plain.

    python benchmarks/largest_batch.py [--model m2fp-lite] [--size 256] [--bound-mib 2048]
    python benchmarks/largest_batch.py --table      # prints what was measured, as in EXPERIMENTS.md

What fits: two steps in a process of its own whose high-water mark stays below the bound, everything counted. Each row
is written when it is measured, in place of an earlier one of the same network, size and bound.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from step_cost import TooLargeError, peak_mib

RESULT = Path(__file__).parent / "results" / "largest_batch.json"
KINDS = ("plain", "flat", "per_layer", "checkpointed")


def largest(fits: Callable[[int], bool]) -> int:
    """The largest number that fits, where all smaller ones do; 0 if one is too many."""
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def fits(kind: str, name: str, size_px: int, bound_mib: int, batch_size: int) -> bool:
    """Whether steps of a kind stay below the bound."""
    try:
        taken_mib = peak_mib(kind, name, size_px, batch_size)
    except TooLargeError:
        return False
    print(f"{name}, {size_px} px, {kind}, {batch_size} pictures: {taken_mib:.0f} MiB", flush=True)
    return taken_mib <= bound_mib


def measure(name: str, size_px: int, bound_mib: int) -> dict[str, Any]:
    """The largest batch of each kind of step."""
    found: dict[str, Any] = {"model": name, "size_px": size_px, "bound_mib": bound_mib}
    return found | {kind: largest(partial(fits, kind, name, size_px, bound_mib)) for kind in KINDS}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown, a row a network, size and bound."""
    lines = []
    for row in results:
        cells = [f"{row['model']}, {row['size_px']}, {row['bound_mib'] / 1024:g} GiB"]
        cells += [
            str(row[kind]) if kind == "plain" else f"{row[kind]} ({row[kind] / row['plain']:.2f}×)" for kind in KINDS
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="m2fp-lite")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--bound-mib", type=int, default=2048)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = json.loads(RESULT.read_text()) if RESULT.exists() else []
    if not arguments.table:
        key = {"model": arguments.model, "size_px": arguments.size, "bound_mib": arguments.bound_mib}
        found = measure(arguments.model, arguments.size, arguments.bound_mib)
        results = [row for row in results if not key.items() <= row.items()] + [found]
        results.sort(key=lambda row: (len(row["model"]), row["model"], row["size_px"], row["bound_mib"]))
        RESULT.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
