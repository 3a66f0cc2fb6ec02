"""From a picture to its parts through a letterbox, with a backend that finds colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.data.samples import Sample
from discreet.data.transforms import PADDING_RGB as TRAINING_PADDING_RGB
from discreet.data.transforms import AugmentSettings, augment
from discreet.errors import PictureError
from discreet.inference import Letterbox, Parser
from discreet.inference.image_io import encode_png
from discreet.inference.letterbox import PADDING_RGB
from discreet.labels import from_names

LABELS = from_names("colours", ["background", "red", "green"])
Map = NDArray[np.float32]


def find_colours(image: NDArray[np.uint8]) -> tuple[Map, Map]:
    """A network that calls red pixels head, green ones body, both together a Human."""
    small = image.reshape(image.shape[0] // 4, 4, image.shape[1] // 4, 4, 3).mean((1, 3))
    red, green = small[..., 0] - 180, small[..., 1] - 180
    masks = np.stack((-np.maximum(red, green), red, green, np.maximum(red, green))).astype(np.float32)
    classes = np.full((4, 5), -9, np.float32)
    classes[range(4), range(4)] = 9
    return classes, masks


def picture_of(height: int, width: int) -> NDArray[np.uint8]:
    """Red above green in the middle third of a dark picture."""
    image = np.full((height, width, 3), 20, np.uint8)
    columns = slice(width // 3, 2 * width // 3)
    image[height // 4 : height // 2, columns] = (250, 0, 0)
    image[height // 2 : 3 * height // 4, columns] = (0, 250, 0)
    return image


@pytest.mark.parametrize(("height", "width"), [(64, 64), (200, 120), (90, 260), (31, 47)])
@pytest.mark.parametrize("canvas", [(128, 128), (128, 96)])
def test_parts_lie_where_they_were_seen(height: int, width: int, canvas: tuple[int, int]) -> None:
    image = picture_of(height, width)
    result = Parser(find_colours, LABELS, True, canvas).parse(image)
    expected = (image[..., 0] > 200).astype(np.uint8) + 2 * (image[..., 1] > 200).astype(np.uint8)
    assert result.parts.shape == (height, width)
    assert (result.parts != expected).mean() < 0.06, "edges only"
    (person,) = result.persons
    edges = np.array([width // 3, height // 4, 2 * width // 3, 3 * height // 4])
    assert np.abs(np.array(person.box) - edges).max() <= 1 + max(height, width) / 24
    assert result.image is image


def test_arrays_files_and_bytes_give_the_same(tmp_path: Path) -> None:
    image = picture_of(40, 50)
    (tmp_path / "a.png").write_bytes(encode_png(image))
    parser = Parser(find_colours, LABELS, True, (64, 64))
    for picture in (tmp_path / "a.png", str(tmp_path / "a.png"), encode_png(image)):
        np.testing.assert_array_equal(parser.parse(picture).parts, parser.parse(image).parts)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_arrays_that_are_no_pictures_are_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(PictureError, match=r"uint8 \[H, W, 3\]"):
        Parser(find_colours, LABELS, True, (64, 64)).parse(image)


def test_small_pictures_are_not_enlarged_where_the_network_never_saw_that() -> None:
    # The single-person form: a 383-wide picture on a 512 × 384 canvas is padded, not stretched.
    frame = Letterbox.fit(100, 383, (512, 384), enlarge=False)
    assert (frame.inner_height, frame.inner_width, frame.top, frame.left) == (100, 383, 206, 0)
    assert Letterbox.fit(100, 383, (512, 384)).inner_width == 384
    canvas = frame.apply(np.zeros((100, 383, 3), np.uint8))
    assert canvas.shape == (512, 384, 3)
    assert canvas[300, 383].tolist() == list(PADDING_RGB)


def test_the_single_person_form_enlarges_nothing_and_the_other_does() -> None:
    seen: list[NDArray[np.uint8]] = []

    def look(image: NDArray[np.uint8]) -> tuple[Map, Map]:
        seen.append(image)
        return np.zeros((1, 4 if len(seen) == 1 else 5), np.float32), np.zeros((1, 16, 12), np.float32)

    white = np.full((20, 30, 3), 255, np.uint8)
    for human in (False, True):
        Parser(look, LABELS, human, (64, 48)).parse(white)
    single, multi = ((image == 255).all(2) for image in seen)
    assert single.sum() == 20 * 30
    assert multi.sum() == 32 * 48


@pytest.mark.parametrize(("canvas", "enlarge"), [((48, 48), True), ((48, 40), True), ((128, 96), False)])
def test_training_and_parsing_show_a_network_the_same(canvas: tuple[int, int], enlarge: bool) -> None:
    """Same place, same padding, nearly the same pixels as a training view without augmentation."""
    image = np.repeat(np.add.outer(np.arange(90) * 2, np.arange(60))[..., None], 3, 2).astype(np.uint8)
    view = augment(
        Sample("x", image, np.zeros((90, 60), np.uint8), None, None),
        np.random.default_rng(0),
        AugmentSettings(canvas, enlarge),
        LABELS,
    )
    shown = Letterbox.fit(90, 60, canvas, enlarge=enlarge).apply(image)
    assert TRAINING_PADDING_RGB == PADDING_RGB
    assert np.abs(view.image.astype(int) - shown).mean() < 1.5
