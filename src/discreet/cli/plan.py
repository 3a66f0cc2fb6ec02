"""`discreet plan`: the ε of a training run, or the noise that a target ε needs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = "Compute ε from the noise, or the noise from a target ε, before anything touches a picture."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes are public numbers."""
    parser.add_argument("--num-samples", type=int, required=True, help="number of pictures, or of subjects")
    parser.add_argument("--batch-size", type=int, required=True, help="expected number of them in a step")
    parser.add_argument("--epochs", type=float, required=True, help="steps = floor(epochs · num-samples / batch-size)")
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--epsilon", type=float, help="target; the smallest noise that meets it is found")
    goal.add_argument("--noise-multiplier", type=float, help="noise per step, in units of the clipping norm")
    parser.add_argument("--delta", type=float, help="default: the smaller of 1e-5 and 0.1 / num-samples")
    parser.add_argument("--unit", choices=("image", "subject"), default="image", help="whose contribution is hidden")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Make the plan, check it by a second accountant where one is installed, and print it."""
    from discreet.privacy.accountant import accountant_name
    from discreet.privacy.cross_check import cross_check
    from discreet.privacy.plan import PrivacyPlan, default_delta, num_steps_for

    num_samples, batch_size = arguments.num_samples, arguments.batch_size
    sizes = {
        "delta": default_delta(num_samples) if arguments.delta is None else arguments.delta,
        "num_samples": num_samples,
        "expected_batch_size": batch_size,
        "num_steps": num_steps_for(arguments.epochs, num_samples, batch_size),
        "unit": arguments.unit,
    }
    if arguments.epsilon is not None:
        plan = PrivacyPlan.for_target(epsilon=arguments.epsilon, **sizes)
    else:
        plan = PrivacyPlan.for_noise(noise_multiplier=arguments.noise_multiplier, **sizes)
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
        "cross_check": cross_check(plan),
    }
    output.result(found)
    output.table("Plan", ("what", "value"), [(key, _shown(value)) for key, value in found.items()])
    return 0


def _shown(value: object) -> str:
    """Numbers to the digits that matter."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "not installed" if value is None else str(value)
