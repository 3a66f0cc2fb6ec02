"""A statement says what holds, by numbers of its run, and admits when nothing does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import pytest

from discreet.errors import PlanError
from discreet.privacy.accountant import attacker_tpr, epsilon_of
from discreet.privacy.ledger_store import Head
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.statement import PrivacyStatement, PublicWeights, RunFacts, build_statement

PLAN = PrivacyPlan.for_noise(noise_multiplier=3.0, num_samples=1000, expected_batch_size=100, num_steps=20)
WEIGHTS = PublicWeights(name="m2fp-lite", sha256="ab" * 32, origin="generated people")


def facts(steps: int = 20, *, test_key: bool = False) -> RunFacts:
    return RunFacts(
        steps_executed=steps,
        sensitivity=1.001,
        test_key=test_key,
        config_hash="c0ffee",
        ledger=Head(7, "d" * 64),
        public_weights=[WEIGHTS],
        data_touches=["class weights"],
    )


@pytest.fixture(scope="module")
def private() -> PrivacyStatement:
    return build_statement(PLAN, facts())


def test_a_private_run_states_its_guarantee(private: PrivacyStatement) -> None:
    guarantee = private.guarantee
    assert private.private
    assert private.reason is None
    assert guarantee is not None
    assert guarantee.epsilon == PLAN.epsilon
    assert guarantee.mu == PLAN.mu
    assert (guarantee.unit, guarantee.delta) == ("image", 1e-5)
    assert guarantee.epsilon_if_replacing_one is not None
    assert guarantee.epsilon_if_replacing_one > PLAN.epsilon
    deltas = [point.delta for point in guarantee.epsilon_curve]
    epsilons = [point.epsilon for point in guarantee.epsilon_curve]
    assert deltas == sorted(deltas)
    assert epsilons == sorted(epsilons, reverse=True)
    assert guarantee.attacks[1].best_true_positive_rate == attacker_tpr(PLAN.event(), 0.01)


@pytest.mark.parametrize(
    ("unit", "views", "said"),
    [
        ("image", 1, "one image's gradient"),
        ("image", 4, "the average gradient of 4 views of one image"),
        ("subject", 1, "the gradient of the one image that a person gives"),
        ("subject", 4, "the average gradient of 4 views of the images that a person gives"),
    ],
)
def test_a_statement_says_what_of_a_unit_is_bounded(unit: Literal["image", "subject"], views: int, said: str) -> None:
    plan = PLAN.model_copy(update={"unit": unit})
    guarantee = build_statement(plan, replace(facts(), views=views)).guarantee
    assert guarantee is not None
    assert guarantee.contribution_bound.startswith(f"{said} is bounded to 2-norm 1 ")


def test_a_private_run_states_its_mechanism(private: PrivacyStatement) -> None:
    mechanism = private.mechanism
    assert mechanism is not None
    assert (mechanism.num_steps, mechanism.divisor, mechanism.sample_rate) == (20, 100, 0.1)
    assert (mechanism.noise_multiplier, mechanism.sensitivity) == (3.0, 1.001)
    assert mechanism.cross_check == pytest.approx(PLAN.epsilon, rel=0.02)
    assert "AES" in private.implementation.generator
    assert private.ledger is not None
    assert private.ledger.number == 7
    assert "class weights" in private.data_touches
    assert private.public_weights == (WEIGHTS,)


def test_the_sentence_is_plain_and_in_two_languages(private: PrivacyStatement) -> None:
    assert f"epsilon = {PLAN.epsilon:.2f}"[:-1] in private.sentence.en
    assert "差分隐私" in private.sentence.zh
    assert "\n" not in private.sentence.en + private.sentence.zh


def test_a_statement_survives_its_file(private: PrivacyStatement) -> None:
    text = private.to_json()
    assert PrivacyStatement.model_validate_json(text) == private
    assert json.loads(text)["guarantee"]["neighbouring_relation"] == "add_or_remove_one"


def test_only_executed_steps_are_stated() -> None:
    statement = build_statement(PLAN, facts(steps=5))
    assert statement.guarantee is not None
    assert statement.guarantee.epsilon == epsilon_of(PLAN.event(5), PLAN.delta) < PLAN.epsilon
    assert statement.mechanism is not None
    assert (statement.mechanism.num_steps, statement.mechanism.planned_steps) == (5, 20)
    with pytest.raises(PlanError, match="21 steps"):
        build_statement(PLAN, facts(steps=21))


def test_a_test_key_makes_a_run_not_private() -> None:
    statement = build_statement(PLAN, facts(test_key=True))
    assert not statement.private
    assert "test key" in (statement.reason or "")
    assert statement.guarantee is not None
    numbers = statement.guarantee.model_dump()
    assert all(numbers[name] is None for name in ("epsilon", "delta", "mu", "epsilon_if_replacing_one"))
    assert not statement.guarantee.epsilon_curve
    assert not statement.guarantee.attacks
    assert "not private" in statement.sentence.en


def test_an_ordinary_run_promises_nothing() -> None:
    statement = build_statement(None, facts())
    assert not statement.private
    assert statement.guarantee is None
    assert statement.mechanism is None
    assert "without differential privacy" in statement.sentence.en
    assert "未采用差分隐私" in statement.sentence.zh


def test_a_run_by_subject_speaks_of_people() -> None:
    by_subject = PrivacyPlan.model_validate({**PLAN.model_dump(), "unit": "subject"})
    statement = build_statement(by_subject, facts())
    assert "person" in statement.sentence.en
    assert not any("image by image" in limit for limit in statement.limits)
