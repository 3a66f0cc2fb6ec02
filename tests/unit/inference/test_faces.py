"""Faces are found near and far, in tiles too; whoever could not look says so and never "none"."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from discreet.errors import FaceDetectionError
from discreet.inference import faces
from discreet.inference.faces import (
    LARGEST_SIDE_PX,
    OVERLAP_PX,
    STRIDE,
    TILE_PX,
    Face,
    FaceDetector,
    View,
    decode,
    suppress,
    views,
)
from discreet.inference.models import exported_folder

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """A generated person's face fills much of this picture."""
    return np.asarray(Image.open(ASSETS / "faces" / "portrait.png").convert("RGB"))


def place(portrait: np.ndarray, height: int, width: int, top: int, left: int, side: int) -> np.ndarray:
    """The portrait, small, somewhere on a grey canvas."""
    canvas = np.full((height, width, 3), 128, np.uint8)
    canvas[top : top + side, left : left + side] = np.asarray(Image.fromarray(portrait).resize((side, side)))
    return canvas


def inside(face: Face, left: int, top: int, side: int) -> bool:
    """Whether the face's centre lies in a square."""
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return left <= x <= left + side and top <= y <= top + side


def test_a_face_is_found_where_it_is(detector: FaceDetector, portrait: np.ndarray) -> None:
    expected = json.loads((ASSETS / "faces" / "portrait.json").read_text())
    found = detector.find(portrait)
    assert len(found) == len(expected)
    for face, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(face.box, wanted["box"], atol=1.0)
        assert face.score == pytest.approx(wanted["score"], abs=0.02)


@pytest.mark.parametrize(
    ("height", "width", "top", "left"),
    [(1500, 2000, 20, 30), (1500, 2000, 700, 900), (1500, 2000, 1390, 1880), (2000, 1200, 560, 560)],
)
def test_a_small_face_in_a_large_picture_is_found_by_its_tile(
    detector: FaceDetector, portrait: np.ndarray, height: int, width: int, top: int, left: int
) -> None:
    picture = place(portrait, height, width, top, left, 30)
    assert any(inside(face, left, top, 90) for face in detector.find(picture))
    whole = list(views(height, width))[:1]
    assert not any(inside(face, left, top, 90) for view in whole for face in detector._look(picture, view))


def test_a_picture_without_a_face_has_none(detector: FaceDetector) -> None:
    rows = np.linspace(0, 255, 300, dtype=np.uint8)
    assert detector.find(np.repeat(np.repeat(rows[:, None, None], 400, 1), 3, 2)) == []


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_views_cover_every_pixel_and_overlap(height: int, width: int) -> None:
    seen = list(views(height, width))
    assert (seen[0].top, seen[0].left, seen[0].bottom, seen[0].right) == (0, 0, height, width)
    for view in seen:
        assert view.height % STRIDE == view.width % STRIDE == 0
        assert 0 <= view.left < view.right <= width
        assert 0 <= view.top < view.bottom <= height
    for edges in ({(view.left, view.right) for view in seen[1:]}, {(view.top, view.bottom) for view in seen[1:]}):
        ordered = sorted(edges)
        for (_, end), (start, _) in pairwise(ordered):
            assert end - start >= OVERLAP_PX
        assert all(end - start <= TILE_PX for start, end in ordered)
    if max(height, width) > TILE_PX:
        assert {edge for view in seen[1:] for edge in (view.left, view.right)} >= {0, width}
        assert {edge for view in seen[1:] for edge in (view.top, view.bottom)} >= {0, height}


def test_a_large_picture_is_searched_in_few_views() -> None:
    assert len(list(views(LARGEST_SIDE_PX, LARGEST_SIDE_PX))) <= 17


def test_of_faces_that_overlap_the_surest_stays() -> None:
    near = [Face((0, 0, 10, 10), 0.5), Face((1, 1, 11, 11), 0.9), Face((50, 50, 60, 60), 0.3)]
    assert suppress(near) == [near[1], near[2]]


def test_a_detector_that_fails_is_no_empty_list(monkeypatch: pytest.MonkeyPatch, portrait: np.ndarray) -> None:
    """ONNX Runtime itself fails: it holds another network."""
    detector = FaceDetector()
    other = next(exported_folder("m2fp-lite").glob("*.onnx"))
    monkeypatch.setattr(detector, "_session", onnxruntime.InferenceSession(other, providers=["CPUExecutionProvider"]))
    with pytest.raises(FaceDetectionError, match="failed on this picture"):
        detector.find(portrait)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_numbers_that_are_none_are_no_empty_list(which: int) -> None:
    answer = [
        np.zeros((1, 1, 8, 8), np.float32),
        np.zeros((1, 2, 8, 8), np.float32),
        np.zeros((1, 2, 8, 8), np.float32),
    ]
    assert decode(answer, View(0, 0, 32, 32, 32, 32), 0.25) == []
    answer[which][0, 0, 3, 3] = np.nan
    with pytest.raises(FaceDetectionError):
        decode(answer, View(0, 0, 32, 32, 32, 32), 0.25)


def test_another_detector_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "assets" / "faces"
    folder.mkdir(parents=True)
    shutil.copy(str(files("discreet") / "assets" / "faces" / "centerface.onnx"), folder)
    monkeypatch.setattr(faces, "files", lambda _: tmp_path)
    FaceDetector()
    with (folder / "centerface.onnx").open("r+b") as changed:
        changed.seek(5_000_000)
        changed.write(b"x")
    faces._digest.cache_clear()
    with pytest.raises(FaceDetectionError, match="changed"):
        FaceDetector()
    faces._digest.cache_clear()
    (folder / "centerface.onnx").unlink()
    with pytest.raises(FaceDetectionError, match="missing"):
        FaceDetector()
    faces._digest.cache_clear()
