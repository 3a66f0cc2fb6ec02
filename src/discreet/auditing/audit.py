"""An audit of a run: what its model tells an attacker about who was trained on, with controls, and a verdict.

All statements of one audit hold together at its confidence: the chance of error is divided among the gates.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from discreet.auditing.attacks import ATTACKS, BLIND_TO_COINS, Scored, learned_on_half
from discreet.auditing.bounds import Bound, bounds_of, one_run_bounds
from discreet.auditing.controls import STEPS, overfitted
from discreet.auditing.curves import OperatingPoint, Scores, area_under_curve, curve, operating_point
from discreet.auditing.evidence import Evidence, ShadowTables
from discreet.auditing.gates import gate_alpha
from discreet.auditing.inversion import LEAST_PAIRS, Attacker, Inversion, InversionPlan, inversion, num_searches
from discreet.auditing.looks import looks_of
from discreet.auditing.shadows import ShadowRecipe, shadow_tables
from discreet.auditing.signals import signals_of
from discreet.auditing.statistics import Interval, mu_of_epsilon
from discreet.data.joined import Joined
from discreet.data.samples import SampleSource, require_subjects
from discreet.data.subset import Subset
from discreet.errors import DataError, WeightsError
from discreet.labels import LabelSet
from discreet.m2fp import M2FP

FALSE_POSITIVE_RATES = (0.01, 0.001)
LEAST_TRIALS = 20
# Non-members that the over-fitted copy is made with and tried on: so many at least, and at most.
LEAST_REHEARSAL, MOST_REHEARSAL = 24, 48
LEAK, NO_LEAK, REFUTED, NOT_VALID = "leak found", "none found by these tests", "claim refuted", "audit not valid"

Bar = Callable[[str, int], AbstractContextManager[Callable[..., None]]]


@dataclass(frozen=True)
class Audited:
    """What is audited.

    Args:
        model: as released.
        start: its public start, or None.
        labels: of the model.
        canvas: height and width that the network sees.
        epsilon, delta: that are claimed; ε is None where nothing is. *Public*
        unit: "image" or "subject".
        model_sha256: of the weights, where they come from a file.
    """

    model: M2FP
    start: M2FP | None
    labels: LabelSet
    canvas: tuple[int, int]
    epsilon: float | None
    delta: float
    unit: str
    model_sha256: str | None = None


@dataclass(frozen=True)
class Canaries:
    """What bounds from one run need besides members and non-members, which are then the canaries.

    Args:
        num_guesses: fixed before the run.
        rehearsal: other pictures, none of them a canary. *SENSITIVE*
    """

    num_guesses: int
    rehearsal: SampleSource


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
        return LEAK if drawn_back or any(attack.auc_interval[0] > 0.5 for attack in self.attacks) else NO_LEAK

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


def audit(
    audited: Audited,
    members: SampleSource,
    non_members: SampleSource,
    *,
    attacks: Sequence[str],
    at_most: int | None = None,
    canaries: Canaries | None = None,
    shadows: ShadowRecipe | None = None,
    inverting: InversionPlan | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Bar,
) -> Audit:
    """Attack a model.

    Args:
        audited: model, start, claim.
        members: pictures that it was trained on. *SENSITIVE*
        non_members: pictures of the same pool, told from members by lot. *SENSITIVE*
        attacks: names of ATTACKS.
        at_most: pictures of each kind; others are left out by lot.
        canaries: where members and non-members are what coins let into the run, and left out of it.
        shadows: how to train shadow models, for attacks that need them.
        inverting: how to try model inversion.
        confidence: of all statements together.
        seed: of lots.
        progress: shows bars.

    Raises:
        DataError: too few pictures, some that are both, other parts than the model's, or no subjects where these
            are the unit.
        WeightsError: the start tells other parts apart.
    """
    started = time.monotonic()
    _check(audited, members, non_members, canaries)
    rng = np.random.default_rng(seed)
    reserved, others = _apart(non_members, rng) if canaries is None else (canaries.rehearsal, non_members)
    inside, outside = (Subset(source, _drawn(len(source), at_most, rng)) for source in (members, others))
    if min(len(inside), len(outside)) < LEAST_TRIALS:
        raise _too_few(len(inside), len(outside), "image")
    with progress("compare members with non-members", len(inside) + len(outside)) as advance:
        _refuse_overlap(inside, outside, advance)
    owners = _owners(inside, outside) if audited.unit == "subject" else None
    rehearsed = _rehearsed(audited, reserved, seed, progress)
    rehearsal = rehearsed.evidence
    evidence = _gather(audited, inside, outside, owners, shadows, seed, progress)
    if min(evidence.is_member.sum(), (~evidence.is_member).sum()) < LEAST_TRIALS:
        raise _too_few(int(evidence.is_member.sum()), int((~evidence.is_member).sum()), audited.unit)

    bounded = next((name for name in BLIND_TO_COINS if name in attacks), attacks[0])
    num_bounds, num_controls = 2 if canaries is None else 4, 3 if audited.start is not None else 2
    num_inverted = 0 if inverting is None else inverting.num_gates
    alpha = gate_alpha(1 - confidence, len(attacks) + num_bounds + num_controls + num_inverted)

    def judged(name: str, scored: Scored, of: Evidence = evidence) -> AttackResult:
        return _result(name, *scored.split(of.is_member), 1 - alpha)

    scored = {name: ATTACKS[name](evidence, rehearsal) for name in attacks}
    results = [judged(name, scored[name]) for name in attacks]
    blind = judged("blind", learned_on_half(evidence.looks, evidence.is_member))
    negative = None
    if evidence.reference is not None:
        of_start = replace(evidence, signals=evidence.reference, reference=None)
        negative = judged("negative control", ATTACKS[bounded](of_start, rehearsal))
    positive = judged("positive control", ATTACKS["calibrated"](rehearsal, rehearsal), rehearsal)
    trials = np.flatnonzero(evidence.is_member & scored[bounded].counted)
    bounds = bounds_of(*scored[bounded].split(evidence.is_member), audited.delta, alpha, seed)
    if canaries is not None and bounded in BLIND_TO_COINS:
        scores = scored[bounded].scores
        bounds += one_run_bounds(scores, evidence.is_member, canaries.num_guesses, audited.delta, alpha)
    drawn = None
    if inverting is not None:
        drawn = _inverted(inverting, audited, (inside, outside), rehearsed, alpha, seed, progress)
    names = [*inside.names, *outside.names] if owners is None else [owner[1:] for owner in sorted(set(owners))]
    surest = trials[np.argsort(-scored[bounded].scores[trials], kind="stable")]
    return Audit(
        epsilon=audited.epsilon,
        delta=audited.delta,
        unit=audited.unit,
        num_members=int(evidence.is_member.sum()),
        num_non_members=int((~evidence.is_member).sum()),
        confidence=confidence,
        attacks=results,
        bounded=bounded,
        bounds=bounds,
        blind=blind,
        negative_control=negative,
        positive_control=positive,
        problems=_problems(blind, negative, positive, results, drawn),
        num_shadows=0 if shadows is None else shadows.count,
        inversion=drawn,
        model_sha256=audited.model_sha256,
        exposed=[names[index] for index in surest],
        seconds=round(time.monotonic() - started, 1),
    )


def _check(audited: Audited, members: SampleSource, non_members: SampleSource, canaries: Canaries | None) -> None:
    """Refuse what can be refused before a picture is read."""
    for source in (members, non_members):
        if source.label_set.names != audited.labels.names:
            raise DataError(
                f"{source.spec} has the parts of {source.label_set.name!r}, the model those of "
                f"{audited.labels.name!r}; audit with pictures labelled as the training ones"
            )
    spare = LEAST_REHEARSAL if canaries is None else 0
    if min(len(members), len(non_members) - spare) < LEAST_TRIALS:
        raise _too_few(len(members), len(non_members), "image")
    if canaries is not None and len(canaries.rehearsal) < LEAST_REHEARSAL:
        raise DataError(
            f"{len(canaries.rehearsal)} pictures that are no canaries are too few to rehearse on; give "
            f"{LEAST_REHEARSAL} with --non-members, or with data.evaluate"
        )
    if audited.start is not None and audited.start.num_classes != audited.model.num_classes:
        raise WeightsError("the public start tells other parts apart than the model; audit without a start")


def _too_few(num_members: int, num_non_members: int, unit: str) -> DataError:
    return DataError(
        f"{num_members} members and {num_non_members} non-members ({unit}s) show nothing; give at least "
        f"{LEAST_TRIALS} members and {LEAST_TRIALS + LEAST_REHEARSAL} others, and some hundreds for rates of 1 %"
    )


def _drawn(count: int, at_most: int | None, rng: np.random.Generator) -> list[int]:
    """All, or as many as wanted by lot, in their order."""
    if at_most is None or at_most >= count:
        return list(range(count))
    return sorted(rng.choice(count, at_most, replace=False).tolist())


def _apart(source: SampleSource, rng: np.random.Generator) -> tuple[SampleSource, SampleSource]:
    """Pictures for the rehearsal, drawn by lot, and the rest: what an attack learned from is no trial."""
    count = min(max(len(source) // 4, LEAST_REHEARSAL), MOST_REHEARSAL)
    order = rng.permutation(len(source))
    return Subset(source, sorted(order[:count].tolist())), Subset(source, sorted(order[count:].tolist()))


def _refuse_overlap(inside: SampleSource, outside: SampleSource, advance: Callable[..., None]) -> None:
    """A picture that is both is neither."""

    def prints(source: SampleSource) -> set[bytes]:
        found = set()
        for index in range(len(source)):
            found.add(hashlib.sha256(source[index].image.tobytes()).digest())
            advance()
        return found

    shared = len(prints(inside) & prints(outside))
    if shared:
        raise DataError(
            f"{shared} pictures of {outside.spec} are members, too; name pictures that the model was not trained on"
        )


def _owners(inside: SampleSource, outside: SampleSource) -> list[str]:
    """Whose each picture is, after "+" for members and "-" for others; one who is both would be a trial of neither."""
    owners = [f"{kind}{owner}" for kind, s in (("+", inside), ("-", outside)) for owner in require_subjects(s)]
    mixed = {owner[1:] for owner in owners if owner[0] == "+"} & {owner[1:] for owner in owners if owner[0] == "-"}
    if mixed:
        raise DataError(
            f"{len(mixed)} subjects are members and non-members; name pictures of others than those trained on"
        )
    return owners


def _gather(
    audited: Audited,
    inside: SampleSource,
    outside: SampleSource,
    owners: Sequence[str] | None,
    shadows: ShadowRecipe | None,
    seed: int,
    progress: Bar,
) -> Evidence:
    """Signals and looks of all trials: of pictures, or of their owners."""
    models = [audited.model] + ([audited.start] if audited.start is not None else [])
    tables = []
    for model, of in zip(models, ("the model", "its public start"), strict=False):
        with progress(f"ask {of}", len(inside) + len(outside)) as advance:
            tables.append(
                np.vstack(
                    [signals_of(model, s, audited.labels, audited.canvas, advance=advance) for s in (inside, outside)]
                )
            )
    looks = np.array([looks_of(s[index], audited.labels) for s in (inside, outside) for index in range(len(s))])
    is_member = np.arange(len(inside) + len(outside)) < len(inside)
    told = None if shadows is None else _asked_shadows(audited, Joined((inside, outside)), shadows, seed, progress)
    evidence = Evidence(is_member, tables[0], tables[1] if len(tables) > 1 else None, looks, told)
    return evidence if owners is None else evidence.of_owners(owners)


def _asked_shadows(
    audited: Audited, pool: SampleSource, recipe: ShadowRecipe, seed: int, progress: Bar
) -> ShadowTables:
    """What shadow models of the trials say."""
    with progress("train shadow models", recipe.count) as advance:
        return shadow_tables(recipe, pool, audited.canvas, audited.unit, seed=seed, advance=advance)


@dataclass(frozen=True)
class _Rehearsed:
    """A copy that was over-fitted to half of some pictures, and what it says of all of them."""

    copied: M2FP
    source: SampleSource
    evidence: Evidence

    def pairs(self, at_most: int) -> tuple[SampleSource, SampleSource]:
        """Pictures that the copy learned, and others, as many of each."""
        learned, other = (np.flatnonzero(self.evidence.is_member == kind).tolist() for kind in (True, False))
        count = min(len(learned), len(other), at_most)
        return Subset(self.source, learned[:count]), Subset(self.source, other[:count])


def _rehearsed(audited: Audited, reserved: SampleSource, seed: int, progress: Bar) -> _Rehearsed:
    """Over-fit a copy; the model itself is its reference."""
    reserved = Subset(reserved, range(min(len(reserved), MOST_REHEARSAL)))
    is_member = np.random.default_rng([seed, 1]).permutation(len(reserved)) < len(reserved) // 2
    learned = np.flatnonzero(is_member).tolist()
    with progress("over-fit a copy, to be caught", STEPS) as advance:
        copied = overfitted(
            audited.model, reserved, learned, audited.labels, audited.canvas, seed=seed, advance=advance
        )
    after, before = (signals_of(m, reserved, audited.labels, audited.canvas) for m in (copied, audited.model))
    return _Rehearsed(copied, reserved, Evidence(is_member, after, before, np.zeros((len(reserved), 1))))


def _inverted(
    plan: InversionPlan,
    audited: Audited,
    kinds: tuple[SampleSource, SampleSource],
    rehearsed: _Rehearsed,
    alpha: float,
    seed: int,
    progress: Bar,
) -> Inversion:
    """Draw some members and as many others back; one picture of a subject where subjects are the unit."""
    rng = np.random.default_rng([seed, 2])
    drawn = []
    for source in kinds:
        owners = require_subjects(source) if audited.unit == "subject" else range(len(source))
        by_lot = rng.permutation(len(source))
        of_owner = {owners[index]: int(index) for index in by_lot}
        drawn.append(list(of_owner.values())[: plan.num_pairs])
    count = min(map(len, drawn))
    if count < LEAST_PAIRS:
        raise DataError(f"{count} pairs of {audited.unit}s show nothing about inversion; name more pictures")
    pairs = Subset(kinds[0], drawn[0][:count]), Subset(kinds[1], drawn[1][:count])
    attacker = Attacker(audited.model, audited.start, audited.labels, audited.canvas)
    copied = Attacker(rehearsed.copied, audited.model, audited.labels, audited.canvas)
    control = rehearsed.pairs(count)
    mu = None if audited.epsilon is None else mu_of_epsilon(audited.epsilon, audited.delta)
    with progress("draw pictures back", num_searches(attacker, pairs) + num_searches(copied, control)) as advance:
        return inversion(plan, attacker, copied, pairs, control, mu=mu, alpha=alpha, seed=seed, advance=advance)


def _result(name: str, members: Scores, others: Scores, confidence: float) -> AttackResult:
    """One attack's numbers."""
    area, interval = area_under_curve(members, others, confidence)
    points = [operating_point(members, others, rate, confidence) for rate in FALSE_POSITIVE_RATES]
    false, true = curve(members, others)
    return AttackResult(
        name, area, interval, [point for point in points if point is not None], false.tolist(), true.tolist()
    )


def _problems(
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
