"""A made-up face hides the real one whole: nothing inside depends on what was there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from discreet.parsing.face_mask import blur_faces, mask_faces

BOX = (30.0, 20.0, 70.0, 80.0)
SCALE = 1.3


def ellipse(shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return ((rows - 50) / (SCALE * 30)) ** 2 + ((columns - 50) / (SCALE * 20)) ** 2 <= 1


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (100, 100, 3), dtype=np.uint8)


def real_blur(image: np.ndarray, boxes: object, scale: float) -> np.ndarray:
    """The planted fault: what other tools do."""
    blurred = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(12)))
    return np.where(ellipse(image.shape[:2])[..., None], blurred, image)


def leaks(hide: object) -> bool:
    """Whether two pictures that differ only under the mask differ afterwards."""
    one, other = noise(1), noise(1)
    other[ellipse((100, 100))] = noise(2)[ellipse((100, 100))]
    return bool((hide(one, [BOX], scale=SCALE) != hide(other, [BOX], scale=SCALE)).any())  # type: ignore[operator]


@pytest.mark.parametrize("hide", [mask_faces, blur_faces])
def test_nothing_of_the_face_comes_through(hide: object) -> None:
    assert not leaks(hide)


def test_a_real_blur_is_caught() -> None:
    assert leaks(real_blur)


def test_the_soft_edge_lies_outside_and_the_rest_is_untouched() -> None:
    image = noise(3)
    hidden = blur_faces(image, [BOX], scale=SCALE)
    covered = ellipse((100, 100))
    changed = (hidden != image).any(2)
    assert changed[covered].mean() > 0.95
    assert (changed & ~covered).sum() > 0
    assert not changed[:5].any()
    assert not changed[:, :15].any()


def test_faces_over_the_edge_and_empty_boxes() -> None:
    image = noise(4)
    assert (blur_faces(image, [(-20.0, -20.0, 15.0, 15.0)])[:8, :8] != image[:8, :8]).any()
    assert (blur_faces(image, [(50.0, 50.0, 50.0, 60.0), (500.0, 500.0, 510.0, 510.0)]) == image).all()
