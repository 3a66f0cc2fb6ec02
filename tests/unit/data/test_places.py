"""Backgrounds are replaced by places, persons stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from discreet.data import open_spec
from discreet.data.places import BeforePlaces
from discreet.data.samples import SampleSource
from discreet.errors import DataError
from tests.e2e.conftest import write_pictures


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    return open_spec(f"folder:{write_pictures(tmp_path_factory.mktemp('people') / 'train', 6)}")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two panoramas, one all red and one all green: no blue but a person's."""
    folder = tmp_path_factory.mktemp("places")
    for name, colour in (("red", (200, 0, 0)), ("green", (0, 200, 0))):
        Image.new("RGB", (512, 256), colour).save(folder / f"{name}.png")
    return folder


def test_people_stay_and_what_lies_around_them_goes(source: SampleSource, places: Path) -> None:
    moved = BeforePlaces(source, places, seed=1)
    assert (len(moved), moved.names, moved.subjects) == (len(source), source.names, source.subjects)
    for index in range(len(source)):
        before, after = source[index], moved[index]
        assert np.array_equal(before.parts, after.parts)
        assert np.array_equal(before.persons, after.persons)
        figure = Image.fromarray((before.parts > 0).astype(np.uint8) * 255)
        inside = np.asarray(figure.filter(ImageFilter.MinFilter(9))) > 0
        outside = np.asarray(figure.filter(ImageFilter.MaxFilter(9))) == 0
        assert np.abs(after.image[inside].astype(int) - before.image[inside]).max() <= 1
        assert (after.image[outside][:, 2] == 0).all(), "nothing of the old background is left"


def test_a_picture_is_always_before_the_same_place_and_others_before_others(source: SampleSource, places: Path) -> None:
    first, again, other = (BeforePlaces(source, places, seed=seed) for seed in (1, 1, 2))
    images = [first[index].image for index in range(len(source))]
    assert all(np.array_equal(image, again[index].image) for index, image in enumerate(images))
    assert any(not np.array_equal(image, other[index].image) for index, image in enumerate(images))
    corners = {tuple(image[0, 0] > 50) for image in images}
    assert len(corners) > 1, "all before one place"


def test_a_panorama_that_was_cut_off_is_named(source: SampleSource, places: Path, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes((places / "red.png").read_bytes()[:-60])
    with pytest.raises(DataError, match=r"red\.png cannot be read .*; replace it"):
        BeforePlaces(source, tmp_path, seed=1)


def test_without_places_there_is_a_way_out(source: SampleSource, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tools/places\.py"):
        BeforePlaces(source, tmp_path, seed=1)
