"""From light to a photograph: shadows without grain, blur by depth, and looks as photographs have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.data.people.camera import Camera
from discreet.data.people.develop import _blur_by_depth, develop
from discreet.data.people.generate import main_subject
from discreet.data.people.scene import Scene, compose_scene
from discreet.data.people.shading import Hits, _averaged
from discreet.data.people.styles import find_style

SIZE, LARGE = 48, 192
STREET = find_style("street")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return compose_scene(STREET, main_subject(STREET, 1, 0), [], SIZE, np.random.default_rng(0))


def looked_at(distance_m: float, size_px: int) -> NDArray[np.float32]:
    return np.full((size_px, size_px), distance_m, np.float32)


def light(size_px: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0.02, 0.6, (size_px, size_px, 3)).astype(np.float32)


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


def test_what_is_in_focus_stays_and_what_is_not_is_spread(scene: Scene) -> None:
    camera: Camera = scene.camera
    open_lens = replace(scene, camera=camera, focus_m=2.0, aperture=0.2)
    picture = light(LARGE)
    np.testing.assert_array_equal(
        _blur_by_depth(picture, looked_at(np.inf, LARGE), replace(scene, aperture=0.0)), picture
    )
    np.testing.assert_allclose(_blur_by_depth(picture, looked_at(2.0, LARGE), open_lens), picture)
    assert _blur_by_depth(picture, looked_at(np.inf, LARGE), open_lens).std() < 0.6 * picture.std()


def test_the_sharp_lends_no_colour_to_the_blurred(scene: Scene) -> None:
    picture = np.zeros((LARGE, LARGE, 3), np.float32)
    distance = looked_at(np.inf, LARGE)
    picture[:, : LARGE // 2], distance[:, : LARGE // 2] = 1.0, 2.0
    found = _blur_by_depth(picture, distance, replace(scene, focus_m=2.0, aperture=0.4))
    assert found[:, LARGE // 2 :].max() < 0.1
    assert found[:, : LARGE // 2].min() > 0.99


def test_pictures_follow_their_generator_and_most_are_ordinary(scene: Scene) -> None:
    sharp = replace(scene, aperture=0.0)
    made = [
        develop(light(SIZE), looked_at(3.0, SIZE), sharp, STREET, np.random.default_rng(seed)) for seed in range(300)
    ]
    again = develop(light(SIZE), looked_at(3.0, SIZE), sharp, STREET, np.random.default_rng(7))
    np.testing.assert_array_equal(again, made[7])
    assert {picture.shape for picture in made} == {(SIZE, SIZE, 3)}
    brightness = np.array([picture.mean() for picture in made])
    assert ((brightness > 60) & (brightness < 200)).mean() > 0.9
    assert brightness.std() > 8
    colour = np.array([np.ptp(picture.astype(int), axis=2).mean() for picture in made])
    assert 0.02 < (colour < 0.35 * np.median(colour)).mean() < 0.15, "some are grey"
