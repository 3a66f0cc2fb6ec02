"""A clipped gradient sum by discreet and by Opacus, its hooks and its ghost mode, beside a plain step.

    python benchmarks/opacus_cost.py [--networks …] [--size 256] [--batches 4] [--rounds 3]
    python benchmarks/opacus_cost.py --table      # prints what was measured, as in EXPERIMENTS.md

Each row is written when it is measured, in place of an earlier one of the same network, size and batch.
Opacus refuses layers with buffers, so the scales of frozen norms do not train here, for anybody. Where it cannot run a
network, its error is the result. `backbone-…` is a backbone alone under a loss of its features' means: what both modes
run. Times are paired in one process; peaks are of processes of their own. Norms must agree, or nothing is told.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from step_cost import NUM_PARTS, make_losses, seconds
from torch import Tensor, nn

from discreet.m2fp import build
from discreet.m2fp.layers import FrozenBatchNorm2d
from discreet.privacy import Clipper

RESULT = Path(__file__).parent / "results" / "opacus_cost.json"
NETWORKS = ("m2fp-lite", "m2fp-r50", "m2fp-r101", "backbone-lite", "backbone-r50", "backbone-r101")
MAX_GRAD_NORM = 1.0
Losses = Callable[[], Tensor]
# One step; returns the samples' norms, or None where nobody asks.
Step = Callable[[], Tensor | None]


def network_and_losses(name: str, size_px: int, batch_size: int) -> tuple[nn.Module, Losses]:
    """A network whose norms do not train, and a function that gives one loss a picture."""
    kind, _, size = name.partition("-")
    model = build(f"m2fp-{size}", NUM_PARTS + 1, seed=0).train()
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.requires_grad_(False)
    if kind == "m2fp":
        return model, make_losses(model, size_px, batch_size)
    images = torch.randn(batch_size, 3, size_px, size_px, generator=torch.Generator().manual_seed(0))
    backbone = model.backbone
    return backbone, lambda: sum(level.mean((2, 3)).square().sum(1) for level in backbone(images))  # type: ignore[return-value]


def plain(network: nn.Module, losses: Losses) -> Step:
    """Forward, loss, backward."""

    def step() -> None:
        losses().sum().backward()
        network.zero_grad(set_to_none=True)

    return step


def ours(network: nn.Module, losses: Losses, style: str) -> Step:
    """`Clipper`."""

    def step() -> Tensor:
        with Clipper(network, MAX_GRAD_NORM, style) as clipper:  # pyright: ignore[reportArgumentType]
            norms_B = clipper.accumulate(losses())
            clipper.take()
        return norms_B

    return step


def hooks(network: nn.Module, losses: Losses) -> Step:
    """Opacus' GradSampleModule and DPOptimizer."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    wrapped = GradSampleModule(network, loss_reduction="sum", strict=False)
    optimizer = DPOptimizer(
        _sgd(network), noise_multiplier=0.0, max_grad_norm=MAX_GRAD_NORM, expected_batch_size=1, loss_reduction="sum"
    )

    def step() -> Tensor:
        losses().sum().backward()
        pieces = [p.grad_sample.flatten(1).norm(dim=1) for p in optimizer.params]  # type: ignore[attr-defined]
        optimizer.clip_and_accumulate()
        optimizer.zero_grad(set_to_none=True)
        wrapped.zero_grad(set_to_none=True)
        return torch.stack(pieces).norm(dim=0)

    return step


def ghost(network: nn.Module, losses: Losses) -> Step:
    """Opacus' ghost clipping: norms in a first backward pass, the sum in a second."""
    from opacus.grad_sample import GradSampleModuleFastGradientClipping
    from opacus.optimizers import DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping

    wrapped = GradSampleModuleFastGradientClipping(
        network, loss_reduction="sum", strict=False, max_grad_norm=MAX_GRAD_NORM, use_ghost_clipping=True
    )
    optimizer = DPOptimizerFastGradientClipping(
        _sgd(network), noise_multiplier=0.0, max_grad_norm=MAX_GRAD_NORM, expected_batch_size=1, loss_reduction="sum"
    )

    def step() -> Tensor:
        DPTensorFastGradientClipping(wrapped, optimizer, losses(), "sum").backward()
        norms_B = wrapped.get_norm_sample()
        optimizer.zero_grad(set_to_none=True)
        wrapped.zero_grad(set_to_none=True)
        return norms_B

    return step


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)


KINDS: dict[str, Callable[[nn.Module, Losses], Step]] = {
    "plain": plain,
    "flat": lambda network, losses: ours(network, losses, "flat"),
    "per_layer": lambda network, losses: ours(network, losses, "per_layer"),
    "opacus_hooks": hooks,
    "opacus_ghost": ghost,
}


def compare(name: str, size_px: int, batch_size: int, rounds: int) -> dict[str, object]:
    """Seconds, MiB, and Opacus as a multiple of flat clipping."""
    steps: dict[str, Step] = {}
    found: dict[str, object] = {"network": name, "size_px": size_px, "batch": batch_size}
    norms: dict[str, Tensor] = {}
    for kind, make in KINDS.items():
        try:
            steps[kind] = make(*network_and_losses(name, size_px, batch_size))
            told = steps[kind]()
        except (NotImplementedError, RuntimeError, ValueError) as problem:
            steps.pop(kind, None)
            found[f"{kind}_failed"] = f"{type(problem).__name__}: {problem}".splitlines()[0]
            continue
        if told is not None:
            norms[kind] = told.double()
    for kind, told in norms.items():
        torch.testing.assert_close(told, norms["flat"], rtol=1e-3, atol=1e-6, msg=f"{kind} has other norms")
    rows = [{kind: seconds(step) for kind, step in steps.items()} for _ in range(rounds)]  # type: ignore[arg-type]
    built = peak_mib("built", name, size_px, batch_size)
    for kind in steps:
        found[f"{kind}_s"] = round(statistics.median(row[kind] for row in rows), 4)
        found[f"{kind}_mib"] = round(peak_mib(kind, name, size_px, batch_size) - built, 1)
        found[f"{kind}_over_plain"] = round(statistics.median(row[kind] / row["plain"] for row in rows), 2)
        if kind.startswith("opacus"):
            found[f"{kind}_over_flat"] = round(statistics.median(row[kind] / row["flat"] for row in rows), 2)
    return found


def _peak(kind: str, name: str, size_px: int, batch_size: int, answer: multiprocessing.SimpleQueue[float]) -> None:
    """Peak resident MiB of this fresh process after two steps of a kind."""
    warnings.simplefilter("ignore")  # of Opacus' own making
    torch.set_num_threads(2)
    network, losses = network_and_losses(name, size_px, batch_size)
    if kind != "built":
        step = KINDS[kind](network, losses)
        for _ in range(2):
            step()
    # Not getrusage: its high-water mark is handed on from the parent process.
    answer.put(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024)


def peak_mib(kind: str, name: str, size_px: int, batch_size: int) -> float:
    """`_peak` in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=_peak, args=(kind, name, size_px, batch_size, answer))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"measuring {kind} of {name} failed")
    return answer.get()


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: times of a row over a plain step, Opacus' also over flat clipping; memory over a plain step."""

    def opacus(row: dict[str, Any], kind: str) -> str:
        if f"{kind}_failed" in row:
            return f"fails: {row[f'{kind}_failed']}"
        memory = row[f"{kind}_mib"] / row["plain_mib"]
        return f"{row[f'{kind}_over_plain']:.2f}× ({row[f'{kind}_over_flat']:.1f} × flat); {memory:.2f}×"

    lines = []
    for row in results:
        cells = [f"{row['network']}, {row['size_px']}, {row['batch']}"]
        cells += [
            f"{row[f'{kind}_over_plain']:.2f}×; {row[f'{kind}_mib'] / row['plain_mib']:.2f}×"
            for kind in ("flat", "per_layer")
        ]
        cells += [opacus(row, kind) for kind in ("opacus_hooks", "opacus_ghost")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of Opacus' own making
    torch.set_num_threads(2)
    results: list[dict[str, Any]] = json.loads(RESULT.read_text()) if RESULT.exists() else []
    chosen = [] if arguments.table else itertools.product(arguments.networks, arguments.batches)
    for name, batch_size in chosen:
        key = {"network": name, "size_px": arguments.size, "batch": batch_size}
        found = compare(name, arguments.size, batch_size, arguments.rounds)
        results = [row for row in results if not key.items() <= row.items()] + [found]
        results.sort(key=lambda row: (NETWORKS.index(row["network"]), row["size_px"], row["batch"]))
        RESULT.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
