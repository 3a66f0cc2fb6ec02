"""What a lens, a sensor, an editor and the web do to a picture. Labels know nothing of it.

Most pictures come out ordinary; a tail is dark, pale, grey, tinted, blurred or badly compressed, as photographs are.

Pictures are float32 [H, W, 3], 0–1 once they are exposed.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.people.scene import Scene
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

_GREY, _TINTED, _FADED, _VIGNETTE, _MOVED, _SHARPENED, _COMPRESSED, _SHRUNK = 0.06, 0.06, 0.1, 0.3, 0.08, 0.25, 0.6, 0.2
_LARGEST_BLUR = 0.014  # of the picture's side
_BLUR_STEPS = 3


def develop(linear: Floats, distance_HW: Floats, scene: Scene, style: Style, rng: Rng) -> NDArray[np.uint8]:
    """A photograph, uint8 [H, W, 3].

    Args:
        linear: light that arrived, 1 a well lit white.
        distance_HW: metres to what each pixel shows; infinite for the backdrop.
        scene: focus and aperture.
        style: noise of the sensor.
        rng: the picture's own.
    """
    picture = _expose(_blur_by_depth(linear, distance_HW, scene), rng)
    picture = _grade(picture, rng)
    if rng.random() < _MOVED:
        picture = _move(picture, rng)
    picture = _add_noise(picture, style, rng)
    if rng.random() < _SHARPENED:
        picture = picture + rng.uniform(0.3, 1.2) * (picture - _box_blur(picture, 1))
    finished = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return _send(finished, rng) if rng.random() < _COMPRESSED else finished


def _box_blur(picture: Floats, radius_px: int) -> Floats:
    """Means over squares, edges repeated."""
    width = 2 * radius_px + 1
    for axis in (0, 1):
        padding = [(0, 0)] * picture.ndim
        padding[axis] = (radius_px + 1, radius_px)
        sums = np.cumsum(np.pad(picture, padding, mode="edge"), axis=axis, dtype=np.float64)
        size = picture.shape[axis]
        late, early = (np.take(sums, range(start, start + size), axis) for start in (width, 0))
        picture = ((late - early) / width).astype(np.float32)
    return picture


def _blur_by_depth(linear: Floats, distance_HW: Floats, scene: Scene) -> Floats:
    """What is out of focus is spread out; the sharp lends it no colour."""
    if scene.aperture <= 0:
        return linear
    side = len(linear)
    spread = scene.aperture * np.abs(1 / scene.focus_m - 1 / distance_HW) / (2 * scene.camera.spread)
    spread_px = np.minimum(spread, _LARGEST_BLUR) * side
    blurred = linear
    for radius in sorted(
        {max(1, round(_LARGEST_BLUR * side * step / _BLUR_STEPS)) for step in range(1, _BLUR_STEPS + 1)}
    ):
        lends = np.clip(spread_px / radius, 0.02, 1).astype(np.float32)[..., None]
        # Twice a box is nearly round.
        pools = [_box_blur(_box_blur(values, radius), radius) for values in (linear * lends, lends)]
        share = np.clip(2 * spread_px / radius - 1, 0, 1).astype(np.float32)[..., None]
        blurred = blurred * (1 - share) + share * pools[0] / pools[1]
    return blurred


def _expose(linear: Floats, rng: Rng) -> Floats:
    """Exposure, white balance, and a curve that keeps what is bright from burning out."""
    balance = 1 + rng.normal(0, 0.05, 3)
    exposure = np.exp(rng.normal(-0.02, 0.28))
    picture = linear * (balance * exposure).astype(np.float32)
    shoulder = rng.uniform(0.25, 0.7)
    return np.maximum(picture * (1 + shoulder) / (1 + shoulder * picture), 0) ** np.float32(1 / rng.uniform(1.9, 2.5))


def _grade(picture: Floats, rng: Rng) -> Floats:
    """Contrast, colour, fading, a dark rim."""
    picture = 0.5 + (picture - 0.5) * np.float32(rng.uniform(0.8, 1.2))
    grey = picture.mean(2, keepdims=True)
    saturation = 0.0 if rng.random() < _GREY else rng.uniform(0.55, 1.15)
    picture = grey + (picture - grey) * np.float32(saturation)
    if rng.random() < _TINTED:
        picture = picture * rng.uniform(0.75, 1.15, 3).astype(np.float32)
    if rng.random() < _FADED:
        lowest = rng.uniform(0.03, 0.2)
        picture = lowest + picture * np.float32(1 - lowest)
    if rng.random() < _VIGNETTE:
        away = np.linspace(-1, 1, len(picture), dtype=np.float32) ** 2
        picture = picture * (1 - np.float32(rng.uniform(0.05, 0.3)) * (away[:, None] + away)[..., None] / 2)
    return np.clip(picture, 0, 1).astype(np.float32)


def _move(picture: Floats, rng: Rng) -> Floats:
    """A camera that was not held still."""
    length = rng.uniform(0.004, 0.016) * len(picture)
    angle = rng.uniform(0, np.pi)
    places = np.linspace(-length / 2, length / 2, 5)
    shifts = [(round(place * np.sin(angle)), round(place * np.cos(angle))) for place in places]
    return np.stack([np.roll(picture, shift, (0, 1)) for shift in shifts]).mean(0)


def _add_noise(picture: Floats, style: Style, rng: Rng) -> Floats:
    """Grain in brightness, coarser blotches in colour, more of both in the dark."""
    low, high = style.noise
    # Most pictures have little of it.
    strength = (low + (high - low) * rng.random() ** 3) * (1.3 - 0.6 * picture.mean(2, keepdims=True))
    grain = rng.normal(size=(*picture.shape[:2], 1)).astype(np.float32)
    blotches = _box_blur(rng.normal(size=picture.shape).astype(np.float32), 1) * 2
    noisy = picture + strength.astype(np.float32) * (grain + np.float32(rng.uniform(0, 0.8)) * blotches)
    return _box_blur(noisy, 1) * 0.6 + noisy * 0.4 if rng.random() < 0.2 else noisy  # as phones smooth it away


def _send(finished: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Through the web: sometimes made smaller and larger again, always compressed."""
    picture = Image.fromarray(finished)
    if rng.random() < _SHRUNK:
        side = round(picture.width * rng.uniform(0.4, 0.9))
        picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=int(rng.integers(30, 95)))
    return np.array(Image.open(packed).resize(finished.shape[:2], Image.Resampling.BICUBIC))
