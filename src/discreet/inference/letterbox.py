"""Fitting a picture of any shape onto the canvas of a network, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.parsing.frame import Frame

# The mean colour, which is zero after normalisation. Training pads with the same.
PADDING_RGB = (124, 116, 104)


@dataclass(frozen=True)
class Letterbox(Frame):
    """A picture's place on a canvas: as large as fits, centred. `apply` goes there, `invert` comes back."""

    @classmethod
    def fit(cls, height: int, width: int, canvas: tuple[int, int], *, enlarge: bool = True) -> Letterbox:
        """Place a picture.

        Args:
            height, width: of the picture, in pixels.
            canvas: height and width of the canvas, in pixels.
            enlarge: whether a smaller picture grows to fill the canvas.
        """
        canvas_height, canvas_width = canvas
        zoom = min(canvas_height / height, canvas_width / width)
        if not enlarge:
            zoom = min(zoom, 1.0)
        # Very long pictures keep at least one pixel of their short side.
        inner_height = min(max(round(height * zoom), 1), canvas_height)
        inner_width = min(max(round(width * zoom), 1), canvas_width)
        top, left = (canvas_height - inner_height) // 2, (canvas_width - inner_width) // 2
        return cls(height, width, canvas_height, canvas_width, top, left, inner_height, inner_width)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The canvas with the picture on it: uint8 [H, W, 3] -> uint8 [canvas_height, canvas_width, 3]."""
        canvas = np.empty((self.canvas_height, self.canvas_width, 3), np.uint8)
        canvas[:] = PADDING_RGB
        size = (self.inner_width, self.inner_height)
        resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        canvas[self.top : self.top + self.inner_height, self.left : self.left + self.inner_width] = np.asarray(resized)
        return canvas
