"""Time and peak memory of a private step against a plain one on an accelerator, as ratios in one run.

    python benchmarks/accelerator_cost.py [--models …] [--sizes …] [--batches …] [--rounds 5] [--out RESULT.json]

Kinds of step take turns, each waited for; ratios are taken pair by pair. Peak memory is the most that PyTorch held of
the device, weights included. Ten minutes on one H100 or H200 are plenty for all rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from discreet.m2fp import M2FP, build, make_targets
from discreet.privacy import Clipper
from discreet.training.batches import Batch, probe_picture
from discreet.training.devices import Precision
from discreet.training.loop import picture_losses

NUM_PARTS = 20
KINDS = ("plain", "flat", "per_layer")
RESULT = Path(__file__).parent / "results" / "accelerator_cost.json"


def make_step(model: M2FP, size_px: int, batch_size: int, precision: Precision) -> Callable[[str], None]:
    """A function that takes one step of a kind on one fixed batch that lies on the device."""
    device = next(model.parameters()).device
    pictures = [probe_picture(index % 8, size_px, NUM_PARTS) for index in range(batch_size)]
    images = model.batch_of([image for image, _ in pictures], device)
    targets = [make_targets(parts, None, num_parts=NUM_PARTS, human=True) for _, parts in pictures]
    targets = [type(t)(t.labels, t.masks.to(device), t.valid.to(device)) for t in targets]

    def losses() -> torch.Tensor:
        generators = [torch.Generator(device).manual_seed(index) for index in range(batch_size)]
        return picture_losses(model, Batch(images, targets, generators), precision)

    def step(kind: str) -> None:
        if kind == "plain":
            losses().mean().backward()
            model.zero_grad(set_to_none=True)
        else:
            with Clipper(model, 1.0, kind) as clipper:  # pyright: ignore[reportArgumentType]
                clipper.accumulate(losses())
                clipper.take()

    return step


def seconds(step: Callable[[], None]) -> float:
    """Of one call, until the device has finished it."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def measure(name: str, size_px: int, batch_size: int, precision: Precision, rounds: int) -> dict[str, Any]:
    """One row."""
    model = build(name, NUM_PARTS + 1, seed=0).train().to("cuda")
    step = make_step(model, size_px, batch_size, precision)
    peaks: dict[str, int] = {}
    for kind in KINDS:
        step(kind)  # kernels are chosen in the first call
        torch.cuda.reset_peak_memory_stats()
        step(kind)
        peaks[kind] = torch.cuda.max_memory_allocated()
    times = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            times[kind].append(seconds(lambda kind=kind: step(kind)))
    ratios = {k: statistics.median(a / b for a, b in zip(times[k], times["plain"], strict=True)) for k in KINDS[1:]}
    return {
        "model": name, "size": size_px, "batch": batch_size, "precision": precision,
        "seconds": {kind: statistics.median(taken) for kind, taken in times.items()},
        "time_ratio": ratios,
        "memory_ratio": {kind: peaks[kind] / peaks["plain"] for kind in KINDS[1:]},
        "plain_peak_mib": peaks["plain"] / 2**20,
    }  # fmt: skip


def main() -> None:
    """Measure every combination, and print and keep each row when it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["m2fp-lite", "m2fp-r50", "m2fp-r101"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512])
    parser.add_argument("--batches", nargs="+", type=int, default=[8, 32])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, size, batch, precision in itertools.product(asked.models, asked.sizes, asked.batches, asked.precisions):
        torch.cuda.empty_cache()
        try:
            row = measure(name, size, batch, precision, asked.rounds)
        except torch.OutOfMemoryError:
            row = {"model": name, "size": size, "batch": batch, "precision": precision, "failed": "out of memory"}
        rows.append(row)
        print(json.dumps(row), flush=True)
        asked.out.write_text(json.dumps({"device": torch.cuda.get_device_name(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
