"""From light to a file: nothing moves, nothing burns out without need, and how often what happens."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.data.people import generate, lens, render_picture
from discreet.data.people.develop import develop
from discreet.data.people.development import Development, Odds, draw_development
from discreet.data.people.styles import find_style

Floats = NDArray[np.floating]
SIZE = 64
PLAIN = Development(metering=0.0, levelling=0.0, quality=95)
MANY = 1500


@pytest.fixture(scope="module")
def drawn() -> list[Development]:
    rng = np.random.default_rng(0)
    return [draw_development(find_style("street"), False, rng) for _ in range(MANY)]


def _developed(linear: Floats, how: Development, seed: int = 0) -> NDArray[np.uint8]:
    flat = np.zeros(linear.shape[:2], np.float32)
    return develop(linear, flat + 3, flat, how, np.random.default_rng(seed))


def _disc() -> Floats:
    down, across = np.mgrid[:SIZE, :SIZE] + 0.5
    disc = np.clip(12.5 - np.hypot(down - SIZE / 2, across - SIZE / 2), 0, 1)
    return np.repeat(0.1 + 0.6 * disc[..., None], 3, 2).astype(np.float32)


def test_nothing_moves(drawn: list[Development]) -> None:
    for number, how in enumerate(drawn[:150]):
        grey = _developed(_disc(), replace(how, noise=0.0, colour_noise=0.0, vignette=0.0), number).mean(2)
        bright = np.maximum(grey - (grey.max() + grey.min()) / 2, 0)
        for axis in (0, 1):
            middle = (bright.sum(1 - axis) * (np.arange(SIZE) + 0.5)).sum() / bright.sum()
            assert abs(middle - SIZE / 2) < 0.35, how


def test_labels_do_not_change_with_development(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [render_picture("home", 3, index, SIZE) for index in range(3)]
    extreme = Development(shaken_px=3, shrink=0.4, first_quality=35, grid=(3, 5), quality=30, noise=0.1, haze=0.06)
    monkeypatch.setattr(generate, "draw_development", lambda *_: extreme)
    for index, picture in enumerate(usual):
        other = render_picture("home", 3, index, SIZE)
        np.testing.assert_array_equal(picture.parts, other.parts)
        np.testing.assert_array_equal(picture.persons, other.persons)
        assert other.quality == 30
        assert (picture.image != other.image).mean() > 0.5


def test_same_seed_same_bytes(drawn: list[Development]) -> None:
    noisy = replace(drawn[0], noise=0.05)
    once, again, other = (_developed(_disc(), noisy, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
    assert draw_development(find_style("home"), True, np.random.default_rng(4)) == draw_development(
        find_style("home"), True, np.random.default_rng(4)
    )


@pytest.mark.parametrize(
    ("low", "high", "so"),
    [
        (0.05, 0.08, lambda how: how.monochrome is not None and not any(how.tone)),
        (0.05, 0.11, lambda how: how.blacks > 0),
        (0.02, 0.06, lambda how: how.protection < 1),
        (0.04, 0.12, lambda how: how.exposure < 0.55),
        (0.08, 0.20, lambda how: abs(np.log(how.balance[0] / how.balance[2])) > 0.25),
        (0.03, 0.09, lambda how: how.noise > 0.03),
        (0.17, 0.27, lambda how: how.shrink < 1),
        (0.13, 0.23, lambda how: how.first_quality > 0),
        (0.08, 0.30, lambda how: how.quality < 55),
        (0.35, 0.60, lambda how: how.quality > 78),
    ],
)
def test_how_often(drawn: list[Development], low: float, high: float, so: Callable[[Development], bool]) -> None:
    assert low <= np.mean([so(how) for how in drawn]) <= high


def test_most_pictures_are_ordinary(drawn: list[Development]) -> None:
    ordinary = [
        0.6 < how.exposure < 1.7
        and how.monochrome is None
        and abs(np.log(how.balance[0] / how.balance[2])) < 0.25
        and not how.haze
        and how.sharpening < 1.1
        and how.shrink > 0.55
        and how.quality >= 50
        for how in drawn
    ]
    assert 0.5 < np.mean(ordinary) < 0.75
    assert {how.quality for how in drawn} <= set(range(30, 96))
    assert max(abs(how.fringe_px) for how in drawn) <= 1


def test_odds_of_nothing_leave_a_plain_picture() -> None:
    none = Odds(**{field.name: 0.0 for field in fields(Odds)})
    rng = np.random.default_rng(1)
    for how in (draw_development(find_style("street"), True, rng, none) for _ in range(100)):
        assert how.monochrome is None
        assert (how.haze, how.veil, how.shaken_px, how.fringe_px, how.vignette, how.smoothing) == (0,) * 6
        assert (how.sharpening, how.shrink, how.first_quality, how.blacks) == (0, 1, 0, 0)


def test_haze_is_out_of_doors(drawn: list[Development]) -> None:
    rng = np.random.default_rng(3)
    assert 0.02 < np.mean([how.haze > 0 for how in drawn]) < 0.07
    assert not any(draw_development(find_style("store"), False, rng).haze for _ in range(300))


def test_light_that_is_dim_makes_more_noise() -> None:
    style, rng = find_style("street"), np.random.default_rng(2)
    dim, bright = (np.mean([draw_development(style, how, rng).noise for _ in range(600)]) for how in (True, False))
    assert dim > 1.3 * bright


def test_pale_skin_does_not_burn_out(drawn: list[Development]) -> None:
    """Sunlit skin of the palest tone, 1.4 times what the meter calls white, before a middling background."""
    linear = np.full((SIZE, SIZE, 3), 0.25, np.float32)
    linear[16:48, 16:48] = np.array([0.95, 0.80, 0.72]) ** 2.2 * 1.6
    usual = [how for how in drawn if how.protection == 1.0 and how.sharpening < 1 and how.noise < 0.02][:200]
    burnt = [(_developed(linear, how)[20:44, 20:44, 1] >= 250).mean() > 0.05 for how in usual]
    assert np.mean(burnt) < 0.02
    over = [how for how in drawn if how.protection < 1]
    assert np.mean([(_developed(linear, how)[20:44, 20:44] >= 250).mean() > 0.05 for how in over]) > 0.3


def test_black_and_white_has_no_colour(drawn: list[Development]) -> None:
    linear = np.random.default_rng(0).random((SIZE, SIZE, 3)).astype(np.float32)
    for how in [how for how in drawn if how.monochrome is not None and not any(how.tone)][:10]:
        image = _developed(linear, how).astype(int)
        assert np.ptp(image, 2).max() <= 1


def test_focus_blurs_the_background_and_keeps_people_out_of_it() -> None:
    """A bright sharp square before a striped background: the stripes melt, the square stays and does not glow."""
    depth = np.full((SIZE, SIZE), np.inf, np.float32)
    depth[20:44, 20:44] = 2.0
    planes = np.zeros((3, SIZE, SIZE), np.float32)
    planes[:, :, ::4] = 0.2
    planes[:, 20:44, 20:44] = 4.0
    circles = lens.circles_of_confusion(depth, focus_m=2.0, aperture=0.02, spread=0.3, size_px=SIZE * 4)
    assert circles[0, 0] == pytest.approx(0.02 * 0.5 / 0.6 * SIZE * 4)
    assert not circles[20:44, 20:44].any()
    blurred = lens.defocus(planes, circles)
    np.testing.assert_allclose(blurred[:, 20:44, 20:44], 4.0, rtol=1e-3)
    assert blurred[:, :16].std() < 0.2 * planes[:, :16].std()
    assert blurred[:, 14:19].max() < 0.25


def test_blurred_foreground_covers_what_is_behind_its_edge() -> None:
    circles = np.zeros((SIZE, SIZE), np.float32)
    circles[:, :20] = -8.0
    planes = np.zeros((3, SIZE, SIZE), np.float32)
    planes[:, :, :20] = 1.0
    row = lens.defocus(planes, circles)[0, 32]
    assert 0.02 < row[21] < 0.7
    assert row[5] == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(row[30:], 0.0, atol=1e-3)


def test_focus_costs_no_light() -> None:
    flat = np.full((3, SIZE, SIZE), 0.3, np.float32)
    circles = np.random.default_rng(0).uniform(-12, 12, (SIZE, SIZE)).astype(np.float32)
    np.testing.assert_allclose(lens.defocus(flat, circles), 0.3, rtol=1e-3)


def test_noise_is_strongest_in_the_dark() -> None:
    linear = np.full((SIZE, SIZE, 3), 0.02, np.float32)
    linear[:, SIZE // 2 :] = 0.6
    image = _developed(linear, replace(PLAIN, noise=0.04)).astype(float)
    assert image[:, : SIZE // 2 - 4].std() > 1.2 * image[:, SIZE // 2 + 4 :].std()


def test_smoothing_takes_noise_and_keeps_edges() -> None:
    noisy, smooth = (
        _developed(_disc(), replace(PLAIN, noise=0.03, colour_noise=0.03, smoothing=amount)).astype(float)
        for amount in (0.0, 1.0)
    )
    assert smooth[:12].std() < 0.6 * noisy[:12].std()
    assert np.abs(smooth.mean((0, 1)) - noisy.mean((0, 1))).max() < 2
    assert smooth[28:36, 28:36].mean() - smooth[:12].mean() > 0.95 * (noisy[28:36, 28:36].mean() - noisy[:12].mean())


def test_fringes_stay_within_a_pixel() -> None:
    ramp = np.tile(np.arange(SIZE, dtype=np.float32), (3, SIZE, 1))
    for shift in (-5.0, -1.0, 0.4, 1.0):
        moved = np.abs(lens.fringe(ramp, shift) - ramp)[:, 2:-2, 2:-2]
        assert moved.max() <= 1.0
        assert moved[1].max() < max(moved[0].max(), moved[2].max())
