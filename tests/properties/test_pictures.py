"""What holds for every picture: mirrors, letterboxes, views and overlays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from discreet.data.samples import Sample
from discreet.data.transforms import AugmentSettings, augment, flip
from discreet.inference import Letterbox
from discreet.labels import CIHP, IGNORED
from discreet.parsing import overlay

sides = st.integers(1, 60)
seeds = st.integers(0, 2**32 - 1)
views = st.tuples(st.integers(1, 48), st.integers(1, 48))


def sample_of(height: int, width: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    ids = np.array([*range(len(CIHP)), IGNORED], np.uint8)
    return Sample(
        "x",
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        rng.choice(ids, (height, width)),
        rng.integers(0, 4, (height, width), dtype=np.uint8),
        None,
    )


@given(sides, sides, seeds)
@settings(max_examples=50, deadline=None)
def test_a_mirror_twice_is_the_picture(height: int, width: int, seed: int) -> None:
    sample = sample_of(height, width, seed)
    twice = flip(flip(sample, CIHP), CIHP)
    assert twice.persons is not None
    assert sample.persons is not None
    np.testing.assert_array_equal(twice.image, sample.image)
    np.testing.assert_array_equal(twice.parts, sample.parts)
    np.testing.assert_array_equal(twice.persons, sample.persons)


@given(sides, sides, seeds, st.sampled_from(["none", "light", "full"]), views, st.booleans())
@settings(max_examples=100, deadline=None)
def test_views_hold_no_label_that_their_picture_has_not(
    height: int, width: int, seed: int, strength: str, image_size: tuple[int, int], enlarge: bool
) -> None:
    sample = sample_of(height, width, seed)
    settings = AugmentSettings.of_strength(strength, image_size, enlarge=enlarge)
    view = augment(sample, np.random.default_rng(seed), settings, CIHP)
    assert view.persons is not None
    assert sample.persons is not None
    assert view.image.shape == (*image_size, 3)
    assert view.image.dtype == view.parts.dtype == view.persons.dtype == np.uint8
    assert view.parts.shape == view.persons.shape == image_size
    allowed = set(np.unique(sample.parts)) | set(np.unique(CIHP.flip_table()[sample.parts])) | {IGNORED}
    assert set(np.unique(view.parts)) <= allowed
    assert set(np.unique(view.persons)) <= set(np.unique(sample.persons)) | {0}


@given(st.integers(1, 500), st.integers(1, 500), st.integers(8, 96), st.integers(8, 96), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_letterbox_brings_every_point_back(
    height: int, width: int, canvas_height: int, canvas_width: int, enlarge: bool
) -> None:
    """Paint each canvas pixel with its own place, invert, and read where each pixel of the picture came from."""
    frame = Letterbox.fit(height, width, (canvas_height, canvas_width), enlarge=enlarge)
    assert 0 <= frame.top <= canvas_height - frame.inner_height
    assert 0 <= frame.left <= canvas_width - frame.inner_width
    assert frame.inner_height == canvas_height or frame.inner_width == canvas_width or not enlarge
    places = np.indices((canvas_height, canvas_width)).astype(np.float32) + np.float32(0.5)
    y, x = frame.invert(places)
    assert y.shape == (height, width)
    expected_y = frame.top + (np.arange(height) + 0.5) / height * frame.inner_height
    expected_x = frame.left + (np.arange(width) + 0.5) / width * frame.inner_width
    np.testing.assert_allclose(y[:, 0], np.clip(expected_y, 0.5, canvas_height - 0.5), atol=1e-3)
    np.testing.assert_allclose(x[0], np.clip(expected_x, 0.5, canvas_width - 0.5), atol=1e-3)


@given(sides, sides, seeds)
@settings(max_examples=30, deadline=None)
def test_a_letterbox_keeps_what_it_need_not_resize(height: int, width: int, seed: int) -> None:
    image = sample_of(height, width, seed).image
    frame = Letterbox.fit(height, width, (64, 64), enlarge=False)
    canvas = frame.apply(image)
    restored = frame.invert(canvas.transpose(2, 0, 1).astype(np.float32))
    np.testing.assert_allclose(restored.transpose(1, 2, 0), image, atol=1e-3)


@given(sides, sides, seeds, st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_an_overlay_lies_between_the_picture_and_the_palette(
    height: int, width: int, seed: int, opacity: float
) -> None:
    sample = sample_of(height, width, seed)
    faint, full = (
        overlay(sample.image, sample.parts, CIHP, persons=sample.persons, opacity=strength).astype(int)
        for strength in (opacity, 1.0)
    )
    image = sample.image.astype(int)
    assert (np.minimum(image, full) - 1 <= faint).all()
    assert (faint <= np.maximum(image, full) + 1).all()
