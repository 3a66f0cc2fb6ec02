"""How much of what ordinary training gains a private run can be expected to keep, by runs that were measured.

What privacy takes away depends on data set, batch and steps by one number above all, the signal B·√T/σ: how far the sum
of T averaged gradients of B samples each stands out of the noise that was added to it. Through the measured runs goes
the curve kept = most · s² / (s² + half²): nothing without signal, and never more than the recipe gains without noise.
It is a rule of thumb for pictures and lengths of training like those measured, not a guarantee. Never loads torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from discreet.privacy.plan import PrivacyPlan, check_sizes


@dataclass(frozen=True)
class MeasuredRun:
    """One private run of the recipe that `discreet train` takes by default. *Public*: of generated people.

    Args:
        row: its name in the comparison.
        signal: see `signal_of`.
        kept: (run − public start) / (ordinary training − public start), in mIoU.
        low, high: a 95 % interval of it.
    """

    row: str
    signal: float
    kept: float
    low: float
    high: float


@dataclass(frozen=True)
class Measurements:
    """Runs of one task.

    Args:
        task: what was learned, in words.
        num_samples: pictures in it.
        samples_seen: by each run, T·B.
        fewest_steps: of any of them.
        start_miou, ordinary_miou: shares, of the public start and of ordinary training.
        runs: that were measured.
    """

    task: str
    num_samples: int
    samples_seen: int
    fewest_steps: int
    start_miou: float
    ordinary_miou: float
    runs: list[MeasuredRun]


@dataclass(frozen=True)
class Expectation:
    """What to expect of a plan.

    Args:
        kept: share of the gain of ordinary training.
        low, high: by the intervals of what was measured.
        beyond: how the plan leaves what was measured, in words; None where it does not.
    """

    kept: float
    low: float
    high: float
    beyond: str | None


@cache
def measurements() -> Measurements:
    """Those that are shipped."""
    told = json.loads((files("discreet") / "assets" / "measured" / "private_training.json").read_text("utf-8"))
    runs = [MeasuredRun(**run) for run in told.pop("runs")]
    return Measurements(runs=runs, **told)


def signal_of(plan: PrivacyPlan) -> float:
    """B·√T/σ, without unit."""
    return plan.expected_batch_size * math.sqrt(plan.num_steps) / plan.noise_multiplier


def expectation_of(plan: PrivacyPlan, measured: Measurements | None = None) -> Expectation:
    """What a plan can be expected to keep.

    Args:
        plan: of the run to come.
        measured: the shipped measurements by default.
    """
    measured = measured or measurements()
    signal = signal_of(plan)
    signals = [run.signal for run in measured.runs]
    kept, low, high = (
        _through(signals, [getattr(run, which) for run in measured.runs], signal) for which in ("kept", "low", "high")
    )
    return Expectation(kept, low, high, _beyond(plan, signal, measured))


def batch_size_for(num_samples: int, epochs: float, measured: Measurements | None = None) -> int:
    """A batch as large beside the number of steps as was measured; who trains longer has more of both alike.

    Large batches drown the noise, steps are what is learned in. No rule better than this was measured.

    Raises:
        PlanError: a data set or a training of no size.
    """
    check_sizes(num_samples, epochs)
    measured = measured or measurements()
    seen = epochs * num_samples
    steps = measured.fewest_steps * math.sqrt(seen / measured.samples_seen)
    return max(1, min(round(seen / steps), num_samples // 4))


def _through(signals: Sequence[float], kept: Sequence[float], signal: float) -> float:
    """The curve of least squares through measured shares, at one signal."""
    best, found = math.inf, 0.0
    for step in range(401):
        half = min(signals) * 10 ** (-2 + 4 * step / 400)
        shapes = [s * s / (s * s + half * half) for s in signals]
        most = sum(f * k for f, k in zip(shapes, kept, strict=True)) / sum(f * f for f in shapes)
        missed = sum((most * f - k) ** 2 for f, k in zip(shapes, kept, strict=True))
        if missed < best:
            best, found = missed, most * signal * signal / (signal * signal + half * half)
    return found


def _beyond(plan: PrivacyPlan, signal: float, measured: Measurements) -> str | None:
    signals = [run.signal for run in measured.runs]
    if signal < min(signals) / 1.5:
        return "there is less signal than was measured: no more than a guess"
    if plan.num_steps < measured.fewest_steps:
        return f"fewer than {measured.fewest_steps} steps were not measured: expect less"
    if plan.num_steps * plan.expected_batch_size > 4 * measured.samples_seen:
        return "it trains longer than was measured: ordinary training gains more then, too"
    return None
