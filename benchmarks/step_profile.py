"""Where the time of a clipped step goes, by kind of layer, beside what a plain step pays for its weight gradients.

    python benchmarks/step_profile.py [--model m2fp-lite] [--size 256] [--batches 2 4 8] [--rounds 20]
    python benchmarks/step_profile.py --table [--style per_layer]   # prints what was measured, as in EXPERIMENTS.md

Each column is written when it is measured, in place of an earlier one of the same network, size and batch.
Milliseconds, each the least of all rounds: what other work on the machine adds is left out. Kinds of steps take turns.
Rows are sums over the layers of one step, without what is called from them and has a row of its own. "No weights" is
a plain step in which only gradients of activations are computed; what is above it is the price of weight gradients,
once summed (plain) and once by picture (the clipper).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import step_cost
import torch
from torch import nn

from discreet.m2fp import M2FP, build
from discreet.privacy import Clipper
from discreet.privacy.clipping import batch
from discreet.privacy.clipping.clipper import ClippingStyle

RESULT = Path(__file__).parent / "results" / "step_profile.json"
STYLES: dict[ClippingStyle, str] = {"flat": "flat", "per_layer": "per layer"}


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
        self._inner_ms = [0.0]

    def wrap(self, owner: Any, method: str, name: Callable[..., str]) -> None:
        """Replace a method of an object by one that is timed, under a name that its arguments give."""
        inner = getattr(owner, method)

        def timed(*arguments: Any) -> Any:
            self._inner_ms.append(0.0)
            started = time.perf_counter()
            found = inner(*arguments)
            taken_ms, called = 1000 * (time.perf_counter() - started), name(*arguments)
            self.ms[called] += taken_ms - self._inner_ms.pop()
            self._inner_ms[-1] += taken_ms
            self.calls[called] += 1
            return found

        setattr(owner, method, timed)


def watched_seconds(model: M2FP, losses: Callable[[], torch.Tensor], style: ClippingStyle) -> tuple[float, Stopwatch]:
    """Of one clipped step, and where they went."""
    watch = Stopwatch()
    with Clipper(model, 1.0, style) as clipper, patch.object(batch, "_squared_norms", batch._squared_norms):  # pyright: ignore[reportPrivateUsage]
        watch.wrap(batch, "_squared_norms", lambda *_: "norms and sums")
        taps = clipper._taps  # pyright: ignore[reportPrivateUsage]
        for method in ("_mute", "_unmute", "_record"):
            watch.wrap(taps, method, lambda *_: "listening")
        watch.wrap(taps, "_listener", lambda _, layer, *__: kind_of(layer))
        for method in ("_add_clipped", "_merge"):
            watch.wrap(clipper, method, lambda *_: "norms and sums")
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
    watches: dict[ClippingStyle, list[Stopwatch]] = {style: [] for style in STYLES}
    for _ in range(rounds + 1):  # the first warms up
        row = {"plain": step_cost.plain_seconds(model, losses), "no weights": without_weights()}
        for style, title in STYLES.items():
            row[title] = step_cost.private_seconds(model, losses, style)
            row[f"{title}, watched"], watch = watched_seconds(model, losses, style)
            watches[style].append(watch)
        rows.append(row)
    return {
        "model": name,
        "size_px": size_px,
        "batch": batch_size,
        "steps_ms": {kind: 1000 * min(row[kind] for row in rows[1:]) for kind in rows[0]},
        "parts_ms": {
            style: {part: min(watch.ms[part] for watch in some[1:]) for part in some[0].ms}
            for style, some in watches.items()
        },
        "calls": {style: dict(some[0].calls) for style, some in watches.items()},
    }


def table(results: list[dict[str, Any]], style: str) -> str:
    """Markdown: a row a kind of step and a part of that style's, a column a network, size and batch."""

    def row(title: str, cells: list[str]) -> str:
        return f"| {' | '.join([title, *cells])} |"

    first, calls = results[0]["parts_ms"][style], {}
    for found in results:
        calls |= found["calls"][style]
    parts = sorted(calls, key=lambda part: -first.get(part, 0.0))
    lines = [row("ms", [f"{found['model']}, {found['size_px']}, {found['batch']}" for found in results])]
    lines.append("|---" * (len(results) + 1) + "|")
    for kind in results[0]["steps_ms"]:
        plain = [found["steps_ms"]["plain"] for found in results]
        taken = [found["steps_ms"][kind] for found in results]
        cells = [f"{ms:.0f} ({ms / beside:.2f}×)" for ms, beside in zip(taken, plain, strict=True)]
        lines.append(row(f"a step: {kind}", cells))
    for part in parts:
        told = [found["parts_ms"][style].get(part) for found in results]
        lines.append(row(f"{part} ({calls[part]})", ["–" if ms is None else f"{ms:.1f}" for ms in told]))
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="m2fp-lite")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--style", choices=list(STYLES), default="flat", help="of the table's parts")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    results: list[dict[str, Any]] = json.loads(RESULT.read_text()) if RESULT.exists() else []
    for batch_size in [] if arguments.table else arguments.batches:
        key = {"model": arguments.model, "size_px": arguments.size, "batch": batch_size}
        results = [row for row in results if not key.items() <= row.items()]
        results.append(profile(arguments.model, arguments.size, batch_size, arguments.rounds))
        RESULT.write_text(json.dumps(results, indent=1) + "\n")
    print(
        table(
            sorted(results, key=lambda row: (row["model"] != "m2fp-lite", len(row["model"]), *step_cost.order(row))),
            arguments.style,
        )
    )


if __name__ == "__main__":
    main()
