"""Canaries with known gradients through the private step: does it do what the accountant assumes?

    make audit-mechanism

At ε = 2 and 8, with a fresh key from the operating system. Exits 1 where a question is answered no; at 99.9 %
confidence that happens about once in a hundred runs of a right mechanism: run it again, and be alarmed the second time.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from discreet.auditing.mechanism import Stated, judge
from discreet.privacy import PrivacyPlan
from discreet.privacy.keys import RunKey
from discreet.training.canaries import release_at_canaries

RESULTS = Path(__file__).parent / "results"
NUM_MEMBERS, NUM_STEPS, SAMPLE_RATE, DELTA = 20_000, 16, 0.5, 1e-5


def audit(epsilon: float) -> dict[str, object]:
    """One run, and what its canaries say."""
    plan = PrivacyPlan.for_target(
        epsilon=epsilon, num_samples=NUM_MEMBERS, expected_batch_size=int(NUM_MEMBERS * SAMPLE_RATE),
        num_steps=NUM_STEPS, delta=DELTA,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        key = RunKey.create(Path(folder))
        members, others, sensitivity = release_at_canaries(plan, key, NUM_MEMBERS)
        key.destroy()
    stated = Stated(plan.epsilon, plan.delta, plan.noise_multiplier, sensitivity, SAMPLE_RATE)
    verdict = judge(members, others, stated)
    return {"stated_epsilon": plan.epsilon, "stated_sigma": stated.sigma, **asdict(verdict)}


def main() -> None:
    """Ask, print, write."""
    found = {f"epsilon {epsilon:g}": audit(epsilon) for epsilon in (2.0, 8.0)}
    print(json.dumps(found, indent=1))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "audit_mechanism.json").write_text(json.dumps(found, indent=1) + "\n")
    failed = {name: of_one["failed"] for name, of_one in found.items() if of_one["failed"]}
    if failed:
        sys.exit(f"the mechanism does not do what its plan says: {failed}")


if __name__ == "__main__":
    main()
