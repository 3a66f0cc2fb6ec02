"""The privacy statement: what a run guarantees, by which means, and what it does not. Never loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

import discreet
from discreet.errors import PlanError
from discreet.privacy.accountant import (
    MU_RATE_FLOOR,
    accountant_name,
    attacker_tpr,
    epsilon_of,
    mu_of,
    mu_regret,
    replace_one_epsilon,
)
from discreet.privacy.cross_check import cross_check
from discreet.privacy.ledger_store import Head
from discreet.privacy.noise import MITIGATION
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.randomness import GENERATOR
from discreet.privacy.statement_text import (
    DATA_TOUCHES,
    RELEASED,
    WITH_TEST_KEY,
    WITHOUT_PRIVACY,
    contribution_bound,
    guessable_sentence,
    limits,
    ordinary_sentence,
    private_sentence,
)

_CURVE_DELTAS = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
_FALSE_POSITIVE_RATES = (0.001, 0.01)


class _Part(BaseModel):
    """Frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sentence(_Part):
    """One plain paragraph."""

    en: str
    zh: str


class EpsilonAt(_Part):
    """One point of the δ → ε curve."""

    delta: float
    epsilon: float


class AttackBound(_Part):
    """No membership attack does better, whatever it knows of the other data."""

    false_positive_rate: float
    best_true_positive_rate: float


class Guarantee(_Part):
    """What holds. ε and all that follows from it are None where nothing is guaranteed.

    mu is the smallest Gaussian-DP parameter that covers the mechanism at attackers' error rates
    from mu_covers_rates_from on, and (epsilon, delta); mu_regret says how far its trade-off curve lies
    from the exact one. epsilon_if_replacing_one is for comparison with work that exchanges one unit.
    """

    unit: str
    contribution_bound: str
    neighbouring_relation: str
    released: tuple[str, ...]
    epsilon: float | None
    delta: float | None
    mu: float | None
    mu_regret: float | None
    mu_covers_rates_from: float
    epsilon_curve: tuple[EpsilonAt, ...]
    attacks: tuple[AttackBound, ...]
    epsilon_if_replacing_one: float | None


class Mechanism(_Part):
    """By which means. num_steps were executed, of planned_steps; divisor is public and fixed."""

    sampler: str
    sample_rate: float
    num_samples: int
    num_steps: int
    planned_steps: int
    noise_multiplier: float
    max_grad_norm: float
    clipping: str
    sensitivity: float
    divisor: int
    accountant: str
    cross_check: float | None


class PublicWeights(_Part):
    """Weights the run started from, which the guarantee takes as public."""

    name: str
    sha256: str
    origin: str


class Implementation(_Part):
    """With what it was computed, and of which weights this speaks."""

    generator: str
    floating_point: str
    precision: str
    code_version: str
    config_hash: str
    model_sha256: str | None = None


class LedgerMark(_Part):
    """The ledger's record that closed the run; `ledger verify` compares it."""

    number: int
    hash: str


class PrivacyStatement(_Part):
    """The content of statement.json. *Public.*

    **Guarantees**: `private` is true only for a run by a plan, under a key from the
    operating system; else `reason` says why not, and no ε is given.
    """

    schema_version: Literal[1] = 1
    private: bool
    reason: str | None
    sentence: Sentence
    guarantee: Guarantee | None
    mechanism: Mechanism | None
    data_touches: tuple[str, ...]
    public_weights: tuple[PublicWeights, ...]
    implementation: Implementation
    ledger: LedgerMark | None
    limits: tuple[str, ...]

    def to_json(self) -> str:
        """The text of statement.json."""
        return self.model_dump_json(indent=2) + "\n"


@dataclass(frozen=True)
class RunFacts:
    """What a run knows at its end, beside its plan. *Public.*

    Args:
        steps_executed: steps taken, by the ledger.
        sensitivity: the clipper's; 0 for a run without privacy.
        test_key: `RunKey.is_test`.
        config_hash: of the resolved configuration.
        model_sha256: of the weights that were released.
        ledger: what `Ledger.finish` returned.
        public_weights: that the run started from.
        released: what leaves.
        data_touches: readings of the data that ε does not cover, beside the usual ones.
        views: of a unit, averaged before clipping.
        precision: of the arithmetic.
        code_version: of this project.
    """

    steps_executed: int
    sensitivity: float
    test_key: bool
    config_hash: str
    model_sha256: str | None = None
    ledger: Head | None = None
    public_weights: Sequence[PublicWeights] = ()
    released: Sequence[str] = RELEASED
    data_touches: Sequence[str] = ()
    views: int = 1
    precision: str = "float32 gradients, float64 noise"
    code_version: str = discreet.__version__


def build_statement(plan: PrivacyPlan | None, facts: RunFacts) -> PrivacyStatement:
    """State what a finished run guarantees: the plan's promise for the steps that were executed.

    Raises:
        PlanError: more steps were executed than planned.
    """
    if plan is not None and facts.steps_executed > plan.num_steps:
        raise PlanError(f"{facts.steps_executed} steps were executed, {plan.num_steps} planned; nothing can be stated")
    private = plan is not None and not facts.test_key
    guarantee = None if plan is None else _guarantee(plan, facts)
    return PrivacyStatement(
        private=private,
        reason=None if private else (WITHOUT_PRIVACY if plan is None else WITH_TEST_KEY),
        sentence=_sentence(plan, guarantee),
        guarantee=guarantee,
        mechanism=None if plan is None else _mechanism(plan, facts),
        data_touches=(*DATA_TOUCHES, *facts.data_touches),
        public_weights=tuple(facts.public_weights),
        implementation=Implementation(
            generator=GENERATOR if plan is not None else "none",
            floating_point=MITIGATION if plan is not None else "none",
            precision=facts.precision,
            code_version=facts.code_version,
            config_hash=facts.config_hash,
            model_sha256=facts.model_sha256,
        ),
        ledger=None if facts.ledger is None else LedgerMark(number=facts.ledger.number, hash=facts.ledger.hash),
        limits=limits(None if plan is None else plan.unit),
    )


def _sentence(plan: PrivacyPlan | None, guarantee: Guarantee | None) -> Sentence:
    """The one paragraph that most readers will read."""
    if plan is None or guarantee is None:
        english, chinese = ordinary_sentence()
    elif guarantee.epsilon is None:
        english, chinese = guessable_sentence()
    else:
        bound = guarantee.attacks[-1]
        english, chinese = private_sentence(
            plan, guarantee.epsilon, bound.false_positive_rate, bound.best_true_positive_rate
        )
    return Sentence(en=english, zh=chinese)


def _guarantee(plan: PrivacyPlan, facts: RunFacts) -> Guarantee:
    """ε and what follows from it, unless the key can be guessed."""
    event = plan.event(facts.steps_executed)
    holds = not facts.test_key
    points = [EpsilonAt(delta=delta, epsilon=epsilon_of(event, delta)) for delta in _CURVE_DELTAS if holds]
    rates = [(rate, attacker_tpr(event, rate)) for rate in _FALSE_POSITIVE_RATES if holds]
    return Guarantee(
        unit=plan.unit,
        contribution_bound=contribution_bound(plan, facts.views),
        neighbouring_relation=plan.neighbouring_relation,
        released=tuple(facts.released),
        epsilon=epsilon_of(event, plan.delta) if holds else None,
        delta=plan.delta if holds else None,
        mu=mu_of(event, plan.delta) if holds else None,
        mu_regret=mu_regret(event, plan.delta) if holds else None,
        mu_covers_rates_from=MU_RATE_FLOOR,
        epsilon_curve=tuple(points),
        attacks=tuple(AttackBound(false_positive_rate=f, best_true_positive_rate=t) for f, t in rates),
        epsilon_if_replacing_one=replace_one_epsilon(event, plan.delta) if holds else None,
    )


def _mechanism(plan: PrivacyPlan, facts: RunFacts) -> Mechanism:
    """The plan's numbers as they were used."""
    executed = None
    if facts.steps_executed > 0:
        executed = PrivacyPlan.model_validate({**plan.model_dump(), "num_steps": facts.steps_executed})
    return Mechanism(
        sampler="Poisson, each unit by a 64-bit integer coin of its own",
        sample_rate=plan.sample_rate,
        num_samples=plan.num_samples,
        num_steps=facts.steps_executed,
        planned_steps=plan.num_steps,
        noise_multiplier=plan.noise_multiplier,
        max_grad_norm=plan.max_grad_norm,
        clipping=plan.clipping,
        sensitivity=facts.sensitivity,
        divisor=plan.expected_batch_size,
        accountant=accountant_name(),
        cross_check=None if executed is None else cross_check(executed),
    )
