"""Three ways to clip a layer's weight, timed for every layer of a network: does the clipper choose the fastest?

    python benchmarks/norm_choice.py [--models m2fp-lite m2fp-r50 m2fp-r101] [--size 256] [--batches 2 8]

"alone": the norm from two Gram matrices, then one weighted weight gradient. "kept": gradients of every sample, their
norms, and their weighted sum. "again": gradients of every sample for their norms alone, then one weighted weight
gradient. Milliseconds, each the least of five rounds in turns. The clipper's choice depends on shapes alone
(`shortcuts.prefers_norm_alone`), so that a resumed run repeats the same roundings; here it is held against the clock.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from step_cost import NUM_PARTS, make_losses, seconds
from torch import Tensor, nn

from discreet.m2fp import M2FP, build
from discreet.privacy.clipping import shortcuts
from discreet.privacy.clipping.gradients import per_sample_gradients

RESULT = Path(__file__).parent / "results" / "norm_choice.json"
ROUNDS = 5
# Gram matrices of more positions are out of the question: seconds a layer, and gigabytes.
MOST_POSITIONS = 1024
Seen = list[tuple[str, nn.Module, Tensor, Tensor]]


def seen_by_layers(model: M2FP, size_px: int, batch_size: int) -> Seen:
    """Name, layer, input and output gradient of every call of a layer whose weight has a choice."""
    seen: Seen = []

    def listen(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        given = inputs[0].detach()
        output.register_hook(lambda gradient: seen.append((name, layer, given, gradient.detach())))

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1):
            layer.register_forward_hook(partial(listen, name))
    make_losses(model, size_px, batch_size)().sum().backward()
    return seen


def ways(layer: nn.Module, given: Tensor, told: Tensor) -> dict[str, Callable[[], object]]:
    """Each way that can be thought of, as a function of nothing."""
    scale_B = torch.full((len(given),), 0.5, dtype=torch.float64)

    def squares_of_each() -> Tensor:
        rows = per_sample_gradients(layer, given, told, ["weight"])["weight"].flatten(1)
        torch.linalg.vector_norm(rows, dim=1)
        return rows

    def alone() -> None:
        shortcuts.squared_norms(layer, given, told)
        shortcuts.weighted_sum(layer, given, told, scale_B)

    def again() -> None:
        squares_of_each()
        shortcuts.weighted_sum(layer, given, told, scale_B)

    tried = {"kept": lambda: scale_B.float() @ squares_of_each(), "again": again}
    positions = (told.shape[1:-1] if isinstance(layer, nn.Linear) else told.shape[2:]).numel()
    return tried if positions > MOST_POSITIONS else {"alone": alone, **tried}


def measure(name: str, size_px: int, batch_size: int) -> dict[str, Any]:
    """Milliseconds of all layers together: as chosen, as the clock would choose, and each way throughout."""
    model = build(name, NUM_PARTS + 1, seed=0).train()
    rows: list[dict[str, Any]] = []
    total = dict.fromkeys(("chosen", "fastest", "kept", "again"), 0.0)
    for layer_name, layer, given, told in seen_by_layers(model, size_px, batch_size):
        tried = ways(layer, given, told)
        rounds = [{way: 1000 * seconds(step) for way, step in tried.items()} for _ in range(ROUNDS + 1)][1:]
        least = {way: min(row[way] for row in rounds) for way in tried}
        chosen = "alone" if shortcuts.prefers_norm_alone(layer, given, told) else "kept"
        total["chosen"] += least[chosen]
        total["fastest"] += min(least.values())
        total["kept"] += least["kept"]
        total["again"] += least["again"]
        shapes = {"weight": list(layer.weight.shape), "output": list(told.shape)}
        rows.append({"layer": layer_name, **shapes, "chosen": chosen, **least})
    return {"model": name, "size_px": size_px, "batch": batch_size, "total_ms": total, "layers": rows}


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["m2fp-lite", "m2fp-r50", "m2fp-r101"])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 8])
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    found = [measure(name, arguments.size, batch) for name in arguments.models for batch in arguments.batches]
    print("| network, px, batch | layers, norms alone | chosen | fastest | kept | again |\n|---|---|---|---|---|---|")
    for row in found:
        alone = sum(layer["chosen"] == "alone" for layer in row["layers"])
        cells = " | ".join(f"{ms:.0f} ms" for ms in row["total_ms"].values())
        print(f"| {row['model']}, {row['size_px']}, {row['batch']} | {len(row['layers'])}, {alone} | {cells} |")
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
