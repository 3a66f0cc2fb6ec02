"""Attacks on made-up tables: they find what is there, and are no luckier than they say where nothing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from discreet.auditing.attacks import (
    ATTACKS,
    BLIND_TO_COINS,
    BLIND_WITHOUT_START,
    NEED_SHADOWS,
    chosen_attacks,
    learned_on_half,
    residuals,
)
from discreet.auditing.audit import AuditPlan
from discreet.auditing.curves import area_under_curve
from discreet.auditing.evidence import NAMES, Evidence, ShadowTables, Table
from discreet.auditing.shadow_attacks import lira
from discreet.auditing.shadows import halves
from discreet.errors import ConfigurationError

NUM = 200


NUM_SHADOWS = 8


def evidence(leak: float, seed: int, num: int = NUM, reference: bool = True) -> Evidence:
    """Pictures that differ in how hard they are, and members whose signals grew by `leak`, in shadows likewise."""
    rng = np.random.default_rng([3, seed])
    is_member = np.arange(2 * num) < num
    hardness = rng.normal(0, 3, (2 * num, 1))
    start = hardness + rng.normal(0, 0.3, (2 * num, len(NAMES)))
    signals = start + rng.normal(0, 1, start.shape) + leak * is_member[:, None]
    looks = np.hstack([hardness + rng.normal(0, 0.5, hardness.shape), rng.normal(size=(2 * num, 4))])
    inside = halves([str(index) for index in range(2 * num)], NUM_SHADOWS, seed)
    said = start + rng.normal(0, 1, (NUM_SHADOWS, *start.shape)) + leak * inside[..., None]
    return Evidence(is_member, signals, start if reference else None, looks, ShadowTables(said, inside))


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


def test_shadows_tell_an_easy_picture_from_a_learned_one() -> None:
    of = evidence(1.0, seed=2)
    assert area("lira", of) > area("loss", of) + 0.2
    assert area("lira-offline", of) > area("loss", of) + 0.1
    assert area("rmia", of) > area("loss", of) + 0.1
    assert area("lira", of) > area("lira-offline", of) + 0.1, "ten signals say more than one"


@pytest.mark.parametrize("name", NEED_SHADOWS)
def test_shadow_attacks_raise_no_more_alarms_than_they_may(name: str) -> None:
    """Shadows leak, the audited model does not."""
    found = 0
    for seed in range(400):
        leaking, harmless = evidence(1.0, seed, num=40), evidence(0.0, seed, num=40)
        of = replace(harmless, shadows=leaking.shadows)
        low, high = area_under_curve(*ATTACKS[name](of, of).split(of.is_member), 0.95)[1]
        found += not low <= 0.5 <= high
    assert found <= 31


def test_few_shadows_are_not_trusted_beyond_what_they_show() -> None:
    """With two models that learned each trial, its own difference is mostly chance: all together say what it is."""
    rng = np.random.default_rng(7)
    inside = halves([str(index) for index in range(400)], 4, 0)
    own = rng.normal(size=(400, len(NAMES)))
    said = own + rng.normal(0, 1, (4, *own.shape)) + 0.5 * inside[..., None]
    is_member = np.arange(400) < 200
    scores = lira(own + rng.normal(0, 1, own.shape) + 0.5 * is_member[:, None], ShadowTables(said, inside))
    middle = (said * inside[..., None]).sum(0) / 2, (said * ~inside[..., None]).sum(0) / 2
    unshrunk = ((own - sum(middle) / 2) * (middle[0] - middle[1])).sum(1)
    found = [area_under_curve(s[is_member], s[~is_member], 0.95)[0] for s in (scores, unshrunk)]
    assert found[0] > 0.65 > found[1]


def test_halves_are_halves_and_keep_owners_together() -> None:
    owners = ["b", "b", "a", "c", "c", "c", "d"]
    inside = halves(owners, 6, seed=3)
    assert (inside.sum(0) == 3).all()
    for owner in set(owners):
        assert len({tuple(column) for column, whose in zip(inside.T, owners, strict=True) if whose == owner}) == 1
    assert (halves(owners, 6, seed=3) == inside).all()
    assert (halves(owners, 6, seed=4) != inside).any()


def test_subjects_are_trials_of_their_own() -> None:
    of = evidence(1.0, seed=5, num=4)
    owners = ["b", "b", "a", "a", "z", "z", "z", "y"]
    merged = of.of_owners(owners)
    assert merged.is_member.tolist() == [True, True, False, False]
    np.testing.assert_allclose(merged.signals[1], of.signals[:2].mean(0))
    assert merged.reference is not None
    assert of.reference is not None
    np.testing.assert_allclose(merged.reference[3], of.reference[4:7].mean(0))
    assert merged.shadows is not None
    assert of.shadows is not None
    np.testing.assert_allclose(merged.shadows.signals[2, 1], of.shadows.signals[2, :2].mean(0))
    assert merged.shadows.inside.shape == (NUM_SHADOWS, 4)


def test_unknown_attacks_are_refused() -> None:
    assert chosen_attacks("loss, combined,loss") == ["loss", "combined"]
    assert chosen_attacks(None) == [name for name in ATTACKS if name not in NEED_SHADOWS]
    assert chosen_attacks(None, shadows=True) == list(ATTACKS)
    for wrong in ("", "loss,magic"):
        with pytest.raises(ConfigurationError, match="choose among"):
            chosen_attacks(wrong)
    with pytest.raises(ConfigurationError, match="--shadows 16"):
        chosen_attacks("loss,lira")
    with pytest.raises(ConfigurationError, match="of use to lira"):
        chosen_attacks("loss", shadows=True)


def told_members_apart(name: str, of: Evidence) -> bool:
    """Whether scores change when the coins fall otherwise and nothing else does."""
    other = replace(of, is_member=np.random.default_rng(8).permutation(of.is_member))
    scores, again = (ATTACKS[name](one, evidence(4.0, 99, 24)).scores for one in (of, other))
    return not np.array_equal(scores, again)


def test_bounds_are_never_counted_from_an_attack_that_looks_at_coins() -> None:
    of = evidence(1.0, seed=0)
    looking = [name for name in ATTACKS if told_members_apart(name, of)]
    assert looking == ["quantile", "supervised"]
    for names in (looking, looking[:1], looking[1:]):
        assert chosen_attacks(",".join(names)) == [*names, "loss"]
    assert set(BLIND_TO_COINS) == set(BLIND_WITHOUT_START) == set(ATTACKS) - set(looking)
    assert chosen_attacks("quantile,loss") == ["quantile", "loss"]


@pytest.mark.parametrize(
    ("attacks", "with_start", "bounded"),
    [
        (tuple(ATTACKS), True, "lira"),
        (("loss", "combined", "calibrated"), True, "calibrated"),
        (("loss", "combined", "calibrated"), False, "combined"),
        (("quantile", "supervised", "loss"), True, "loss"),
        (("quantile", "rmia"), True, "rmia"),
        (("supervised", "calibrated"), False, "calibrated"),
    ],
)
def test_bounds_are_counted_from_the_strongest_attack_that_knows_no_member(
    attacks: tuple[str, ...], with_start: bool, bounded: str
) -> None:
    """Without a start "calibrated" is the loss alone."""
    assert AuditPlan(attacks).bounded(with_start=with_start) == bounded
