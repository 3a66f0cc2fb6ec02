"""Views: shapes, labels that stay with their pixels, and random streams that nobody else shifts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from discreet.data.samples import Sample
from discreet.data.transforms import PADDING_RGB, AugmentSettings, augment, flip
from discreet.errors import ConfigurationError
from discreet.labels import CIHP, IGNORED


def sample_of(height: int, width: int) -> Sample:
    """A red right arm on the left of the picture, a green left arm on its right, of persons 1 and 2."""
    parts = np.zeros((height, width), np.uint8)
    image = np.zeros((height, width, 3), np.uint8)
    persons = np.zeros((height, width), np.uint8)
    rows = slice(height // 4, 3 * height // 4)
    left, right = slice(width // 8, 3 * width // 8), slice(5 * width // 8, 7 * width // 8)
    parts[rows, left], persons[rows, left], image[rows, left] = 15, 1, (255, 0, 0)
    parts[rows, right], persons[rows, right], image[rows, right] = 14, 2, (0, 255, 0)
    return Sample("x", image, parts, persons, "anna")


def test_without_augmentation_the_picture_is_fitted_centred_and_padded() -> None:
    view = augment(sample_of(40, 80), np.random.default_rng(0), AugmentSettings((64, 64)), CIHP)
    assert view.image.shape == (64, 64, 3)
    assert (view.name, view.subject) == ("x", "anna")
    assert view.persons is not None
    for row in (0, 15, 48, 63):  # 64 × 32 of picture between 16 rows of padding
        assert set(view.parts[row]) == {IGNORED}
        assert set(view.persons[row]) == {0}
        assert {tuple(pixel) for pixel in view.image[row].tolist()} == {PADDING_RGB}
    assert view.parts[32, 16] == 15
    assert view.parts[32, 48] == 14
    assert IGNORED not in view.parts[16:48]


def test_a_view_need_not_be_square_and_small_pictures_grow_only_where_told() -> None:
    sample = sample_of(40, 80)
    grown = augment(sample, np.random.default_rng(0), AugmentSettings((100, 160)), CIHP)
    assert grown.image.shape == (100, 160, 3)
    assert IGNORED not in grown.parts[10:90]
    assert set(grown.parts[9]) == {IGNORED}
    kept = augment(sample, np.random.default_rng(0), AugmentSettings((100, 160), enlarge=False), CIHP)
    np.testing.assert_array_equal(kept.parts[30:70, 40:120], sample.parts)
    assert (kept.parts != IGNORED).sum() == sample.parts.size
    shrunk = augment(sample, np.random.default_rng(0), AugmentSettings((20, 40), enlarge=False), CIHP)
    assert IGNORED not in shrunk.parts


def test_a_square_picture_of_the_views_size_is_unchanged() -> None:
    sample = sample_of(48, 48)
    view = augment(sample, np.random.default_rng(0), AugmentSettings((48, 48)), CIHP)
    np.testing.assert_array_equal(view.image, sample.image)
    np.testing.assert_array_equal(view.parts, sample.parts)


def test_a_mirror_swaps_sides_and_keeps_persons() -> None:
    mirrored = flip(sample_of(8, 16), CIHP)
    assert mirrored.persons is not None
    # The red arm is now on the other side of the picture, and the person's other arm.
    assert (mirrored.parts[4, 12], mirrored.persons[4, 12]) == (14, 1)
    assert tuple(mirrored.image[4, 12]) == (255, 0, 0)


def test_labels_move_with_their_pixels() -> None:
    settings = AugmentSettings((96, 96), scale=(0.5, 2.0), rotation_deg=40.0)
    for seed in range(8):
        view = augment(sample_of(70, 90), np.random.default_rng(seed), settings, CIHP)
        assert view.persons is not None
        reddish, greenish = view.image[..., 0] > 200, view.image[..., 1] > 200
        assert reddish.any() or greenish.any()
        assert (view.parts[reddish] != 15).sum() <= 0.03 * reddish.sum()
        assert (view.parts[greenish] != 14).sum() <= 0.03 * greenish.sum()
        assert set(np.unique(view.persons[view.parts == 15])) <= {1}


def test_flips_come_for_half_of_the_generators() -> None:
    settings = AugmentSettings((16, 16), flip=True)
    sample = sample_of(16, 16)
    views = [augment(sample, np.random.default_rng(k), settings, CIHP) for k in range(200)]
    flipped = [view.persons is not None and view.persons[8, 4] == 2 for view in views]
    assert {int(view.parts[8, 4]) for view in views} == {15}, "sides are the person's own, and swap with the picture"
    assert abs(np.mean(flipped) - 0.5) < 4 * math.sqrt(0.25 / 200)


def test_one_generator_one_view_whatever_else_is_drawn() -> None:
    settings = AugmentSettings.of_strength("full", (32, 32))
    first = augment(sample_of(40, 30), np.random.default_rng(5), settings, CIHP)
    augment(sample_of(99, 30), np.random.default_rng(6), settings, CIHP)
    again = augment(sample_of(40, 30), np.random.default_rng(5), settings, CIHP)
    other = augment(sample_of(40, 30), np.random.default_rng(7), settings, CIHP)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.parts, again.parts)
    assert (first.image != other.image).any()


def test_light_changes_no_label_and_nothing_where_it_is_off() -> None:
    plain = AugmentSettings((32, 32))
    lit = replace(plain, brightness=0.5, contrast=0.5, colour=0.3, grey=0.5, blur=0.5, noise=20.0)
    sample = replace(sample_of(32, 32), image=np.full((32, 32, 3), 99, np.uint8))
    np.testing.assert_array_equal(augment(sample, np.random.default_rng(0), plain, CIHP).image, sample.image)
    for seed in range(4):
        dark = augment(sample, np.random.default_rng(seed), lit, CIHP)
        np.testing.assert_array_equal(dark.parts, sample.parts)
        assert dark.image.dtype == np.uint8
        assert (dark.image != sample.image).any()


def test_a_much_larger_picture_is_averaged_not_sampled() -> None:
    checks = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    image = np.repeat(checks[..., None], 3, 2)
    sample = Sample("x", image, np.zeros((512, 512), np.uint8), None, None)
    view = augment(sample, np.random.default_rng(0), AugmentSettings((32, 32)), CIHP)
    assert view.persons is None
    assert np.abs(view.image.astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    "settings",
    [{"image_size": (32, 0)}, {"scale": (0.0, 1.0)}, {"scale": (2.0, 1.0)}, {"blur": 1.5}, {"contrast": -0.1}],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        AugmentSettings(**{"image_size": (32, 32), **settings})  # type: ignore[arg-type]


def test_strengths_are_named() -> None:
    assert AugmentSettings.of_strength("none", (64, 64)) == AugmentSettings((64, 64))
    assert (
        AugmentSettings.of_strength("full", (64, 64)).rotation_deg
        > AugmentSettings.of_strength("light", (64, 64)).rotation_deg
    )
    with pytest.raises(ConfigurationError, match="choose none, light or full"):
        AugmentSettings.of_strength("strong", (64, 64))
