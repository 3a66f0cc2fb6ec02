"""What a lens does to light: blur out of focus and by movement, fringes of colour, dark corners.

Nothing moves in the picture by more than a pixel: labels stay where they are.

Shapes: planes are float32 [C, H, W], linear.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.floating]

_SHARP_PX = 0.7  # circles up to that wide are not blurred
_WIDEST = 0.1  # of the picture's side: no circle is wider
_BEFORE_FOCUS = 0.6  # of their width, that circles before the focus keep


def circles_of_confusion(
    depth_HW: Floats, *, focus_m: float, aperture: float, spread: float, size_px: int
) -> NDArray[np.float32]:
    """Over how many pixels each point spreads, [H, W]: positive behind what is in focus, negative before it.

    Args:
        depth_HW: metres along the view, infinite where nothing is. focus_m, aperture: see Scene.
        spread: see Camera.
    """
    circles = aperture * (1 / focus_m - 1 / np.maximum(depth_HW, 0.05)) / (2 * spread) * size_px
    circles = np.where(circles < 0, circles * _BEFORE_FOCUS, circles)
    return np.clip(circles, -_WIDEST * size_px, _WIDEST * size_px).astype(np.float32)


def defocus(planes: Floats, circles_HW: Floats) -> Floats:
    """Blur each pixel over its circle: what is sharp does not run into the background, blurred foreground covers it."""
    widths, width = [0.0], 2.0
    while widths[-1] < np.abs(circles_HW).max() and len(widths) < 8:
        widths.append(width)
        width *= 2
    blurred = planes
    foreground = np.zeros((len(planes) + 1, *circles_HW.shape), np.float32)
    before = -circles_HW
    for number, width in enumerate(widths[1:], 1):
        narrower = max(widths[number - 1], _SHARP_PX)
        if circles_HW.max() > narrower:
            amount = np.clip((circles_HW - narrower) / (width - narrower), 0, 1)
            light, share = _spread_out(planes, np.clip(circles_HW / width, 0, 1) ** 2, width)
            blurred = blurred + amount * (light / np.maximum(share, 1e-4) - blurred)
        if before.max() > narrower:
            rising = np.clip((before - narrower) / (width - narrower), 0, 1)
            falling = np.clip((before - width) / width, 0, 1) if number < len(widths) - 1 else 0
            light, share = _spread_out(planes, (rising - falling).astype(np.float32), width)
            foreground[:-1] += light
            foreground[-1] += share
    covered = foreground[-1]
    return blurred * (1 - np.minimum(covered, 1)) + foreground[:-1] / np.maximum(covered, 1)


def _spread_out(planes: Floats, weights_HW: Floats, width: float) -> tuple[Floats, Floats]:
    """Weighted light and the weights, both blurred over discs: reduced first, so that wide discs cost no more."""
    height, side = weights_HW.shape
    step = max(1, round(width / 2.5))
    stack = np.concatenate([planes * weights_HW, weights_HW[None]])
    if step > 1:
        stack = _reduced(stack, step)
    stack = convolve(stack, _disc(width / step))
    if step > 1:
        stack = resize(stack, stack.shape[2] * step, stack.shape[1] * step)[:, :height, :side]
    return stack[:-1], stack[-1]


def _reduced(planes: Floats, step: int) -> Floats:
    """Means of squares of pixels; the last ones are filled up with the edge."""
    number, height, width = planes.shape
    planes = np.pad(planes, ((0, 0), (0, -height % step), (0, -width % step)), "edge")
    rows, columns = planes.shape[1] // step, planes.shape[2] // step
    planes = planes.reshape(number, rows, step, -1).sum(2)
    sums = sum(planes[:, :, first::step] for first in range(1, step)) + planes[:, :, ::step]
    return sums.reshape(number, rows, columns) / np.float32(step**2)


def _disc(width: float) -> Floats:
    reach = int(np.ceil(width / 2))
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(width / 2 + 0.5 - np.hypot(down, across), 0, 1)
    return disc / disc.sum()


def convolve(planes: Floats, kernel: Floats) -> Floats:
    """Each plane with a small odd kernel; the edge is repeated outwards."""
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(planes, ((0, 0), (rows, rows), (columns, columns)), "edge")
    _, height, width = planes.shape
    total, part = np.zeros_like(planes), np.empty_like(planes)
    for row, column in zip(*np.nonzero(kernel), strict=True):
        moved = padded[:, row : row + height, column : column + width]
        total += np.multiply(moved, np.float32(kernel[row, column]), out=part)
    return total


def soften(planes: Floats, sigma_px: float) -> Floats:
    """Gaussian blur, for a small sigma."""
    reach = max(1, int(np.ceil(2 * sigma_px)))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    bell /= bell.sum()
    return convolve(convolve(planes, bell[None, :]), bell[:, None])


def resize(planes: Floats, width: int, height: int) -> Floats:
    """Planes of another size, between the pixels linearly."""
    images = [Image.fromarray(np.ascontiguousarray(plane, np.float32)) for plane in planes]
    return np.stack([np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)) for image in images])


def shake(planes: Floats, length_px: float, angle: float) -> Floats:
    """The camera moved while the shutter was open: a line through the middle of each pixel."""
    reach = int(np.ceil(length_px / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for step in np.linspace(-0.5, 0.5, 4 * reach + 1) * length_px:
        row, column = reach + step * np.sin(angle), reach + step * np.cos(angle)
        top, left = int(row), int(column)
        below, right = row - top, column - left
        kernel[top : top + 2, left : left + 2] += np.outer((1 - below, below), (1 - right, right))
    return convolve(planes, kernel / kernel.sum())


def fringe(planes: Floats, shift_px: float) -> Floats:
    """Colours enlarged unequally, red or (where negative) blue most: by |shift_px| in the corners, at most 1."""
    _, height, width = planes.shape
    corner = np.hypot(height, width) / 2
    outermost = np.array([1.0, 0.5, 0.0]) * min(abs(shift_px), 1.0) / corner
    moved = []
    for plane, by in zip(planes, outermost if shift_px > 0 else outermost[::-1], strict=True):
        image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        matrix = (1 - by, 0, by * width / 2, 0, 1 - by, by * height / 2)
        moved.append(np.asarray(image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)))
    return np.stack(moved)


def darken_corners(planes: Floats, strength: float) -> Floats:
    """Light falls off towards the corners, which keep 1 - strength of it."""
    _, height, width = planes.shape
    down = ((np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1) ** 2
    across = ((np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1) ** 2
    return planes * (1 - np.float32(strength) * (down[:, None] + across) / 2)
