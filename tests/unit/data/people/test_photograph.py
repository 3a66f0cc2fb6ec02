"""From light to a photograph: shadows without grain, blur by depth, and looks as photographs have them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.data.people.develop import develop
from discreet.data.people.development import draw_development
from discreet.data.people.lens import circles_of_confusion, defocus
from discreet.data.people.shading import Hits, _averaged
from discreet.data.people.styles import find_style

SIZE = 48
STREET = find_style("street")


def light(size_px: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0.02, 0.35, (size_px, size_px, 3)).astype(np.float32)


def test_a_surface_is_averaged_with_itself_and_with_no_other() -> None:
    rng = np.random.default_rng(0)
    pixel = np.arange(SIZE**2)
    layer = (pixel % SIZE >= SIZE // 2).astype(np.int32)
    facing = np.tile(np.array([0, 0, 1], np.float32), (SIZE**2, 1))
    grainy = (rng.random(SIZE**2) < np.where(layer, 0.9, 0.1)).astype(np.float32)[None]
    hits = Hits(pixel, layer, np.zeros((SIZE**2, 3)), np.ones(SIZE**2, bool))
    smooth = _averaged(grainy, hits, layer, facing, np.ones(SIZE**2, np.float32), SIZE)[0]
    for side, share in ((0, 0.1), (1, 0.9)):
        assert abs(smooth[layer == side].mean() - share) < 0.03
        assert smooth[layer == side].std() < 0.25 * grainy[0][layer == side].std()
    turned = facing.copy()
    turned[layer == 1] = (1, 0, 0)
    folded = _averaged(grainy, hits, np.zeros_like(layer), turned, np.ones(SIZE**2, np.float32), SIZE)[0]
    np.testing.assert_allclose(folded, smooth, atol=1e-6)


def test_circles_of_confusion_grow_away_from_the_focus() -> None:
    depth = np.array([[1.0, 2.0, 4.0, np.inf]], np.float32)
    circles = np.abs(circles_of_confusion(depth, focus_m=2.0, aperture=0.02, spread=0.4, size_px=SIZE))[0]
    assert circles[1] == pytest.approx(0, abs=1e-6)
    assert circles[3] > circles[2] > 0
    assert circles[0] > 0


def test_what_is_in_focus_stays_and_what_is_not_is_spread() -> None:
    planes = light(SIZE).transpose(2, 0, 1)
    sharp, far = np.zeros((SIZE, SIZE), np.float32), np.full((SIZE, SIZE), 6.0, np.float32)
    np.testing.assert_allclose(defocus(planes, sharp), planes, atol=0.01)
    assert defocus(planes, far).std() < 0.5 * planes.std()


def test_pictures_follow_their_generator_and_most_are_ordinary() -> None:
    def picture(seed: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(seed)
        how = draw_development(STREET, False, rng)
        return develop(light(SIZE), np.full((SIZE, SIZE), 3.0), np.zeros((SIZE, SIZE), np.float32), how, rng)

    made = [picture(seed) for seed in range(300)]
    np.testing.assert_array_equal(picture(7), made[7])
    assert {image.shape for image in made} == {(SIZE, SIZE, 3)}
    brightness = np.array([image.mean() for image in made])
    assert ((brightness > 50) & (brightness < 205)).mean() > 0.9
    assert brightness.std() > 8
    colour = np.array([np.ptp(image.astype(int), axis=2).mean() for image in made])
    assert 0.02 < (colour < 0.3 * np.median(colour)).mean() < 0.15, "some are grey"


def test_qualities_are_those_of_phones_and_of_the_web() -> None:
    qualities = [draw_development(STREET, False, np.random.default_rng(seed)).quality for seed in range(200)]
    assert min(qualities) >= 25
    assert max(qualities) <= 100
    assert len(set(qualities)) > 15
