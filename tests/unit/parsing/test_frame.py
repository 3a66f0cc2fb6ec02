"""Maps of a canvas come back to the picture: against values computed by hand and pixel by pixel."""

from __future__ import annotations

import numpy as np

from discreet.parsing.frame import Frame, resize


def test_doubling_a_row_by_hand() -> None:
    # Centres of the four new pixels lie at −0.25, 0.25, 0.75, 1.25 of the old ones: beyond the edge is the edge.
    doubled = resize(np.array([[0.0, 8.0]], np.float32), 1, 4)
    assert doubled.tolist() == [[0.0, 2.0, 6.0, 8.0]]
    assert doubled.dtype == np.float32


def test_the_same_size_is_the_same_map() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)
    np.testing.assert_array_equal(resize(maps, 5, 7), maps)


def test_resizing_leaves_its_input_alone() -> None:
    maps = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    before = maps.copy()
    resize(maps, 9, 11)
    np.testing.assert_array_equal(maps, before)


def test_padding_is_cut_off_exactly() -> None:
    # A 4 × 8 canvas with the picture in its columns 2 to 5, shown at canvas resolution.
    frame = Frame(height=4, width=4, canvas_height=4, canvas_width=8, top=0, left=2, inner_height=4, inner_width=4)
    canvas = np.arange(32, dtype=np.float32).reshape(1, 4, 8)
    np.testing.assert_array_equal(frame.invert(canvas), canvas[..., 2:6])


def test_a_coarse_map_gives_the_values_at_the_pixels_centres() -> None:
    """Logits a quarter as fine as the canvas, a plane in canvas coordinates: bilinear is exact on it."""
    frame = Frame(
        height=60, width=30, canvas_height=64, canvas_width=64, top=0, left=16, inner_height=64, inner_width=32
    )
    centres = (np.arange(16) + 0.5) * 4
    plane = (2 * centres[:, None] + 3 * centres[None]).astype(np.float32)
    restored = frame.invert(plane)
    assert restored.shape == (60, 30)
    y = (np.arange(60) + 0.5) * 64 / 60
    x = 16 + (np.arange(30) + 0.5) * 32 / 30
    expected = 2 * np.clip(y, 2, 62)[:, None] + 3 * x[None]  # beyond the outermost centres is the edge
    np.testing.assert_allclose(restored, expected, rtol=1e-5)
