"""What an audit found, and when it can be believed. All statements hold together at its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from discreet.auditing.bounds import Bound
from discreet.auditing.curves import OperatingPoint, Scores, area_under_curve, curve, operating_point
from discreet.auditing.inversion import Inversion
from discreet.auditing.statistics import Interval

FALSE_POSITIVE_RATES = (0.01, 0.001)
LEAK, NO_LEAK, REFUTED, NOT_VALID = "leak found", "none found by these tests", "claim refuted", "audit not valid"


@dataclass(frozen=True)
class AttackResult:
    """One attack, with intervals that hold together with all others.

    Args:
        name: of ATTACKS, or of a control.
        auc, auc_interval: area under the curve.
        tpr_at_fpr: at the rates that so many non-members can show.
        false_positive_rates, true_positive_rates: the curve itself.
    """

    name: str
    auc: float
    auc_interval: Interval
    tpr_at_fpr: list[OperatingPoint]
    false_positive_rates: list[float]
    true_positive_rates: list[float]


@dataclass(frozen=True)
class Audit:
    """What an audit found. Un-noised: for the owner of the pictures.

    Args:
        epsilon, delta: claimed.
        unit: what one trial is.
        num_members, num_non_members: trials.
        confidence: of all intervals together.
        attacks: on the model.
        bounds: on ε, from the attack named in `bounded`.
        blind: the attack that never sees the model.
        negative_control: the attack on the public start; None without one.
        positive_control: the attack on an over-fitted copy.
        problems: why the audit is not valid, in a sentence each.
        num_shadows: models that the audit trained.
        answers: what each kind of answer of a service gives away; empty where that was not tried.
        inversion: whether members can be drawn back; None where it was not tried.
        model_sha256: of the weights that were attacked, where they come from a file.
        exposed: names of the members that the bounded attack is surest of, surest first. *SENSITIVE*
        seconds: it took.
    """

    epsilon: float | None
    delta: float
    unit: str
    num_members: int
    num_non_members: int
    confidence: float
    attacks: list[AttackResult]
    bounded: str
    bounds: list[Bound]
    blind: AttackResult
    negative_control: AttackResult | None
    positive_control: AttackResult
    problems: list[str]
    num_shadows: int = 0
    answers: list[AttackResult] = field(default_factory=list)
    inversion: Inversion | None = None
    model_sha256: str | None = None
    exposed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def valid(self) -> bool:
        """Whether its controls say that it can be believed."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """In a few words."""
        if not self.valid:
            return NOT_VALID
        unconditional = max(bound.epsilon_lower_bound for bound in self.bounds if not bound.conditional)
        if self.epsilon is not None and unconditional > self.epsilon:
            return REFUTED
        drawn_back = self.inversion is not None and self.inversion.leaks
        told = any(attack.auc_interval[0] > 0.5 for attack in (*self.attacks, *self.answers))
        return LEAK if drawn_back or told else NO_LEAK

    def without_pictures(self) -> Audit:
        """The same, but without a member to look at."""
        drawn = self.inversion and replace(self.inversion, members=[], controls=[])
        return replace(self, exposed=[], inversion=drawn)

    def to_json(self) -> dict[str, Any]:
        """All but pictures and their names."""
        found = asdict(replace(self, inversion=None))
        del found["exposed"]
        if self.inversion is not None:
            found["inversion"] = self.inversion.to_json()
        return {**found, "valid": self.valid, "verdict": self.verdict}


def attack_result(name: str, members: Scores, others: Scores, confidence: float) -> AttackResult:
    """One attack's numbers."""
    area, interval = area_under_curve(members, others, confidence)
    points = [operating_point(members, others, rate, confidence) for rate in FALSE_POSITIVE_RATES]
    false, true = curve(members, others)
    return AttackResult(
        name, area, interval, [point for point in points if point is not None], false.tolist(), true.tolist()
    )


def problems_of(
    blind: AttackResult,
    negative: AttackResult | None,
    positive: AttackResult,
    results: Sequence[AttackResult],
    drawn: Inversion | None,
) -> list[str]:
    """Why the audit cannot be believed; none where it can."""

    def says_something(result: AttackResult) -> bool:
        return not result.auc_interval[0] <= 0.5 <= result.auc_interval[1]

    found = []
    if says_something(blind):
        found.append(
            f"members and non-members can be told apart without any model (AUC {blind.auc:.2f}); draw both by lot from "
            "one pool"
        )
    if negative is not None and says_something(negative):
        found.append(
            f"the attack finds members in the public start, which never saw them (AUC {negative.auc:.2f}); members and "
            "non-members differ by more than membership"
        )
    if positive.auc_interval[0] <= 0.5:
        found.append(
            f"the attack does not catch a copy that was over-fitted on purpose (AUC {positive.auc:.2f}); give more "
            "pictures"
        )
    found += [
        f"the attack {result.name} is wrong more often than chance (AUC {result.auc:.2f}): it is broken, and no proof "
        "of privacy"
        for result in results
        if result.auc_interval[1] < 0.5
    ]
    if drawn is not None and drawn.is_broken:
        found.append(
            "inversion draws members less well than controls, beyond chance: it is broken, and no proof of privacy"
        )
    return found
