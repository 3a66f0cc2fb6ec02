"""What is disclosed is coarse in every part of a result alike, and what is thin is gone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discreet.errors import ConfigurationError
from discreet.labels import label_set
from discreet.parsing.disclosure import Disclosure, disclose
from discreet.parsing.results import ParseResult, Person, box_around

LABELS = label_set("cihp")


def result(parts: np.ndarray, ids: np.ndarray) -> ParseResult:
    """Persons by ids, and a picture that shows the parts."""
    persons = []
    for number in range(1, int(ids.max()) + 1):
        mask = ids == number
        own = np.where(mask, parts, 0).astype(np.uint8)
        scores = {int(part): 0.5 for part in np.unique(own) if part}
        persons.append(Person(0.5, box_around(mask), mask, own, scores))
    return ParseResult(parts, tuple(persons), LABELS, np.repeat(parts[..., None] * 10, 3, axis=2).astype(np.uint8))


@st.composite
def results(draw: st.DrawFn) -> ParseResult:
    """Blocks of parts of up to two persons."""
    height, width = draw(st.integers(4, 40)), draw(st.integers(4, 40))
    parts, ids = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    for number in range(1, draw(st.integers(0, 2)) + 1):
        left = (number - 1) * width // 2
        for _ in range(draw(st.integers(1, 3))):
            top, bottom = sorted(draw(st.tuples(st.integers(0, height - 1), st.integers(1, height))))
            parts[top : max(bottom, top + 1), left : left + width // 2] = draw(st.integers(1, 19))
        ids[(parts > 0) & (ids == 0)] = number
    return result(parts, ids)


@given(results(), st.integers(0, 30), st.integers(0, 5))
def test_parts_persons_and_picture_agree(before: ParseResult, side_px: int, smooth_px: int) -> None:
    after = disclose(before, Disclosure(side_px, smooth_px))
    shape = after.parts.shape
    assert max(shape) <= (side_px or max(before.parts.shape))
    assert after.image is not None
    assert after.image.shape == (*shape, 3)
    assert set(np.unique(after.parts)) <= set(np.unique(before.parts))
    for person in after.persons:
        assert person.mask.shape == shape
        assert person.box == box_around(person.mask)
        assert ((person.parts > 0) <= person.mask).all()
        assert (person.parts[person.mask] == after.parts[person.mask]).all()
        assert set(person.part_scores) <= set(np.unique(person.parts)) - {0}
    owners = sum((person.mask.astype(int) for person in after.persons), np.zeros(shape, int))
    assert owners.max(initial=0) <= 1


@given(results())
def test_no_policy_changes_nothing(before: ParseResult) -> None:
    assert disclose(before, Disclosure()) is before


def test_what_is_thinner_than_the_radius_goes_and_what_is_wide_stays() -> None:
    parts = np.zeros((60, 60), np.uint8)
    parts[10:50, 10:50] = 5
    parts[20:40, 30:32] = 13  # a strap
    ids = (parts > 0).astype(np.uint8)
    after = disclose(result(parts, ids), Disclosure(smooth_px=3))
    assert 13 not in after.parts
    assert (after.parts[14:46, 14:46] == 5).all()
    assert 13 in disclose(result(parts, ids), Disclosure()).parts


def test_a_contour_loses_its_detail() -> None:
    rng = np.random.default_rng(0)
    parts = np.zeros((80, 80), np.uint8)
    parts[20:60, 20:60] = 5
    ragged = parts.copy()
    edge = rng.integers(0, 3, 40)
    for row, reach in enumerate(edge, start=20):
        ragged[row, 60 : 60 + reach] = 5
    ids = (ragged > 0).astype(np.uint8)
    after = disclose(result(ragged, ids), Disclosure(smooth_px=5)).parts
    ends = [int(np.flatnonzero(after[row]).max()) for row in range(28, 52)]
    assert max(ends) - min(ends) <= 1 < edge.max() - edge.min()


def test_a_small_picture_is_not_enlarged() -> None:
    parts = np.full((10, 12), 5, np.uint8)
    assert disclose(result(parts, (parts > 0).astype(np.uint8)), Disclosure(side_px=100)).parts.shape == (10, 12)


def test_negative_lengths_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="0 or more"):
        Disclosure(side_px=-1)
