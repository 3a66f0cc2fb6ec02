"""The share of a private training step spent waiting for pictures, read when asked and read ahead.

    python benchmarks/read_speed.py [--size 192] [--batch 8] [--rounds 5] [--threads 2] [--repeats 4]

m2fp-lite, full augmentation, 500×375 JPEGs of four persons made here, in the layouts of a folder, CIHP and MHP-v2.
Steps of both kinds in turn, in one process, and their medians; the first micro-batch, which nothing could hide, is
not counted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from discreet.data import open_spec
from discreet.data.samples import SampleSource
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import M2FP, build, criterion
from discreet.privacy import Clipper
from discreet.training.batches import NUM_THREADS, BatchLoader
from discreet.training.units import units_of

RESULTS = Path(__file__).parent / "results"
NUM_PICTURES, NUM_PERSONS = 64, 4
WIDTH, HEIGHT = 500, 375
LAYOUTS = {"folder": "folder:{}", "cihp": "cihp:{}@train", "mhp": "mhp:{}@train"}
READERS = {"when_asked": 0, "ahead": NUM_THREADS}  # threads that read


def make_pictures(root: Path, layout: str) -> SampleSource:
    """Pictures that compress like photographs, smooth shapes with some noise, with blocks of parts in four persons."""
    rng = np.random.default_rng(0)
    persons = np.repeat(np.arange(1, NUM_PERSONS + 1, dtype=np.uint8), WIDTH // NUM_PERSONS)[None].repeat(HEIGHT, 0)
    for index in range(NUM_PICTURES):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT))
        noisy = np.array(coarse, np.int16) + rng.normal(0, 6, (HEIGHT, WIDTH, 1))
        blocks = Image.fromarray(rng.integers(1, 20, (6, 8), dtype=np.uint8)).resize((WIDTH, HEIGHT), 0)
        picture = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
        write_picture(root, layout, f"{index:03d}", picture, np.asarray(blocks), persons)
    if layout == "folder":
        (root / "labels.json").write_text('"cihp"')
    return open_spec(LAYOUTS[layout].format(root))


def write_picture(
    root: Path, layout: str, name: str, picture: Image.Image, parts: NDArray[np.uint8], persons: NDArray[np.uint8]
) -> None:
    """One picture as its data set is published."""
    maps = {
        "folder": {f"parts/{name}": parts, f"persons/{name}": persons},
        "cihp": {f"Training/Category_ids/{name}": parts, f"Training/Human_ids/{name}": persons},
        "mhp": {
            f"train/parsing_annos/{name}_{NUM_PERSONS:02d}_{person:02d}": np.where(persons == person, parts, 0)
            for person in range(1, NUM_PERSONS + 1)
        },
    }[layout]
    path = root / {"folder": "images", "cihp": "Training/Images", "mhp": "train/images"}[layout] / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=90)
    for place, ids in maps.items():
        file = root / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids.astype(np.uint8)).save(file)


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


def measure(source: SampleSource, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Seconds of a step, and the share of them that it waited, by how pictures are read."""
    model = build("m2fp-lite", len(source.label_set) + 1, seed=0).train()
    settings = AugmentSettings.of_strength("full", (arguments.size, arguments.size))
    measured: dict[str, list[tuple[float, float]]] = {kind: [] for kind in READERS}
    for _ in range(arguments.repeats):
        for kind, num_threads in READERS.items():
            loader = BatchLoader(source, units_of(source, "image"), settings, model, seed=0, num_threads=num_threads)
            measured[kind].append(step(model, loader, 0, arguments))
            loader.close()
    medians = {kind: np.median(steps, 0) for kind, steps in measured.items()}
    return {kind: {"step_s": round(s, 3), "waited_share": round(w / s, 4)} for kind, (s, w) in medians.items()}


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    found: dict[str, Any] = {**vars(arguments)}
    for layout in LAYOUTS:
        with tempfile.TemporaryDirectory() as folder:
            found[layout] = measure(make_pictures(Path(folder), layout), arguments)
        print(layout, json.dumps(found[layout]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "read_speed.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
