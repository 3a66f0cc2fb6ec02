"""The share of a private training step spent waiting for pictures, read when asked and read ahead.

    python benchmarks/read_speed.py [--size 192] [--batch 8] [--rounds 6] [--threads 2]

m2fp-lite, 500×375 JPEGs made here, full augmentation. One step each way, in one
process; the first micro-batch, which nothing could hide, is not counted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from discreet.data import open_spec
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import M2FP, build, criterion
from discreet.privacy import Clipper
from discreet.training.batches import NUM_THREADS, BatchLoader
from discreet.training.units import units_of

RESULTS = Path(__file__).parent / "results"
NUM_PICTURES = 64
CIHP_PARTS = 20


def make_pictures(folder: Path) -> None:
    """Pictures that compress like photographs: smooth shapes with some noise."""
    rng = np.random.default_rng(0)
    for kind in ("images", "parts"):
        (folder / kind).mkdir()
    for index in range(NUM_PICTURES):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((500, 375))
        noisy = np.array(coarse, np.int16) + rng.normal(0, 6, (375, 500, 1))
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / f"images/{index:03d}.jpg", quality=90)
        blocks = rng.integers(0, CIHP_PARTS, (6, 8), dtype=np.uint8)
        Image.fromarray(blocks).resize((500, 375), 0).save(folder / f"parts/{index:03d}.png")
    (folder / "labels.json").write_text('"cihp"')


def step(model: M2FP, loader: BatchLoader, number: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """Seconds of a step after its first micro-batch, and how many of them it waited."""
    units = [
        list(range(start, start + arguments.batch))
        for start in range(0, arguments.batch * (arguments.rounds + 1), arguments.batch)
    ]
    units = [[unit % NUM_PICTURES for unit in some] for some in units]
    waited, started = 0.0, time.perf_counter()
    with Clipper(model, 1.0, "flat") as clipper:
        for index, some in enumerate(units):
            if index == 1:
                waited, started = 0.0, time.perf_counter()
            before = time.perf_counter()
            batch = loader.load(some, number)
            waited += time.perf_counter() - before
            if index + 1 < len(units):
                loader.expect(units[index + 1], number)
            assert batch is not None
            clipper.accumulate(
                criterion(model(batch.images), batch.targets, batch.generators, model.criterion_settings)
            )
        clipper.take()
    return time.perf_counter() - started, waited


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    found: dict[str, object] = vars(arguments).copy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder)
        source = open_spec(f"folder:{folder}")
        model = build("m2fp-lite", CIHP_PARTS + 1, seed=0).train()
        settings = AugmentSettings.of_strength("full", (arguments.size, arguments.size))
        for kind, num_threads in (("when_asked", 0), ("ahead", NUM_THREADS)):
            loader = BatchLoader(source, units_of(source, "image"), settings, model, seed=0, num_threads=num_threads)
            seconds, waited = step(model, loader, 0, arguments)
            loader.close()
            found[kind] = {"step_s": seconds, "waited_s": waited, "waited_share": waited / seconds}
    print(json.dumps(found, indent=1))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "read_speed.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
