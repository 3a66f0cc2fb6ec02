"""Attacks on made-up tables: they find what is there, and are no luckier than they say where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from discreet.auditing.attacks import ATTACKS, chosen_attacks, learned_on_half, residuals
from discreet.auditing.curves import area_under_curve
from discreet.auditing.evidence import NAMES, Evidence, Table
from discreet.errors import ConfigurationError

NUM = 200


def evidence(leak: float, seed: int, num: int = NUM, reference: bool = True) -> Evidence:
    """Pictures that differ in how hard they are, and members whose signals grew by `leak`."""
    rng = np.random.default_rng([3, seed])
    is_member = np.arange(2 * num) < num
    hardness = rng.normal(0, 3, (2 * num, 1))
    start = hardness + rng.normal(0, 0.3, (2 * num, len(NAMES)))
    signals = start + rng.normal(0, 1, start.shape) + leak * is_member[:, None]
    looks = np.hstack([hardness + rng.normal(0, 0.5, hardness.shape), rng.normal(size=(2 * num, 4))])
    return Evidence(is_member, signals, start if reference else None, looks)


def area(name: str, of: Evidence) -> float:
    rehearsal = evidence(4.0, seed=99, num=24)
    inside, outside = ATTACKS[name](of, rehearsal).split(of.is_member)
    return area_under_curve(inside, outside, 0.95)[0]


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_finds_a_leak_and_only_a_leak(name: str) -> None:
    assert area(name, evidence(3.0, seed=0)) > 0.7
    harmless = evidence(0.0, seed=1)
    _, (low, high) = area_under_curve(
        *ATTACKS[name](harmless, evidence(4.0, 99, 24)).split(harmless.is_member), confidence=0.999
    )
    assert low < 0.5 < high


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_does_without_a_start(name: str) -> None:
    assert area(name, evidence(6.0, seed=0, reference=False)) > 0.7


def test_what_a_picture_costs_the_start_is_taken_into_account() -> None:
    of = evidence(1.5, seed=2)
    assert area("calibrated", of) > area("loss", of) + 0.1
    assert area("quantile", of) > area("loss", of) + 0.1
    assert area("combined", of) > area("calibrated", of), "ten signals say more than one"


def alarms(tables: list[Table], learn_on_what_is_counted: bool) -> int:
    """Harmless tables that a learned attack tells members by, at 5 %."""
    found = 0
    for table in tables:
        is_member = np.arange(len(table)) < len(table) // 2
        if learn_on_what_is_counted:
            difference = table[is_member].mean(0) - table[~is_member].mean(0)
            inside, outside = table[is_member] @ difference, table[~is_member] @ difference
        else:
            inside, outside = learned_on_half(table, is_member).split(is_member)
        low, high = area_under_curve(inside, outside, 0.95)[1]
        found += not low <= 0.5 <= high
    return found


def test_learned_scores_raise_no_more_alarms_than_they_may() -> None:
    tables = [np.random.default_rng([4, seed]).normal(size=(120, 12)) for seed in range(400)]
    assert alarms(tables, learn_on_what_is_counted=False) <= 31
    assert alarms(tables, learn_on_what_is_counted=True) > 300, "the mistake"


def test_residuals_raise_no_more_alarms_than_they_may() -> None:
    found = 0
    for seed in range(400):
        of = evidence(0.0, seed, num=60)
        scores = residuals(of.looks, of.signals[:, 0], ~of.is_member)
        low, high = area_under_curve(scores[of.is_member], scores[~of.is_member], 0.95)[1]
        found += not low <= 0.5 <= high
    assert found <= 31


def test_subjects_are_trials_of_their_own() -> None:
    of = evidence(1.0, seed=5, num=4)
    owners = ["b", "b", "a", "a", "z", "z", "z", "y"]
    merged = of.of_owners(owners)
    assert merged.is_member.tolist() == [True, True, False, False]
    np.testing.assert_allclose(merged.signals[1], of.signals[:2].mean(0))
    assert merged.reference is not None
    assert of.reference is not None
    np.testing.assert_allclose(merged.reference[3], of.reference[4:7].mean(0))


def test_unknown_attacks_are_refused() -> None:
    assert chosen_attacks("loss, combined,loss") == ["loss", "combined"]
    assert chosen_attacks(None) == list(ATTACKS)
    for wrong in ("lira", "", "loss,magic"):
        with pytest.raises(ConfigurationError, match="choose among"):
            chosen_attacks(wrong)
