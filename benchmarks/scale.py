"""What a private step costs on many machines, on paper: what is counted and measured here, and what is assumed.

    python benchmarks/scale.py [--size 512] [--batch 1024] [--tflops 100] [--gbit 100] [--cores 16]

Counted: arithmetic of a forward pass, numbers in a gradient. Measured: Gaussian numbers a processor core makes in a
second of its own time. Assumed: the arithmetic that an accelerator sustains, the line between machines, the cores
beside each. A step is three forward passes a picture, two sums over all (each twice the gradient through every
line), and the noise, divided among all.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from discreet.m2fp import build
from discreet.privacy import RunKey
from discreet.privacy.noise import standard_normal

RESULTS = Path(__file__).parent / "results"
NORMALS = 1 << 15  # few enough that no thread is started
RANKS = (1, 8, 64, 512)


def normals_a_core_second() -> float:
    """Of the private noise's generator; the best of several, in the processor's time."""
    stream = RunKey.for_tests(0).stream("noise", 0, "measured")
    best = float("inf")
    for _ in range(12):
        before = time.thread_time()
        standard_normal(stream, NORMALS)
        best = min(best, time.thread_time() - before)
    return NORMALS / best


def counted(name: str, size_px: int) -> tuple[float, int]:
    """Floating-point operations of a forward pass, and trained numbers."""
    model = build(name, 21).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, size_px, size_px))
    return float(counter.get_total_flops()), sum(parameter.numel() for parameter in model.parameters())


def main() -> None:
    """Print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--tflops", type=float, default=100.0)
    parser.add_argument("--gbit", type=float, default=100.0)
    parser.add_argument("--cores", type=int, default=16)
    arguments = parser.parse_args()
    normals = normals_a_core_second()
    print(f"{normals / 1e6:.1f} million normals a core and second")
    rows: list[dict[str, object]] = []
    for name in ("m2fp-lite", "m2fp-r50", "m2fp-r101"):
        flops, numbers = counted(name, arguments.size)
        transfer = 2 * 2 * 4 * 8 * numbers / (arguments.gbit * 1e9)
        noise = numbers / (normals * arguments.cores)
        print(f"{name}: {flops / 1e9:.0f} GFLOP forward, {numbers / 1e6:.1f} million numbers")
        for ranks in RANKS:
            computing = 3 * flops * arguments.batch / (ranks * arguments.tflops * 1e12)
            noising, moving = noise / ranks, transfer if ranks > 1 else 0.0
            efficiency = computing / (computing + noising + moving)
            rows.append(
                {
                    "model": name,
                    "ranks": ranks,
                    "computing_s": computing,
                    "transfer_s": moving,
                    "noise_s": noising,
                    "efficiency": efficiency,
                }
            )
            print(
                f"  {ranks:4d} accelerators: computing {computing:7.3f} s, transfer {moving:.3f} s, "
                f"noise {noising:.3f} s; computes {efficiency:.0%} of the time"
            )
    RESULTS.mkdir(exist_ok=True)
    found = {"assumed": vars(arguments), "normals_a_core_second": normals, "rows": rows}
    (RESULTS / "scale.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
