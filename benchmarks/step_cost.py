"""Time and peak memory of a private step against a plain one, as ratios in one run.

    python benchmarks/step_cost.py              # the whole grid, hours
    python benchmarks/step_cost.py --models m2fp-lite m2fp-r50 [--sizes 256 512] [--batches 2 8] [--rounds 5]
    python benchmarks/step_cost.py --table      # prints what was measured, as in EXPERIMENTS.md

Each row is written when it is measured; one that stands in the results already is measured anew only with `--again`.

Also: noise and sampling as a share of a step of 256 expected pictures (all parameters; for the rest, a plain step's
time), and the memory of a batch of eight micro-batches, clipped ("logical") and ordinary ("accumulated"): both hold
one sum of gradients meanwhile, which a single plain step does not.

"checkpointed" is flat clipping with activation checkpointing; "one by one" is flat clipping of the same pictures in
micro-batches of one; "views" takes them for views of one sample, clipped together. Times are paired: plain, private,
plain, private, … in one process, and the ratio is taken pair by pair; pictures are laid out in memory as the network is
fastest. "Apart" is m2fp-lite with a picture's channels apart, also against the plain step as it is fastest. Peak memory
is the high-water mark of a process of its own for each kind, less that of a process that only builds the model.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from discreet.m2fp import M2FP, build, criterion, make_targets, set_activation_checkpointing
from discreet.privacy import Clipper, PrivacyPlan
from discreet.privacy.clipping.clipper import ClippingStyle
from discreet.privacy.keys import RunKey
from discreet.training.batches import probe_picture
from discreet.training.gradients import PrivateGradients

NUM_PARTS = 20
EXPECTED_BATCH = 256
ONE_BY_ONE_UP_TO = 8
RESULT = Path(__file__).parent / "results" / "step_cost.json"
# What `make bench` measures: where a plain step fits, and takes less than half a minute.
GRID = [(name, 256, batch) for name in ("m2fp-lite", "m2fp-r50", "m2fp-r101") for batch in (1, 2, 4, 8, 16)]
GRID += [("m2fp-lite", 256, 32), *(("m2fp-lite", 512, batch) for batch in (1, 2, 4, 8, 16))]
GRID += [(name, 512, batch) for name in ("m2fp-r50", "m2fp-r101") for batch in (1, 2, 4)]
MEMORY_KINDS = ("flat", "logical", "accumulated", "per_layer", "checkpointed")
_TOO_LARGE, _KEPT_FREE_MIB = 3, 1024


def make_losses(
    model: M2FP, size_px: int, batch_size: int, *, first: int = 0, apart: bool = False
) -> Callable[[], torch.Tensor]:
    """A function that brings one fixed batch through the model and the criterion; with channels apart in memory, or as
    the network has them."""
    pictures = [probe_picture(index, size_px, NUM_PARTS) for index in range(first, first + batch_size)]
    images = model.batch([model.normalise(image) for image, _ in pictures])
    images = images.contiguous() if apart else images
    targets = [make_targets(parts, None, num_parts=NUM_PARTS, human=True) for _, parts in pictures]

    def losses() -> torch.Tensor:
        generators = [torch.Generator().manual_seed(index) for index in range(batch_size)]
        return criterion(model(images), targets, generators)

    return losses


def plain_step(model: M2FP, losses: Callable[[], torch.Tensor]) -> None:
    """Forward, loss, backward."""
    losses().mean().backward()
    model.zero_grad(set_to_none=True)


def accumulated_step(model: M2FP, losses: Callable[[], torch.Tensor]) -> None:
    """Eight ordinary micro-batches, added up."""
    for _ in range(8):
        losses().mean().backward()


def private_step(clipper: Clipper, losses: Callable[[], torch.Tensor]) -> None:
    """Forward, loss, backward, per-sample norms, clipped sum; noise is timed apart."""
    clipper.accumulate(losses())
    clipper.take()


def one_by_one_step(clipper: Clipper, losses_of: Sequence[Callable[[], torch.Tensor]]) -> None:
    """A private step in micro-batches of one."""
    for losses in losses_of:
        clipper.accumulate(losses())
    clipper.take()


def views_step(clipper: Clipper, losses: Callable[[], torch.Tensor]) -> None:
    """A private step whose pictures are views of one sample."""
    clipper.accumulate(losses().mean()[None])
    clipper.take()


def logical_step(clipper: Clipper, losses: Callable[[], torch.Tensor]) -> None:
    """A batch of eight micro-batches before anything is released."""
    for _ in range(8):
        clipper.accumulate(losses())
    clipper.take()


def release_share(model: M2FP, plain_s_a_picture: float) -> dict[str, float]:
    """Seconds of noise and of sampling, and their share of a plain step of the expected batch."""
    plan = PrivacyPlan.for_noise(
        noise_multiplier=1.0, num_samples=20_000, expected_batch_size=EXPECTED_BATCH, num_steps=100, delta=1e-6
    )
    gradients = PrivateGradients(model, plan, RunKey.for_tests(0))
    sampling_s = statistics.median(seconds(lambda: gradients.units(0)) for _ in range(3))
    noise_s = statistics.median(seconds(lambda: gradients.finish(0)) for _ in range(3))
    gradients.close()
    share = (sampling_s + noise_s) / (sampling_s + noise_s + EXPECTED_BATCH * plain_s_a_picture)
    return {"sampling_s": sampling_s, "noise_s": noise_s, "release_share_of_256": share}


def seconds(step: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def plain_seconds(model: M2FP, losses: Callable[[], torch.Tensor]) -> float:
    """Of one plain step."""
    return seconds(lambda: plain_step(model, losses))


def private_seconds(
    model: M2FP, losses: Callable[[], torch.Tensor], style: ClippingStyle, *, checkpointed: bool = False
) -> float:
    """Of one private step. A run attaches its clipper once, so that is not part of it."""
    set_activation_checkpointing(model, checkpointed)
    with Clipper(model, 1.0, style) as clipper:
        found = seconds(lambda: private_step(clipper, losses))
    set_activation_checkpointing(model, False)
    return found


def views_seconds(model: M2FP, losses: Callable[[], torch.Tensor], num_views: int) -> float:
    """Of one private step with one sample."""
    with Clipper(model, 1.0, views=num_views) as clipper:
        return seconds(lambda: views_step(clipper, losses))


def one_by_one_seconds(model: M2FP, losses_of: Sequence[Callable[[], torch.Tensor]]) -> float:
    """Of one private step in micro-batches of one."""
    with Clipper(model, 1.0) as clipper:
        return seconds(lambda: one_by_one_step(clipper, losses_of))


def time_ratios(name: str, size_px: int, batch_size: int, rounds: int, without: Sequence[str]) -> dict[str, object]:
    """Median seconds and paired ratios of each kind of step, but of those without."""
    model = build(name, NUM_PARTS + 1, seed=0).train()
    losses = make_losses(model, size_px, batch_size)
    apart = make_losses(model, size_px, batch_size, apart=True)
    steps: dict[str, Callable[[], float]] = {
        "plain": lambda: plain_seconds(model, losses),
        "flat": lambda: private_seconds(model, losses, "flat"),
        "per_layer": lambda: private_seconds(model, losses, "per_layer"),
        "checkpointed": lambda: private_seconds(model, losses, "flat", checkpointed=True),
        "views": lambda: views_seconds(model, losses, batch_size),
    }
    if 1 < batch_size <= ONE_BY_ONE_UP_TO:
        singles = [make_losses(model, size_px, 1, first=index) for index in range(batch_size)]
        steps["one_by_one"] = lambda: one_by_one_seconds(model, singles)
    if model.shape.is_lite:
        steps |= {
            "plain_apart": lambda: plain_seconds(model, apart),
            "flat_apart": lambda: private_seconds(model, apart, "flat"),
        }
    steps = {kind: step for kind, step in steps.items() if kind not in without}
    for step in steps.values():
        step()
    rows = [{kind: step() for kind, step in steps.items()} for _ in range(rounds)]
    found: dict[str, Any] = {"plain_s": statistics.median(row["plain"] for row in rows)}
    for kind in ("flat", "per_layer", "checkpointed", "views", "one_by_one"):
        if kind not in steps:
            continue
        ratios = [row[kind] / row["plain"] for row in rows]
        found[f"{kind}_time_ratio"] = statistics.median(ratios)
        found[f"{kind}_time_ratio_range"] = [min(ratios), max(ratios)]
    for kind in ("plain_apart", "flat_apart"):
        if kind in steps:
            found[f"{kind}_time_ratio"] = statistics.median(row[kind] / row["plain"] for row in rows)
    return found | release_share(model, found["plain_s"] / batch_size)


def _peak(kind: str, name: str, size_px: int, batch_size: int, answer: multiprocessing.SimpleQueue[float]) -> None:
    """Peak resident MiB of this fresh process after two steps of a kind."""
    torch.set_num_threads(2)
    room = (free_mib() - _KEPT_FREE_MIB) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (room, room))  # an error, before the kernel kills whom it likes
    try:
        _steps_of(kind, name, size_px, batch_size)
    except (MemoryError, RuntimeError) as problem:
        if "memory" not in str(problem).lower():
            raise
        sys.exit(_TOO_LARGE)
    # Not getrusage: its high-water mark is handed on from the parent process.
    status = Path("/proc/self/status").read_text()
    answer.put(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def _steps_of(kind: str, name: str, size_px: int, batch_size: int) -> None:
    """Two steps of a kind, or one that is eight already."""
    model = build(name, NUM_PARTS + 1, seed=0).train()
    losses = make_losses(model, size_px, batch_size)
    for _ in range(1 if kind in ("logical", "accumulated") else 2):  # these are eight already
        if kind == "plain":
            plain_step(model, losses)
        elif kind == "accumulated":
            accumulated_step(model, losses)
        elif kind != "built":
            set_activation_checkpointing(model, kind == "checkpointed")
            with Clipper(model, 1.0, "per_layer" if kind == "per_layer" else "flat") as clipper:
                (logical_step if kind == "logical" else private_step)(clipper, losses)


class TooLargeError(Exception):
    """A step needs more memory than there is."""


def peak_mib(kind: str, name: str, size_px: int, batch_size: int) -> float:
    """`_peak` in a process of its own.

    Raises:
        TooLargeError: it needs more than is free now.
    """
    context = multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=_peak, args=(kind, name, size_px, batch_size, answer))
    process.start()
    process.join()
    if process.exitcode == _TOO_LARGE:
        raise TooLargeError(kind)
    if process.exitcode != 0:
        raise SystemExit(f"measuring {kind} of {name} failed")
    return answer.get()


def memory_ratios(name: str, size_px: int, batch_size: int, without: Sequence[str]) -> dict[str, object]:
    """MiB of a plain step, and of each kind as a multiple of that, but of those without; or which kind does not fit."""
    base = peak_mib("built", name, size_px, batch_size)
    try:
        plain = peak_mib("plain", name, size_px, batch_size) - base
        kinds = [kind for kind in MEMORY_KINDS if kind not in without]
        ratios = {kind: (peak_mib(kind, name, size_px, batch_size) - base) / plain for kind in kinds}
    except TooLargeError as problem:
        return {"does_not_fit": str(problem), "free_mib": free_mib()}
    return {"plain_step_mib": plain, **{f"{kind}_memory_ratio": ratio for kind, ratio in ratios.items()}}


def free_mib() -> int:
    """What this machine could still give a process."""
    return int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) // 1024


def processor() -> str:
    """As the machine names it."""
    return Path("/proc/cpuinfo").read_text().split("model name")[1].split("\n")[0].strip(" \t:")


def table(results: list[dict[str, Any]]) -> str:
    """Markdown, a row a network, size and batch."""
    lines = []
    for row in sorted(results, key=lambda row: (row["model"] != "m2fp-lite", len(row["model"]), *order(row))):
        if "does_not_fit" in row:
            where, free_gib = f"{row['model']}, {row['size_px']}, {row['batch']}", row["free_mib"] / 1024
            lines.append(f"| {where} | {row['does_not_fit']}: more than the {free_gib:.0f} GiB that were free |")
            continue
        low, high = row["flat_time_ratio_range"]
        times = [f"{row['flat_time_ratio']:.2f}× ({low:.2f} … {high:.2f})"]
        others = ("per_layer", "one_by_one", "views", "checkpointed", "plain_apart", "flat_apart")
        times += [f"{row[f'{kind}_time_ratio']:.2f}×" if f"{kind}_time_ratio" in row else "–" for kind in others]
        kinds = ("flat", "per_layer", "checkpointed", "logical", "accumulated")
        memory = [f"{row[f'{kind}_memory_ratio']:.2f}×" if f"{kind}_memory_ratio" in row else "–" for kind in kinds]
        cells = [f"{row['model']}, {row['size_px']}, {row['batch']}", f"{row['plain_s']:.2f} s", *times, *memory]
        lines.append(f"| {' | '.join(cells)} | {100 * row['release_share_of_256']:.1f} % |")
    return "\n".join(lines)


def is_memory(key: str) -> bool:
    """Is this figure of a row one of memory?"""
    return "memory" in key or key == "plain_step_mib"


def order(row: dict[str, Any]) -> tuple[str, int, int]:
    """By network, size and batch."""
    return row["model"], row["size_px"], row["batch"]


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", help="with sizes and batches, in place of the whole grid")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256])
    parser.add_argument("--batches", type=int, nargs="+", default=[4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", nargs="+", default=[], metavar="KIND", help="kinds of step left out")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--times", action="store_true", help="with --again: memory stays as it was measured")
    parser.add_argument("--memory", action="store_true", help="with --again: times stay as they were measured")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    results: list[dict[str, Any]] = json.loads(RESULT.read_text()) if RESULT.exists() else []
    if arguments.table:
        print(table(results))
        return
    chosen = arguments.models and itertools.product(arguments.models, arguments.sizes, arguments.batches)
    for name, size_px, batch_size in chosen or GRID:
        known = [row for row in results if (row["model"], row["size_px"], row["batch"]) == (name, size_px, batch_size)]
        if known and not arguments.again:
            continue
        found: dict[str, Any] = {"model": name, "size_px": size_px, "batch": batch_size, "threads": 2}
        found |= {"torch": torch.__version__, "processor": processor()}
        kept = known[0] if known else {}
        if kept and arguments.times:
            found |= {key: value for key, value in kept.items() if is_memory(key)}
        else:
            found |= memory_ratios(name, size_px, batch_size, arguments.without)
        if kept and arguments.memory:
            found = {key: value for key, value in kept.items() if not is_memory(key)} | found
        elif "does_not_fit" not in found:
            found |= time_ratios(name, size_px, batch_size, arguments.rounds, arguments.without)
        results = [row for row in results if row not in known] + [found]
        print(json.dumps(found), flush=True)
        RESULT.write_text(json.dumps(sorted(results, key=order), indent=1) + "\n")


if __name__ == "__main__":
    main()
