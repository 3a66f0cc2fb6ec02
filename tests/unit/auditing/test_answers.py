"""What answers give away: numbers of known answers; attacks by them on what is known by heart, and on what is not."""

from __future__ import annotations

import numpy as np
import pytest

from discreet.auditing.answers import KINDS, evidence_of_answers
from discreet.auditing.attacks import rehearsed
from discreet.auditing.curves import area_under_curve
from discreet.labels import CIHP, IGNORED
from discreet.parsing.results import ParseResult

SIDE = 40


def truth() -> np.ndarray:
    """Two parts on a background."""
    parts = np.zeros((SIDE, SIDE), np.uint8)
    parts[8:32, 8:20], parts[8:32, 20:32] = 2, 5
    return parts


def answer(parts: np.ndarray) -> ParseResult:
    return ParseResult(parts, (), CIHP, None)


def test_a_perfect_answer_agrees_in_every_kind() -> None:
    for kind, numbers in KINDS.items():
        found = numbers(answer(truth()), truth())
        assert found[: 1 if kind == "names" else 3] == [1.0] * (1 if kind == "names" else 3), kind


def test_a_shifted_contour_is_seen_beside_changes_first() -> None:
    shifted = np.roll(truth(), 1, 1)
    everywhere, beside, shares = KINDS["label map"](answer(shifted), truth())
    assert beside < everywhere < 1
    assert shares < 1
    assert KINDS["names"](answer(shifted), truth()) == [1.0]


def test_a_policy_hides_what_it_takes_away() -> None:
    """A spot of one pixel is gone in what is smoothed or made small."""
    spotted = truth()
    spotted[3, 3] = 7
    assert KINDS["label map"](answer(spotted), truth())[0] < 1
    assert KINDS["smoothed"](answer(spotted), truth())[0] == 1
    assert KINDS["small"](answer(spotted), truth())[0] == 1
    assert KINDS["names"](answer(spotted), truth())[0] == pytest.approx(3 / 4)


def test_what_nobody_labelled_says_nothing() -> None:
    parts = truth()
    parts[:8] = IGNORED
    wrong = truth()
    wrong[:8] = 11
    assert KINDS["label map"](answer(wrong), parts)[0] == 1
    nothing = np.full((SIDE, SIDE), IGNORED, np.uint8)
    assert all(np.isfinite(numbers(answer(truth()), nothing)).all() for numbers in KINDS.values())


def tables(seed: int, count: int, memory: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Answers of a model that knows its first half better by so much, but for names."""
    rng = np.random.default_rng([5, seed])
    is_member = np.arange(count) < count // 2
    better = memory * is_member[:, None]
    return {
        kind: rng.normal(size=(count, 6 if kind == "scores" else 1 if kind == "names" else 3))
        + (0 if kind == "names" else better)
        for kind in KINDS
    }, is_member


def alarms(memory: float, num_audits: int) -> dict[str, int]:
    """How many audits at 95 % say that answers of a kind tell members apart."""
    found = dict.fromkeys(KINDS, 0)
    for seed in range(num_audits):
        own, is_member = tables(2 * seed, 200, memory)
        copied, learned = tables(2 * seed + 1, 48, 2.0)
        held = evidence_of_answers(own, None, is_member, None)
        practised = evidence_of_answers(copied, None, learned, None)
        for kind in KINDS:
            scored = rehearsed(held[kind], practised[kind])
            found[kind] += area_under_curve(*scored.split(is_member), 0.95)[1][0] > 0.5
    return found


def test_a_memory_is_seen_in_every_answer_that_shows_it() -> None:
    found = alarms(memory=0.8, num_audits=20)
    assert found.pop("names") <= 3
    assert set(found.values()) == {20}


def test_harmless_models_raise_few_alarms() -> None:
    """One-sided 2.5 % of 400: 18 are the 99 % point."""
    assert max(alarms(memory=0.0, num_audits=400).values()) <= 18


def test_owners_are_trials_where_they_are_the_unit() -> None:
    own, is_member = tables(0, 8, 1.0)
    owners = [f"{'+' if inside else '-'}{index // 2}" for index, inside in enumerate(is_member)]
    found = evidence_of_answers(own, own, is_member, owners)["label map"]
    assert found.signals.shape == (4, 3)
    assert found.reference is not None
    np.testing.assert_allclose(found.signals, found.reference)
