"""How fast people are made, and in how much memory.

    python benchmarks/people_speed.py [--count 200] [--size 256]

Prints pictures a second with one worker and with two (starting them included, and left out), CPU seconds a picture
of each style, and the memory of one process after the first pictures and after the last.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from discreet.data.people import STYLES, generate_people, render_picture

WARM_UP = 20


def rate(count: int, size_px: int, workers: int) -> dict[str, float]:
    """Pictures a second, `count` of each style."""
    ticks: dict[str, list[float]] = {style: [] for style in STYLES}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for style in STYLES:
            generate_people(
                Path(folder) / style, style=style, count=count, size_px=size_px, seed=1, workers=workers,
                progress=lambda n, of_style=ticks[style]: of_style.append(time.perf_counter()),
            )  # fmt: skip
    running = sum(of_style[-1] - of_style[0] for of_style in ticks.values())
    return {
        "with_start": round(len(STYLES) * count / (time.perf_counter() - began), 2),
        "running": round(len(STYLES) * (count - 1) / running, 2),
    }


def cpu_seconds(style: str, count: int, size_px: int) -> float:
    """Of one picture, on average."""
    began = time.process_time()
    for index in range(count):
        render_picture(style, 1, index, size_px)
    return round((time.process_time() - began) / count, 3)


def memory_mb() -> float:
    """The most this process has held so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="pictures for each figure, shared out among the styles")
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    count, size_px = -(-arguments.count // len(STYLES)), arguments.size
    for style in STYLES:
        cpu_seconds(style, -(-WARM_UP // len(STYLES)), size_px)
    first = memory_mb()
    seconds = {style: cpu_seconds(style, count, size_px) for style in STYLES}
    found = {
        "count": count * len(STYLES),
        "size_px": size_px,
        "cpu_seconds": seconds,
        "memory_mb": {"after_first": first, "after_last": memory_mb()},
        "pictures_a_second": {workers: rate(count, size_px, workers) for workers in (1, 2)},
    }
    print(json.dumps(found, indent=1))
    (Path(__file__).parent / "results" / "people_speed.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
