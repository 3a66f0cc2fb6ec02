"""A thermal camera: warm skin, cooler cloth, a cold room; grey, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from discreet.data.people import RenderedPicture, render_picture
from discreet.labels import CIHP

SIZE = 96


@pytest.fixture(scope="module")
def pictures() -> list[RenderedPicture]:
    return [render_picture("thermal", 3, index, SIZE) for index in range(12)]


def warmth(pictures: list[RenderedPicture], *names: str) -> float:
    """Median lightness of parts, over pictures that show them well."""
    labels = [CIHP.names.index(name) for name in names]
    shown = [picture.image[np.isin(picture.parts, labels)][:, 0] for picture in pictures]
    return float(np.median([np.median(pixels) for pixels in shown if len(pixels) > 30]))


def test_skin_is_warmer_than_cloth_and_cloth_than_the_room(pictures: list[RenderedPicture]) -> None:
    skin, cloth, room = (
        warmth(pictures, *names)
        for names in (("Face", "Torso-skin"), ("UpperClothes", "Pants", "Dress"), ("Background",))
    )
    assert skin > cloth + 30 > room + 60


def test_there_is_no_colour(pictures: list[RenderedPicture]) -> None:
    for picture in pictures:
        assert np.ptp(picture.image, axis=2).max() == 0


def test_pictures_use_the_whole_range(pictures: list[RenderedPicture]) -> None:
    assert np.median([np.ptp(np.percentile(picture.image, [2, 99.9])) for picture in pictures]) > 180


def test_the_same_seed_gives_the_same_picture(pictures: list[RenderedPicture]) -> None:
    again = render_picture("thermal", 3, 5, SIZE)
    np.testing.assert_array_equal(again.image, pictures[5].image)
    np.testing.assert_array_equal(again.parts, pictures[5].parts)
    assert (again.image != pictures[6].image).any()
