"""`discreet plan`: the ε of a training run, or the noise that a target ε needs; and what to expect of it."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discreet.cli.output import Output
    from discreet.privacy.plan import PrivacyPlan

HELP = "Compute ε from the noise, or the noise from a target ε, and what to expect, before anything touches a picture."
# What is laid side by side where nothing was chosen.
_EPSILONS, _EPOCHS = (1.0, 2.0, 4.0, 8.0), (3.0, 10.0, 30.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes are public numbers."""
    parser.add_argument("--num-samples", type=int, required=True, help="number of pictures, or of subjects")
    parser.add_argument(
        "--batch-size", type=int, help="expected number of them in a step; default: by the shape of the measured runs"
    )
    parser.add_argument(
        "--epochs",
        type=float,
        help="steps = floor(epochs · num-samples / batch-size); without it, several are laid side by side",
    )
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--epsilon", type=float, help="target; the smallest noise that meets it is found")
    goal.add_argument("--noise-multiplier", type=float, help="noise per step, in units of the clipping norm")
    parser.add_argument("--delta", type=float, help="default: the smaller of 1e-5 and 0.1 / num-samples")
    parser.add_argument("--unit", choices=("image", "subject"), default="image", help="whose contribution is hidden")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Make the plan, check it by a second accountant where one is installed, and print it; or compare several."""
    if arguments.epochs is None or (arguments.epsilon is None and arguments.noise_multiplier is None):
        return _side_by_side(arguments, output)
    from discreet.privacy.accountant import accountant_name
    from discreet.privacy.cross_check import cross_check

    plan = _plan(arguments, arguments.epochs, arguments.epsilon)
    found = {
        "epsilon": plan.epsilon,
        "delta": plan.delta,
        "mu": plan.mu,
        "noise_multiplier": plan.noise_multiplier,
        "sample_rate": plan.sample_rate,
        "num_steps": plan.num_steps,
        "expected_batch_size": plan.expected_batch_size,
        "neighbouring_relation": plan.neighbouring_relation,
        "unit": plan.unit,
        "accountant": accountant_name(),
        "cross_check": _finite(cross_check(plan)),
    }
    expected = _expected(plan)
    output.result({**found, "expected": expected})
    rows = [(key, _shown(value)) for key, value in found.items()]
    output.table("Plan", ("what", "value"), [*rows, ("expected to be kept", _share(expected))])
    _explain(output, [expected])
    return 0


def _side_by_side(arguments: argparse.Namespace, output: Output) -> int:
    """Plans for several ε and lengths of training, as far as they were not given."""
    from discreet.errors import UsageError

    if arguments.noise_multiplier is not None:
        raise UsageError("--noise-multiplier needs --epochs; or give --epsilon, or neither, to compare plans")
    epsilons = _EPSILONS if arguments.epsilon is None else (arguments.epsilon,)
    lengths = _EPOCHS if arguments.epochs is None else (arguments.epochs,)
    plans: list[dict[str, Any]] = []
    with output.progress("find the noise", len(epsilons) * len(lengths)) as advance:
        for epsilon in epsilons:
            for epochs in lengths:
                plan = _plan(arguments, epochs, epsilon)
                plans.append(
                    {
                        "epsilon": plan.epsilon,
                        "delta": plan.delta,
                        "epochs": epochs,
                        "expected_batch_size": plan.expected_batch_size,
                        "num_steps": plan.num_steps,
                        "noise_multiplier": plan.noise_multiplier,
                        "expected": _expected(plan),
                    }
                )
                advance()
    output.result({"plans": plans})
    output.table(
        f"Plans for {arguments.num_samples} {arguments.unit}s",
        ("ε", "epochs", "batch size", "steps", "noise multiplier", "expected to be kept"),
        [
            (
                f"{plan['epsilon']:.3g}",
                f"{plan['epochs']:g}",
                plan["expected_batch_size"],
                plan["num_steps"],
                f"{plan['noise_multiplier']:.4g}",
                _share(plan["expected"]),
            )
            for plan in plans
        ],
    )
    _explain(output, [plan["expected"] for plan in plans])
    return 0


def _plan(arguments: argparse.Namespace, epochs: float, epsilon: float | None) -> PrivacyPlan:
    """One plan, with the batch size that was asked for, or one of the shape that was measured."""
    from discreet.privacy.expectation import batch_size_for
    from discreet.privacy.plan import PrivacyPlan, default_delta, num_steps_for

    num_samples = arguments.num_samples
    batch_size = batch_size_for(num_samples, epochs) if arguments.batch_size is None else arguments.batch_size
    sizes = {
        "num_steps": num_steps_for(epochs, num_samples, batch_size),
        "num_samples": num_samples,
        "expected_batch_size": batch_size,
        "delta": default_delta(num_samples) if arguments.delta is None else arguments.delta,
        "unit": arguments.unit,
    }
    if epsilon is not None:
        return PrivacyPlan.for_target(epsilon=epsilon, **sizes)
    return PrivacyPlan.for_noise(noise_multiplier=arguments.noise_multiplier, **sizes)


def _finite(epsilon: float | None) -> float | None:
    """What JSON can hold: with next to no noise the second accountant finds no ε at all."""
    return epsilon if epsilon is not None and math.isfinite(epsilon) else None


def _expected(plan: PrivacyPlan) -> dict[str, Any]:
    """As JSON: the share of ordinary training's gain to expect."""
    from dataclasses import asdict

    from discreet.privacy.expectation import expectation_of

    return asdict(expectation_of(plan))


def _share(expected: dict[str, Any]) -> str:
    """A share with its range; a star where the plan leaves what was measured."""
    star = "" if expected["beyond"] is None else " *"
    return f"{expected['kept']:.0%} ({expected['low']:.0%} … {expected['high']:.0%}){star}"


def _explain(output: Output, expected: list[dict[str, Any]]) -> None:
    """What the shares mean, and the reasons for stars."""
    from discreet.privacy.expectation import measurements

    measured = measurements()
    output.line(
        "Expected to be kept: the share of what ordinary training would gain in mIoU over the public start. A rule of "
        f"thumb, by no more than {len(measured.runs)} measured runs: {measured.task}, {measured.num_samples} pictures, "
        f"where ordinary training goes from {measured.start_miou:.1%} to {measured.ordinary_miou:.1%}. Ranges are over "
        "held-out pictures, not over tasks."
    )
    for reason in dict.fromkeys(one["beyond"] for one in expected if one["beyond"] is not None):
        output.line(f"* {reason}")


def _shown(value: object) -> str:
    """Numbers to the digits that matter."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "not installed" if value is None else str(value)
