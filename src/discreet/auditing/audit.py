"""An audit of a run: what its model tells an attacker about who was trained on, with controls, and a verdict.

All statements of one audit hold together at its confidence: the chance of error is divided among the gates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discreet.auditing.answers import KINDS, Answers, answers_of, evidence_of_answers
from discreet.auditing.attacks import ATTACKS, BLIND_TO_COINS, BLIND_WITHOUT_START, Scored, learned_on_half, rehearsed
from discreet.auditing.audited import Audited, Canaries
from discreet.auditing.bounds import Bound, bounds_of, one_run_bounds
from discreet.auditing.evidence import Evidence
from discreet.auditing.gates import gate_alpha
from discreet.auditing.inversion import LEAST_PAIRS, Attacker, Inversion, InversionPlan, inversion, num_searches
from discreet.auditing.looks import looks_of
from discreet.auditing.pool import Pool, draw_pool, require_enough
from discreet.auditing.rehearsal import Rehearsal, rehearse
from discreet.auditing.result import AttackResult, Audit, attack_result, problems_of
from discreet.auditing.shadows import ShadowRecipe, shadow_tables
from discreet.auditing.signals import signals_of
from discreet.data.joined import Joined
from discreet.data.samples import SampleSource, require_subjects
from discreet.data.subset import Subset
from discreet.errors import DataError
from discreet.m2fp import M2FP
from discreet.privacy.gaussian import mu_of_epsilon
from discreet.training.surroundings import Progress

Judge = Callable[[str, Scored, Evidence], AttackResult]


@dataclass(frozen=True)
class AuditPlan:
    """How a model is attacked.

    Args:
        attacks: names of ATTACKS, of BLIND_TO_COINS one at least: as `chosen_attacks` gives them.
        at_most: pictures of each kind; others are left out by lot.
        shadows: how to train shadow models, for attacks that need them.
        answers: whether to try what each kind of answer of a service gives away.
        inverting: how to try model inversion.
        confidence: of all statements together.
        seed: of lots.
    """

    attacks: Sequence[str]
    at_most: int | None = None
    shadows: ShadowRecipe | None = None
    answers: bool = False
    inverting: InversionPlan | None = None
    confidence: float = 0.95
    seed: int = 0

    def bounded(self, *, with_start: bool) -> str:
        """The attack that bounds on ε are counted from: it never looks at who is a member."""
        best_first = BLIND_TO_COINS if with_start else BLIND_WITHOUT_START
        return next(name for name in best_first if name in self.attacks)

    def num_gates(self, *, with_canaries: bool, with_start: bool) -> int:
        """How many statements share the chance of error."""
        bounds, controls = (4 if with_canaries else 2), (3 if with_start else 2)
        inverted = 0 if self.inverting is None else self.inverting.num_gates
        return len(self.attacks) + bounds + controls + (len(KINDS) if self.answers else 0) + inverted


def audit(
    audited: Audited,
    members: SampleSource,
    non_members: SampleSource,
    plan: AuditPlan,
    *,
    canaries: Canaries | None = None,
    progress: Progress,
) -> Audit:
    """Attack a model.

    Args:
        audited: model, start, claim.
        members: pictures that it was trained on. *SENSITIVE*
        non_members: pictures of the same pool, told from members by lot. *SENSITIVE*
        plan: how.
        canaries: where members and non-members are what coins let into the run, and left out of it.
        progress: shows bars.

    Raises:
        DataError: too few pictures, some that are both, other parts than the model's, or no subjects where these
            are the unit.
        WeightsError: the start tells other parts apart.
    """
    started = time.monotonic()
    with_start = audited.start is not None
    pool = draw_pool(audited, members, non_members, canaries, plan.at_most, plan.seed, progress)
    rehearsal = rehearse(audited, pool.reserved, plan.seed, progress)
    evidence = _gather(audited, pool, plan, progress)
    inside = evidence.is_member
    require_enough(int(inside.sum()), int((~inside).sum()), audited.unit)
    alpha = gate_alpha(1 - plan.confidence, plan.num_gates(with_canaries=canaries is not None, with_start=with_start))

    def judged(name: str, scored: Scored, of: Evidence = evidence) -> AttackResult:
        return attack_result(name, *scored.split(of.is_member), 1 - alpha)

    scored = {name: ATTACKS[name](evidence, rehearsal.evidence) for name in plan.attacks}
    results = [judged(name, scored[name]) for name in plan.attacks]
    bounded = plan.bounded(with_start=with_start)
    controls = _controls(evidence, rehearsal, bounded, judged)
    answers = _answered(audited, pool, rehearsal, judged, progress) if plan.answers else []
    drawn = None if plan.inverting is None else _inverted(plan, audited, pool, rehearsal, alpha, progress)
    return Audit(
        epsilon=audited.epsilon,
        delta=audited.delta,
        unit=audited.unit,
        num_members=int(inside.sum()),
        num_non_members=int((~inside).sum()),
        confidence=plan.confidence,
        attacks=results,
        bounded=bounded,
        bounds=_bounds(scored[bounded], inside, audited.delta, alpha, plan.seed, canaries),
        blind=controls.blind,
        negative_control=controls.negative,
        positive_control=controls.positive,
        problems=problems_of(controls.blind, controls.negative, controls.positive, [*results, *answers], drawn),
        num_shadows=0 if plan.shadows is None else plan.shadows.count,
        answers=answers,
        inversion=drawn,
        model_sha256=audited.model_sha256,
        exposed=_surest(pool, scored[bounded], evidence),
        seconds=round(time.monotonic() - started, 1),
    )


@dataclass(frozen=True)
class _Controls:
    """What must find nothing without the model, and in its start, and what must be found in an over-fitted copy."""

    blind: AttackResult
    negative: AttackResult | None
    positive: AttackResult


def _controls(evidence: Evidence, rehearsal: Rehearsal, bounded: str, judged: Judge) -> _Controls:
    """The same attack, where the truth is known."""
    blind = judged("blind", learned_on_half(evidence.looks, evidence.is_member), evidence)
    negative = None
    if evidence.reference is not None:
        of_start = replace(evidence, signals=evidence.reference, reference=None)
        negative = judged("negative control", ATTACKS[bounded](of_start, rehearsal.evidence), evidence)
    copied = ATTACKS["calibrated"](rehearsal.evidence, rehearsal.evidence)
    return _Controls(blind, negative, judged("positive control", copied, rehearsal.evidence))


def _bounds(
    scored: Scored,
    inside: NDArray[np.bool_],
    delta: float,
    alpha: float,
    seed: int,
    canaries: Canaries | None,
) -> list[Bound]:
    """Lower bounds on ε; by guesses against coins where canaries were planted."""
    bounds = bounds_of(*scored.split(inside), delta, alpha, seed)
    if canaries is not None:
        bounds += one_run_bounds(scored.scores, inside, canaries.num_guesses, delta, alpha)
    return bounds


def _surest(pool: Pool, scored: Scored, evidence: Evidence) -> list[str]:
    """Names of members, those first that an attack is surest of. *SENSITIVE*"""
    trials, names = np.flatnonzero(evidence.is_member & scored.counted), pool.names
    return [names[index] for index in trials[np.argsort(-scored.scores[trials], kind="stable")]]


def _gather(audited: Audited, pool: Pool, plan: AuditPlan, progress: Progress) -> Evidence:
    """Signals and looks of all trials: of pictures, or of their owners."""
    trials = Joined((pool.inside, pool.outside))
    tables = []
    for model, of in _asked(audited):
        with progress(f"ask {of}", len(trials)) as advance:
            tables.append(signals_of(model, trials, audited.labels, audited.canvas, advance=advance))
    looks = np.array([looks_of(trials[index], audited.labels) for index in range(len(trials))])
    told = None
    if plan.shadows is not None:
        with progress("train shadow models", plan.shadows.count) as advance:
            told = shadow_tables(plan.shadows, trials, audited.canvas, audited.unit, seed=plan.seed, advance=advance)
    evidence = Evidence(_is_member(pool), tables[0], tables[1] if len(tables) > 1 else None, looks, told)
    return evidence if pool.owners is None else evidence.of_owners(pool.owners)


def _answered(
    audited: Audited, pool: Pool, rehearsal: Rehearsal, judged: Judge, progress: Progress
) -> list[AttackResult]:
    """An attack by each kind of answer, rehearsed on the over-fitted copy's."""

    def asked(model: M2FP, of: str, source: SampleSource) -> Answers:
        with progress(f"see what {of} answers", len(source)) as advance:
            return answers_of(model, source, audited.labels, audited.canvas, advance=advance)

    trials = Joined((pool.inside, pool.outside))
    tables = [asked(model, of, trials) for model, of in _asked(audited)]
    reference = tables[1] if len(tables) > 1 else None
    held = evidence_of_answers(tables[0], reference, _is_member(pool), pool.owners)
    copied = asked(rehearsal.copied, "the copy", rehearsal.source)
    before = asked(audited.model, "the model", rehearsal.source)
    practised = evidence_of_answers(copied, before, rehearsal.evidence.is_member, None)
    return [judged(kind, rehearsed(held[kind], practised[kind]), held[kind]) for kind in KINDS]


def _asked(audited: Audited) -> list[tuple[M2FP, str]]:
    """The model, and its public start where there is one."""
    start = [] if audited.start is None else [(audited.start, "its public start")]
    return [(audited.model, "the model"), *start]


def _is_member(pool: Pool) -> np.ndarray:
    """Of each trial's picture."""
    return np.arange(len(pool.inside) + len(pool.outside)) < len(pool.inside)


def _inverted(
    plan: AuditPlan, audited: Audited, pool: Pool, rehearsal: Rehearsal, alpha: float, progress: Progress
) -> Inversion:
    """Draw some members and as many others back; one picture of a subject where subjects are the unit."""
    how = plan.inverting
    assert how is not None
    rng = np.random.default_rng([plan.seed, 2])
    drawn = []
    for source in (pool.inside, pool.outside):
        owners = require_subjects(source) if audited.unit == "subject" else range(len(source))
        by_lot = rng.permutation(len(source))
        of_owner = {owners[index]: int(index) for index in by_lot}
        drawn.append(list(of_owner.values())[: how.num_pairs])
    count = min(map(len, drawn))
    if count < LEAST_PAIRS:
        raise DataError(f"{count} pairs of {audited.unit}s show nothing about inversion; name more pictures")
    pairs = Subset(pool.inside, drawn[0][:count]), Subset(pool.outside, drawn[1][:count])
    attacker = Attacker(audited.model, audited.start, audited.labels, audited.canvas)
    copied = Attacker(rehearsal.copied, audited.model, audited.labels, audited.canvas)
    control = rehearsal.pairs(count)
    mu = None if audited.epsilon is None else mu_of_epsilon(audited.epsilon, audited.delta)
    with progress("draw pictures back", num_searches(attacker, pairs) + num_searches(copied, control)) as advance:
        return inversion(how, attacker, copied, pairs, control, mu=mu, alpha=alpha, seed=plan.seed, advance=advance)
