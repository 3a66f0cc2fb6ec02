"""Overlays: what opacity does, what stays untouched, and where the lines are."""

from __future__ import annotations

import numpy as np
import pytest

from discreet.errors import ConfigurationError
from discreet.labels import CIHP
from discreet.parsing import ParseResult, Person, overlay

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8)


def parts_map() -> np.ndarray:
    """Face above upper clothes in columns 2–7, a column of ignored pixels at the right."""
    parts = np.zeros((12, 10), np.uint8)
    parts[1:5, 2:8], parts[5:11, 2:8], parts[:, 9] = 13, 5, 255
    return parts


def test_opacity_zero_is_the_picture() -> None:
    np.testing.assert_array_equal(overlay(IMAGE, parts_map(), CIHP, persons=parts_map() == 13, opacity=0), IMAGE)


def test_background_and_ignored_pixels_are_never_touched() -> None:
    shown = overlay(IMAGE, parts_map(), CIHP, opacity=1.0)
    untouched = np.isin(parts_map(), (0, 255))
    np.testing.assert_array_equal(shown[untouched], IMAGE[untouched])
    assert shown.dtype == np.uint8


def test_inside_a_part_colours_are_blended_by_hand() -> None:
    # Pixel (7, 4) is two pixels from any edge. Upper clothes are (255, 85, 0).
    image = np.full((12, 10, 3), 100, np.uint8)
    assert overlay(image, parts_map(), CIHP, opacity=1.0)[7, 4].tolist() == [255, 85, 0]
    assert overlay(image, parts_map(), CIHP, opacity=0.5)[7, 4].tolist() == [178, 92, 50]  # 177.5, 92.5: to even
    assert overlay(image, parts_map(), CIHP, opacity=0.25)[7, 4].tolist() == [139, 96, 75]  # 138.75, 96.25


def test_parts_are_parted_by_dark_lines_and_persons_by_light_ones() -> None:
    shown = overlay(IMAGE, parts_map(), CIHP, opacity=1.0)
    assert (shown[5, 4].astype(int) < np.array([255, 85, 1])).all()
    persons = np.zeros((12, 10), np.uint8)
    persons[1:11, 2:5], persons[1:11, 5:8] = 1, 2
    outlined = overlay(IMAGE, parts_map(), CIHP, persons=persons, opacity=1.0)
    assert outlined[7, [4, 5]].tolist() == [[255, 255, 255]] * 2


def test_lines_grow_with_the_picture() -> None:
    parts = np.zeros((1300, 1300), np.uint8)
    parts[:, 650:] = 5
    shown = overlay(np.zeros((1300, 1300, 3), np.uint8), parts, CIHP, opacity=1.0)
    assert shown[600, 650:653, 0].tolist() == [140, 140, 255]


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_an_opacity_out_of_range_is_refused(opacity: float) -> None:
    with pytest.raises(ConfigurationError, match="0 to 1"):
        overlay(IMAGE, parts_map(), CIHP, opacity=opacity)


def test_a_result_shows_itself_where_it_kept_its_picture() -> None:
    mask = parts_map() == 13
    person = Person(0.9, (2, 1, 8, 5), mask, np.where(mask, 13, 0).astype(np.uint8))
    result = ParseResult(parts_map(), (person,), CIHP, IMAGE)
    assert result.person_ids().max() == 1
    np.testing.assert_array_equal(
        result.overlay(0.7), overlay(IMAGE, parts_map(), CIHP, persons=mask.astype(int), opacity=0.7)
    )
    with pytest.raises(ConfigurationError, match="keeps no picture"):
        ParseResult(parts_map(), (), CIHP).overlay()
