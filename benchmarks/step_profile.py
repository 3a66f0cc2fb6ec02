"""Where the time of a clipped step goes, by kind of layer, beside what a plain step pays for its weight gradients.

    python benchmarks/step_profile.py [--model m2fp-lite] [--size 256] [--batches 2 4 8] [--rounds 20]
    python benchmarks/step_profile.py --table   # prints what was measured, as in EXPERIMENTS.md

Milliseconds, each the least of all rounds: what other work on the machine adds is left out. Kinds of steps take turns.
Rows are sums over the layers of one step. "No weights" is a plain step in which only gradients of activations are
computed; what is above it is the price of weight gradients, once summed (plain) and once by picture (the clipper).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import step_cost
import torch
from torch import nn

from discreet.m2fp import M2FP, build
from discreet.privacy import Clipper

RESULT = Path(__file__).parent / "results" / "step_profile.json"


def kind_of(layer: nn.Module) -> str:
    """What a reader calls a layer."""
    if not isinstance(layer, nn.Conv2d):
        return type(layer).__name__
    if layer.kernel_size == (1, 1):
        return "Conv2d, pointwise"
    across = "depthwise" if layer.groups == layer.in_channels else "dense"
    return f"Conv2d, {across}, {layer.kernel_size[0]} × {layer.kernel_size[1]}"


class Stopwatch:
    """Adds up milliseconds of what it wraps, by name."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()

    def wrap(self, owner: Any, method: str, name: Callable[..., str]) -> None:
        """Replace a method of an object by one that is timed, under a name that its arguments give."""
        inner = getattr(owner, method)

        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            found = inner(*arguments)
            taken, called = time.perf_counter() - started, name(*arguments)
            self.ms[called] += 1000 * taken
            self.calls[called] += 1
            return found

        setattr(owner, method, timed)


def watched_seconds(model: M2FP, losses: Callable[[], torch.Tensor]) -> tuple[float, Stopwatch]:
    """Of one flat step, and where they went."""
    watch = Stopwatch()
    with Clipper(model, 1.0) as clipper:
        taps = clipper._taps  # pyright: ignore[reportPrivateUsage]
        for method in ("_mute", "_unmute", "_record"):
            watch.wrap(taps, method, lambda *_: "listening")
        watch.wrap(taps, "_listener", lambda _, layer, *__: kind_of(layer))
        watch.wrap(clipper, "_add_clipped", lambda *_: "norms and sums")
        return step_cost.seconds(lambda: step_cost.private_step(clipper, losses)), watch


def profile(name: str, size_px: int, batch_size: int, rounds: int) -> dict[str, Any]:
    """The fastest step of each kind, and the least that each part of a flat one took."""
    model = build(name, step_cost.NUM_PARTS + 1, seed=0).train()
    losses = step_cost.make_losses(model, size_px, batch_size)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def without_weights() -> float:
        for parameter in trained:
            parameter.requires_grad_(False)
        hook = model.register_forward_pre_hook(lambda _, images: (images[0].requires_grad_(),))
        found = step_cost.plain_seconds(model, losses)
        hook.remove()
        for parameter in trained:
            parameter.requires_grad_(True)
        return found

    rows: list[dict[str, float]] = []
    watches: list[Stopwatch] = []
    for _ in range(rounds + 1):  # the first warms up
        watched_s, watch = watched_seconds(model, losses)
        watches.append(watch)
        rows.append(
            {
                "plain": step_cost.plain_seconds(model, losses),
                "no weights": without_weights(),
                "flat": step_cost.private_seconds(model, losses, "flat"),
                "per layer": step_cost.private_seconds(model, losses, "per_layer"),
                "flat, watched": watched_s,
            }
        )
    steps = {kind: 1000 * min(row[kind] for row in rows[1:]) for kind in rows[0]}
    parts = {part: min(watch.ms[part] for watch in watches[1:]) for part in watches[0].ms}
    found = {"model": name, "size_px": size_px, "batch": batch_size, "steps_ms": steps}
    return found | {"parts_ms": parts, "calls": dict(watches[0].calls)}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: a row a kind of step and a part, a column a network, size and batch."""

    def row(title: str, cells: list[str]) -> str:
        return f"| {' | '.join([title, *cells])} |"

    parts = sorted(results[0]["parts_ms"], key=lambda part: -results[0]["parts_ms"][part])
    lines = [row("ms", [f"{found['model']}, {found['size_px']}, {found['batch']}" for found in results])]
    lines.append("|---" * (len(results) + 1) + "|")
    for kind in results[0]["steps_ms"]:
        plain = [found["steps_ms"]["plain"] for found in results]
        taken = [found["steps_ms"][kind] for found in results]
        cells = [f"{ms:.0f} ({ms / beside:.2f}×)" for ms, beside in zip(taken, plain, strict=True)]
        lines.append(row(f"a step: {kind}", cells))
    for part in parts:
        cells = [f"{found['parts_ms'][part]:.1f}" if part in found["parts_ms"] else "–" for found in results]
        lines.append(row(f"{part} ({results[0]['calls'][part]})", cells))
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="m2fp-lite")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if not arguments.table:
        results = [profile(arguments.model, arguments.size, batch, arguments.rounds) for batch in arguments.batches]
        RESULT.write_text(json.dumps(results, indent=1) + "\n")
    print(table(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
