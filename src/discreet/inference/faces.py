"""Finding faces, so that they can be hidden before anything else sees the picture.

The detector is CenterFace. It sees the picture in one or several square views; each is resized so that its sides are
multiples of 32, and given as RGB from 0 to 255, float32 [1, 3, h, w]. It answers three maps at a quarter of that size:
`heat` [1, 1, h/4, w/4], how surely a face's centre lies there; `size` [1, 2, …], logarithms of height and width in
cells; `offset` [1, 2, …], of the centre within its cell, downwards and rightwards.

A cell (r, c) with heat above the threshold is a face with its centre at ((c + offset₁ + ½)·4, (r + offset₀ + ½)·4) and
sides 4·exp(size₁) by 4·exp(size₀), in pixels of the view. Of faces that overlap by IoU 0.3 or more, the surest stays.

Views: the whole picture, its longest side at most FULL_SIDE_PX and at least SMALLEST_SIDE_PX; and where the picture is
larger than FULL_SIDE_PX, tiles of TILE_PX at full size (at most LARGEST_SIDE_PX; shrink larger pictures first), evenly
spread so that they overlap by at least OVERLAP_PX.

Source: Xu et al., CenterFace, arXiv 1911.03599. The page in the browser follows the same rule with the same file.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.errors import DependencyError, FaceDetectionError

DETECTOR_SHA256 = "10c591bc7da4c7f886105cce16b020890a9448daee7b84a7536f7fd87acddf59"
# Low: a mask too many hides a pattern, a mask too few shows a face.
THRESHOLD = 0.25
OVERLAP_IOU = 0.3
FULL_SIDE_PX = 640
SMALLEST_SIDE_PX = 256
TILE_PX = 640
OVERLAP_PX = 96
LARGEST_SIDE_PX = 2048
STRIDE, CELL_PX = 32, 4

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Face:
    """A face.

    Args:
        box: x0, y0, x1, y1 in pixels of the picture; may reach over its edge.
        score: 0 to 1.
    """

    box: Box
    score: float


@dataclass(frozen=True)
class View:
    """A part of the picture, and the size at which the detector sees it."""

    left: int
    top: int
    right: int
    bottom: int
    height: int
    width: int


class FaceDetector:
    """Finds faces, or says that it could not look; never says "none" without having looked.

    Args:
        threads: of the network.
        threshold: faces must be surer than this.
        full_side_px: longest side of the view of the whole picture; smaller is faster and misses small faces.

    Raises:
        FaceDetectionError: the detector's file is missing or was changed.
        DependencyError: onnxruntime is not installed.
    """

    def __init__(self, *, threads: int = 1, threshold: float = THRESHOLD, full_side_px: int = FULL_SIDE_PX) -> None:
        self._session = _session(detector_file(), threads)
        self._threshold = threshold
        self._full_side_px = full_side_px

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """All faces, the surest first.

        Args:
            image: uint8 RGB [H, W, 3]. *SENSITIVE*

        Raises:
            FaceDetectionError: the network failed or answered what makes no sense.
        """
        found: list[Face] = []
        for view in views(image.shape[0], image.shape[1], self._full_side_px):
            found += self._look(image, view)
        return suppress(found)

    def _look(self, image: NDArray[np.uint8], view: View) -> list[Face]:
        """Faces of one view, in pixels of the picture."""
        part = Image.fromarray(image).crop((view.left, view.top, view.right, view.bottom))
        if part.size != (view.width, view.height):
            part = part.resize((view.width, view.height), Image.Resampling.BILINEAR)
        pixels = np.asarray(part, np.float32).transpose(2, 0, 1)[None]
        try:
            answer = self._session.run(["heat", "size", "offset"], {"image": np.ascontiguousarray(pixels)})
        except Exception:  # whatever the runtime raises, nobody has looked
            raise FaceDetectionError("the face detector failed on this picture") from None
        return decode(answer, view, self._threshold)


def small_enough(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with no side over LARGEST_SIDE_PX: what is shown is never finer than what was searched."""
    height, width = image.shape[:2]
    zoom = LARGEST_SIDE_PX / max(height, width)
    if zoom >= 1.0:
        return image
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def detector_file() -> Path:
    """The shipped detector.

    Raises:
        FaceDetectionError: it is missing or was changed.
    """
    path = Path(str(files("discreet") / "assets" / "faces" / "centerface.onnx"))
    if not path.is_file() or _digest(path) != DETECTOR_SHA256:
        raise FaceDetectionError("the shipped face detector is missing or was changed; install the package anew")
    return path


def views(height: int, width: int, full_side_px: int = FULL_SIDE_PX) -> Iterator[View]:
    """What the detector looks at, the whole picture first."""
    longest = max(height, width)
    zoom = min(full_side_px, max(longest, SMALLEST_SIDE_PX)) / longest
    yield View(0, 0, width, height, _to_stride(height * zoom), _to_stride(width * zoom))
    if longest > FULL_SIDE_PX:
        for top, bottom in _tiles(height):
            for left, right in _tiles(width):
                yield View(left, top, right, bottom, _to_stride(bottom - top), _to_stride(right - left))


def decode(answer: Sequence[NDArray[np.float32]], view: View, threshold: float) -> list[Face]:
    """Faces of the three maps, in pixels of the picture.

    Raises:
        FaceDetectionError: a map holds numbers that are none.
    """
    heat, size, offset = (maps[0] for maps in answer)
    if not all(np.isfinite(maps).all() for maps in (heat, size, offset)):
        raise FaceDetectionError("the face detector answered numbers that are none")
    rows, columns = np.nonzero(heat[0] > threshold)
    scale_y = (view.bottom - view.top) / view.height
    scale_x = (view.right - view.left) / view.width
    y = (rows + offset[0, rows, columns] + 0.5) * CELL_PX * scale_y + view.top
    x = (columns + offset[1, rows, columns] + 0.5) * CELL_PX * scale_x + view.left
    half_height = np.exp(size[0, rows, columns]) * CELL_PX * scale_y / 2
    half_width = np.exp(size[1, rows, columns]) * CELL_PX * scale_x / 2
    boxes = np.stack((x - half_width, y - half_height, x + half_width, y + half_height), axis=1)
    scores = heat[0, rows, columns]
    return [Face((b[0], b[1], b[2], b[3]), float(s)) for b, s in zip(boxes.tolist(), scores, strict=True)]


def suppress(faces: Sequence[Face]) -> list[Face]:
    """Of faces that overlap, the surest alone."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_overlap(face.box, other.box) < OVERLAP_IOU for other in kept):
            kept.append(face)
    return kept


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(one) + _area(other) - both)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _to_stride(length: float) -> int:
    """The next multiple of the detector's stride."""
    return max(STRIDE, math.ceil(length / STRIDE) * STRIDE)


def _tiles(length: int) -> list[tuple[int, int]]:
    """Starts and ends of the tiles along one side."""
    if length <= TILE_PX:
        return [(0, length)]
    count = math.ceil((length - OVERLAP_PX) / (TILE_PX - OVERLAP_PX))
    starts = [round(index * (length - TILE_PX) / (count - 1)) for index in range(count)]
    return [(start, start + TILE_PX) for start in starts]


@cache
def _digest(path: Path) -> str:
    """SHA-256 of the detector, read once."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _session(path: Path, threads: int) -> Any:
    """The detector in ONNX Runtime."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise DependencyError("masking faces needs onnxruntime; pip install 'discreet[serve]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads may wait by spinning while the network runs; afterwards they would take cores from the next stage.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
