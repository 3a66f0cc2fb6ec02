"""Who fills the clipping norm? What pictures agree on, tensor by tensor, with frozen statistics kept and absorbed.

    python benchmarks/gradient_shares.py [--models m2fp-lite m2fp-lite-imagenet] [--pictures 256] [--size 128]

Gradients of thermal pictures of generated people at the shipped weights, each picture's divided by its norm
("automatic" clipping). The inner product of two halves' sums is, tensor by tensor, what pictures agree on, without what
differs; noise is the same for every number, so that a part's amplitude (the root of its sum) is what it has against it.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

import torch

from discreet.data import open_spec
from discreet.data.people import generate_people
from discreet.data.samples import SampleSource
from discreet.data.transforms import AugmentSettings
from discreet.inference.models import model_folder
from discreet.m2fp import M2FP, absorb_statistics, load_model, set_trainable
from discreet.privacy.clipping import Clipper
from discreet.training.batches import BatchLoader
from discreet.training.loop import micro_batches, picture_losses
from discreet.training.units import units_of

RESULT = Path(__file__).parent / "results" / "gradient_shares.json"
MICRO_BATCH_SIZE = 16
LARGEST = 6


def agreed(model: M2FP, source: SampleSource, size_px: int) -> dict[str, float]:
    """Inner product of the two halves' sums of normalised gradients, by parameter name."""
    set_trainable(model, "all")
    units = units_of(source, "image")
    loader = BatchLoader(source, units, AugmentSettings.of_strength("light", (size_px, size_px)), model, seed=1)
    clipper = Clipper(model, 1.0, "automatic")
    sums = []
    for half in range(2):
        for chosen in micro_batches(torch.arange(half, len(source), 2).numpy(), MICRO_BATCH_SIZE):
            batch = loader.load(chosen, half)
            assert batch is not None
            clipper.accumulate(picture_losses(model, batch))
        sums.append({name: part.double().clone() for name, part in clipper.take().items()})
    clipper.close()
    loader.close()
    return {name: float((part * sums[1][name]).sum()) for name, part in sums[0].items()}


def measure(name: str, source: SampleSource, size_px: int) -> dict[str, object]:
    """Shares of the largest tensors and amplitudes of parts, kept and absorbed."""
    found: dict[str, dict[str, float]] = {}
    for how in ("kept", "absorbed"):
        print(f"{name}, {how}: about a minute", flush=True)
        model, _ = load_model(model_folder(name))
        if how == "absorbed":
            absorb_statistics(model)
        found[how] = agreed(model, source, size_px)
    kept, absorbed = found["kept"], found["absorbed"]
    largest = sorted(kept, key=lambda tensor: -kept[tensor])[:LARGEST]
    parts = {part: [t for t in kept if t.startswith(part)] for part in ("pixel_decoder", "query_decoder")}
    parts["backbone, but the six"] = [t for t in kept if t.startswith("backbone") and t not in largest]
    numbers = {tensor: parameter.numel() for tensor, parameter in model.named_parameters()}

    def amplitude(shares: dict[str, float], tensors: list[str]) -> float:
        return math.sqrt(max(sum(shares[tensor] for tensor in tensors), 0.0)) / (len(source) / 2)

    return {
        "largest": {
            tensor: {"numbers": numbers[tensor]} | {how: found[how][tensor] / sum(found[how].values()) for how in found}
            for tensor in largest
        },
        "amplitude": {
            part: {"kept": amplitude(kept, tensors), "absorbed": amplitude(absorbed, tensors)}
            for part, tensors in parts.items()
        },
    }


def table(name: str, measured: dict[str, object]) -> str:
    """Rows of EXPERIMENTS.md."""
    lines = [f"| {name} | kept | absorbed |", "|---|---|---|"]
    largest, amplitudes = measured["largest"], measured["amplitude"]
    assert isinstance(largest, dict)
    assert isinstance(amplitudes, dict)
    for tensor, row in largest.items():
        lines.append(f"| {tensor}, {row['numbers']} numbers | {row['kept']:.1%} | {row['absorbed']:.1%} |")
    for part, row in amplitudes.items():
        ratio = row["absorbed"] / row["kept"]
        lines.append(f"| amplitude of {part} | {row['kept']:.4f} | {row['absorbed']:.4f} ({ratio:.1f} times) |")
    return "\n".join(lines)


def main() -> None:
    """Generate, measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["m2fp-lite", "m2fp-lite-imagenet"])
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--size", type=int, default=128)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "thermal"
        generate_people(folder, style="thermal", count=arguments.pictures, size_px=192, seed=501, workers=2)
        source = open_spec(f"people:{folder}")
        results = {name: measure(name, source, arguments.size) for name in arguments.models}
    RESULT.write_text(json.dumps(vars(arguments) | {"results": results}, indent=1) + "\n")
    for name, measured in results.items():
        print(table(name, measured), end="\n\n")


if __name__ == "__main__":
    main()
