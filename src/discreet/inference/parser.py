"""The parser: picture, letterbox, network, parts and persons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from discreet.errors import PictureError
from discreet.inference.image_io import PictureFile, read_image
from discreet.inference.letterbox import Letterbox
from discreet.labels import LabelSet
from discreet.parsing.assemble import HUMAN_THRESHOLD, assemble
from discreet.parsing.results import ParseResult


class Backend(Protocol):
    """Whatever runs a network on one canvas."""

    def __call__(self, image: NDArray[np.uint8], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """uint8 RGB [H, W, 3] -> class_logits [Q, C+1], mask_logits [Q, h, w], float32."""
        ...


class Parser:
    """Finds every part and every person of a picture.

    Args:
        backend: runs the network.
        labels: what its first classes mean.
        human: whether whole persons are among its classes.
        image_size: (height, width) of its canvas, in pixels.
        sizes: of all canvases that the backend takes, where it takes several; the one that fits a picture's shape
            best is used, of those as large as `image_size`.
        enlarge: whether smaller pictures grow to fill the canvas; by default not in the single-person form,
            as published.
    """

    def __init__(
        self,
        backend: Backend,
        labels: LabelSet,
        human: bool,
        image_size: tuple[int, int],
        *,
        sizes: Sequence[tuple[int, int]] = (),
        enlarge: bool | None = None,
    ) -> None:
        self.labels = labels
        self.human = human
        self.canvas = image_size
        self.sizes = alike(sizes, image_size) or list(sizes) or [image_size]
        self.backend = backend
        self._enlarge = human if enlarge is None else enlarge

    def parse(
        self, picture: NDArray[np.uint8] | PictureFile, *, human_threshold: float = HUMAN_THRESHOLD
    ) -> ParseResult:
        """Parse one picture.

        Args:
            picture: uint8 RGB [H, W, 3], a path, or the bytes of a file. *SENSITIVE*
            human_threshold: persons must be surer than this, 0 to 1.

        Raises:
            PictureError: the picture cannot be read, or is not uint8 RGB.
        """
        image = _checked(picture) if isinstance(picture, np.ndarray) else read_image(picture)
        height, width = image.shape[:2]
        canvas = best_canvas(height, width, self.sizes)
        frame = Letterbox.fit(height, width, canvas, enlarge=self._enlarge)
        class_logits, mask_logits = self.backend(frame.apply(image))
        return assemble(
            class_logits,
            mask_logits,
            human=self.human,
            labels=self.labels,
            frame=frame,
            image=image,
            human_threshold=human_threshold,
        )


def alike(sizes: Sequence[tuple[int, int]], image_size: tuple[int, int]) -> list[tuple[int, int]]:
    """Of several canvases, those with about as many pixels as one: where the network is as good as it was trained."""
    wanted = image_size[0] * image_size[1]
    return [size for size in sizes if 0.7 <= size[0] * size[1] / wanted <= 1.4]


def best_canvas(height: int, width: int, canvases: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The canvas on which a picture leaves least of its area empty; the first of several."""

    def filled(canvas: tuple[int, int]) -> float:
        zoom = min(canvas[0] / height, canvas[1] / width)
        return (height * zoom) * (width * zoom) / (canvas[0] * canvas[1])

    return max(canvases, key=filled)


def _checked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The array, if it is a picture."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        found = f"{image.dtype} {list(image.shape)}"
        raise PictureError(f"a picture must be uint8 [H, W, 3] with at least one pixel, not {found}; convert it first")
    return image
