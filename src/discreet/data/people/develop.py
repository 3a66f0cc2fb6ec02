"""From light to a picture as cameras, phones and the web leave it: lens, exposure, tone, look, noise, files.

Shapes: H = W = size_px; planes are float32 [3, H, W], linear first, then as displayed, 0–1.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.people import lens
from discreet.data.people.development import Development

Rng = np.random.Generator
Floats = NDArray[np.floating]
Pixels = NDArray[np.uint8]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_MID_GREY = 0.18  # of linear light
_LEAST_WHITE = 0.55  # linear: dark pictures are not stretched up to white
_BACKDROP_M = 40.0  # of haze that lies before the backdrop, however far it is


def develop(linear_HW3: Floats, depth_HW: Floats, circles_HW: Floats, how: Development, rng: Rng) -> Pixels:
    """The picture, uint8 [H, W, 3].

    Args:
        linear_HW3: light, of which about 0.18 is to become mid grey.
        depth_HW: metres along the view, infinite where nothing is.
        circles_HW: how wide each point is out of focus, pixels; see lens.circles_of_confusion.
        rng: of this picture; for its noise.
    """
    planes = np.ascontiguousarray(linear_HW3.transpose(2, 0, 1), np.float32)
    planes = _through_lens(_through_air(planes, depth_HW, how), circles_HW, how)
    planes = _expose(planes, how)
    planes = _smooth(_add_noise(_tone(planes, how), how, rng), how)
    planes = _grade(_sharpen(planes, how), how)
    image = (np.clip(planes, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
    return _send(np.ascontiguousarray(image), how)


def encode_jpeg(image: Pixels, quality: int) -> bytes:
    """A JPEG file of an image, uint8 [H, W, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _through_air(planes: Floats, depth_HW: Floats, how: Development) -> Floats:
    if how.haze:
        clear = np.exp(-how.haze * np.minimum(depth_HW, _BACKDROP_M)).astype(np.float32)
        planes = planes * clear + np.array(how.haze_colour, np.float32)[:, None, None] * (1 - clear)
    return planes


def _through_lens(planes: Floats, circles_HW: Floats, how: Development) -> Floats:
    if np.abs(circles_HW).max() > 1:
        planes = lens.defocus(planes, circles_HW)
    if how.shaken_px:
        planes = lens.shake(planes, how.shaken_px, how.shaken_angle)
    if how.soft_px:
        planes = lens.soften(planes, how.soft_px)
    if how.fringe_px:
        planes = lens.fringe(planes, how.fringe_px)
    if how.veil:
        planes = planes * (1 - how.veil) + how.veil * planes.mean((1, 2), keepdims=True)
    if how.vignette:
        planes = lens.darken_corners(planes, how.vignette)
    return planes.astype(np.float32)


def _luma(planes: Floats) -> Floats:
    return _LUMA[0] * planes[0] + _LUMA[1] * planes[1] + _LUMA[2] * planes[2]


def _expose(planes: Floats, how: Development) -> Floats:
    """Light, balanced and measured as cameras measure it."""
    planes = planes * np.array(how.balance, np.float32)[:, None, None]
    measured = _luma(planes[:, ::4, ::4])
    average = float(np.exp(np.log(np.maximum(measured, 1e-3)).mean()))
    gain = how.exposure * float(np.clip((_MID_GREY / average) ** how.metering, 0.5, 2.0))
    return planes * np.float32(gain)


def _tone(planes: Floats, how: Development) -> Floats:
    """Light to lightness: a shoulder up to white, dark tones lifted alike whatever white is; then an S curve."""
    measured = planes[:, ::4, ::4]
    planes = planes - np.float32(how.levelling * np.quantile(measured.min(0), 0.02))
    brightest = max(float(np.quantile(measured.max(0), 0.98)), _LEAST_WHITE)
    white = how.headroom * (how.protection * brightest + 1 - how.protection)
    shoulder = white / max(how.lift * white - 1, 0.05)
    planes = np.maximum(planes, 1e-5)
    held = planes * ((white + shoulder) / white) / (planes + shoulder)
    shown = np.minimum(held, 1) ** np.float32(1 / 2.2)
    return shown + how.contrast * shown * (1 - shown) * (2 * shown - 1)


def _add_noise(planes: Floats, how: Development, rng: Rng) -> Floats:
    """Noise of lightness in every pixel, strongest in the dark; that of colour in blotches."""
    _, height, width = planes.shape
    uneven = 1.3 - 0.9 * _luma(planes)
    grain = rng.standard_normal((height, width), np.float32) * np.float32(how.noise)
    blotches = rng.standard_normal((2, (height + 1) // 2, (width + 1) // 2), np.float32) * np.float32(how.colour_noise)
    red, blue = lens.resize(blotches, width, height) * 1.5
    green = -(_LUMA[0] * red + _LUMA[2] * blue) / _LUMA[1]
    return planes + uneven * (grain + np.stack([red, green, blue]))


def _smooth(planes: Floats, how: Development) -> Floats:
    """Phones: colours blurred, faint detail wiped away with the noise, strong detail kept."""
    if not how.smoothing:
        return planes
    _, height, width = planes.shape
    lightness = _luma(planes)
    colour = planes - lightness
    even = lens.resize(lens.resize(colour, max(width // 3, 1), max(height // 3, 1)), width, height)
    base = lens.soften(lightness[None], 1.3)[0]
    detail = lightness - base
    faint = 2.2 * how.noise * how.smoothing + 0.004
    detail *= detail**2 / (detail**2 + faint**2) * how.smoothing + (1 - how.smoothing)
    return base + detail + colour + (even - colour) * how.smoothing


def _sharpen(planes: Floats, how: Development) -> Floats:
    if not how.sharpening:
        return planes
    lightness = _luma(planes)
    return planes + how.sharpening * (lightness - lens.soften(lightness[None], how.sharpening_px)[0])


def _grade(planes: Floats, how: Development) -> Floats:
    """Colour, or black and white; then the look."""
    planes = np.clip(planes, 0, 1)
    if how.monochrome is not None:
        weights = np.array(how.monochrome, np.float32)
        grey = np.tensordot(weights, planes, 1)
        planes = np.stack([grey + tone * 4 * grey * (1 - grey) for tone in how.tone])
    else:
        lightness = _luma(planes)
        planes = lightness + (planes - lightness) * how.saturation
    if any(how.shadows):
        lightness = _luma(planes)
        tints = np.array([how.shadows, how.highlights], np.float32)[:, :, None, None]
        planes = planes + tints[0] * (1 - lightness) ** 2 + tints[1] * lightness**2
    return how.blacks + (how.whites - how.blacks) * planes


def _send(image: Pixels, how: Development) -> Pixels:
    """Made smaller, saved, enlarged and saved again."""
    height, width = image.shape[:2]
    if how.shrink < 1:
        down, up = (Image.Resampling(number) for number in how.shrink_filters)
        small = (max(8, round(width * how.shrink)), max(8, round(height * how.shrink)))
        shrunk = np.asarray(Image.fromarray(image).resize(small, down))
        if how.first_quality:
            shrunk = _saved(shrunk, how.first_quality)
        image = np.asarray(Image.fromarray(shrunk).resize((width, height), up))
    elif how.first_quality:
        down, across = how.grid
        padded = np.pad(image, ((down, 0), (across, 0), (0, 0)), "edge")
        image = _saved(padded, how.first_quality)[down:, across:]
    return _saved(image, how.quality)


def _saved(image: Pixels, quality: int) -> Pixels:
    """An image as it is after a JPEG file."""
    return np.asarray(Image.open(io.BytesIO(encode_jpeg(np.ascontiguousarray(image), quality)))).copy()
