"""Guests come with their parts and their own person id, before or behind who is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from discreet.data import open_spec
from discreet.data.guests import WithGuests
from discreet.data.samples import SampleSource
from tests.e2e.conftest import write_pictures


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    return open_spec(f"folder:{write_pictures(tmp_path_factory.mktemp('people') / 'train', 24)}")


def test_every_part_belongs_to_a_person_and_every_person_has_a_part(source: SampleSource) -> None:
    met = WithGuests(source, seed=1)
    visited = 0
    for index in range(len(source)):
        before, after = source[index], met[index]
        assert before.persons is not None
        assert after.persons is not None
        assert np.array_equal(after.parts > 0, after.persons > 0)
        assert set(np.unique(before.persons)) <= set(range(255))
        changed = after.persons != before.persons
        assert np.array_equal(before.parts[~changed], after.parts[~changed])
        visited += bool(changed.any())
        for guest in set(np.unique(after.persons[changed])) - set(np.unique(before.persons)):
            assert (after.parts[after.persons == guest] > 0).all()
    assert 0.2 * len(source) < visited < 0.8 * len(source), "half of the pictures have guests"


def test_a_guest_brings_the_pixels_of_another_picture(source: SampleSource) -> None:
    met = WithGuests(source, seed=1)
    for index in range(len(source)):
        before, after = source[index], met[index]
        assert before.persons is not None
        assert after.persons is not None
        changed = after.persons != before.persons
        # A soft edge of a pixel lies around a guest; what is farther away stays.
        near = np.zeros_like(changed)
        for row in range(-3, 4):
            for column in range(-3, 4):
                near |= np.roll(changed, (row, column), (0, 1))
        rest = ~near[4:-4, 4:-4]
        assert np.array_equal(after.image[4:-4, 4:-4][rest], before.image[4:-4, 4:-4][rest])


def test_who_comes_is_settled_by_the_seed(source: SampleSource) -> None:
    first, again, other = (WithGuests(source, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[index].image, again[index].image) for index in range(len(source)))
    assert any(not np.array_equal(first[index].image, other[index].image) for index in range(len(source)))


def test_some_guests_stand_before_and_some_behind(source: SampleSource) -> None:
    met = WithGuests(source, seed=3)
    covers = [
        bool(((met[index].persons != source[index].persons) & (source[index].parts > 0)).any())
        for index in range(len(source))
    ]
    shown = [bool((met[index].persons != source[index].persons).any()) for index in range(len(source))]
    assert any(covers)
    assert sum(shown) > sum(covers), "nobody stands behind"


def test_pictures_without_persons_told_apart_stay_as_they_are(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "train", 4)
    shutil.rmtree(folder / "persons")
    plain = open_spec(f"folder:{folder}")
    met = WithGuests(plain, seed=1)
    assert all(np.array_equal(met[index].image, plain[index].image) for index in range(len(plain)))
