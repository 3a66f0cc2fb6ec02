"""Augmentation: a mirror, one random affine map and light, from a generator of the picture's own.

Everything is drawn from the given generator, so that a sample's view depends on nothing but it,
and a picture more in the data set shifts nobody's random stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from discreet.data.samples import Sample
from discreet.errors import ConfigurationError
from discreet.labels import IGNORED, LabelSet

Picture = NDArray[np.uint8]

# What lies around a picture: the mean colour, which is zero after normalisation. Parsing pads with the same.
PADDING_RGB = (124, 116, 104)


@dataclass(frozen=True)
class AugmentSettings:
    """How views differ from their picture. *Public*

    Args:
        image_size: height and width of the view, in pixels.
        enlarge: whether smaller pictures grow to fit the view, before `scale`.
        scale: smallest and largest size relative to the whole picture fitting the view.
        rotation_deg: largest rotation either way.
        flip: whether half of the views are mirrored, left and right parts swapped.
        brightness, contrast, colour: strength of photometric changes, 0 to 1.
        grey, blur: chance of a grey, or blurred, view.
        noise: largest standard deviation of pixel noise, in grey levels.

    Raises:
        ConfigurationError: a size or scale is not positive, or a strength is out of range.
    """

    image_size: tuple[int, int]
    enlarge: bool = True
    scale: tuple[float, float] = (1.0, 1.0)
    rotation_deg: float = 0.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if min(self.image_size) < 1 or not 0 < low <= high:
            raise ConfigurationError(
                f"image_size {self.image_size} and scale {self.scale} must be positive, the smaller scale first"
            )
        for name in ("brightness", "contrast", "colour", "grey", "blur"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; 0 to 1 is allowed")

    @classmethod
    def of_strength(cls, strength: str, image_size: tuple[int, int], *, enlarge: bool = True) -> AugmentSettings:
        """ "none" fits the picture into the view; "light" flips and shifts; "full" also changes scale and light."""
        plain = cls(image_size, enlarge)
        light = replace(plain, scale=(0.8, 1.4), rotation_deg=10.0, flip=True, brightness=0.15, contrast=0.15)
        full = replace(
            light, scale=(0.5, 2.0), rotation_deg=25.0, brightness=0.35, contrast=0.35, colour=0.15, grey=0.1,
            blur=0.2, noise=8.0,
        )  # fmt: skip
        known = {"none": plain, "light": light, "full": full}
        if strength not in known:
            raise ConfigurationError(f"augmentation {strength!r} is unknown; choose none, light or full")
        return known[strength]


def augment(sample: Sample, rng: np.random.Generator, settings: AugmentSettings, label_set: LabelSet) -> Sample:
    """A view of a sample.

    Args:
        sample: *SENSITIVE*
        rng: the sample's own; the same draws give the same view.
        settings: *Public*
        label_set: knows which parts swap when a view is mirrored.

    Returns:
        image, parts and persons of image_size; outside the picture parts are 255 and persons 0.
    """
    if settings.flip and rng.random() < 0.5:
        sample = flip(sample, label_set)
    height, width = sample.parts.shape
    coefficients = _affine(width, height, rng, settings)
    image = _warp(sample.image, coefficients, settings.image_size, fill=PADDING_RGB)
    parts = _warp(sample.parts, coefficients, settings.image_size, fill=IGNORED)
    persons = None if sample.persons is None else _warp(sample.persons, coefficients, settings.image_size, fill=0)
    return replace(sample, image=_relight(image, rng, settings), parts=parts, persons=persons)


def flip(sample: Sample, label_set: LabelSet) -> Sample:
    """The sample in a mirror: left parts become right ones. Twice is the sample itself."""
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        parts=label_set.flip_table()[sample.parts[:, ::-1]],
        persons=None if sample.persons is None else np.ascontiguousarray(sample.persons[:, ::-1]),
    )


def _affine(width: int, height: int, rng: np.random.Generator, settings: AugmentSettings) -> tuple[float, ...]:
    """Coefficients that take a point of the view to one of the picture."""
    view_height, view_width = settings.image_size
    fitting = min(view_width / width, view_height / height)
    low, high = (math.log(bound) for bound in settings.scale)
    zoom = (fitting if settings.enlarge else min(fitting, 1.0)) * math.exp(rng.uniform(low, high))
    angle = math.radians(rng.uniform(-settings.rotation_deg, settings.rotation_deg))
    # The view may slide as far as the picture still fills it, or the picture still lies within it.
    room = np.abs(np.array([width, height]) * zoom - (view_width, view_height)) / 2
    slide_x, slide_y = rng.uniform(-1, 1, 2) * (room if settings.scale != (1.0, 1.0) else 0.0)
    centre_x, centre_y = view_width / 2 + slide_x, view_height / 2 + slide_y
    cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
    return (
        cosine, sine, width / 2 - cosine * centre_x - sine * centre_y,
        -sine, cosine, height / 2 + sine * centre_x - cosine * centre_y,
    )  # fmt: skip


def _warp(
    array: Picture, coefficients: tuple[float, ...], size: tuple[int, int], fill: int | tuple[int, int, int]
) -> Picture:
    """Apply the affine map: smoothly to a picture, by the nearest pixel to a map of ids."""
    picture = Image.fromarray(array)
    smooth = array.ndim == 3
    shrink = int(math.hypot(coefficients[0], coefficients[3]))
    if smooth and shrink >= 2:
        # Bilinear sampling reads four pixels: larger pictures are averaged down first.
        picture = picture.reduce(shrink)
        coefficients = tuple(value / shrink for value in coefficients)
    resampling = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    warped = picture.transform((size[1], size[0]), Image.Transform.AFFINE, coefficients, resampling, fillcolor=fill)
    return np.array(warped)


def _relight(image: Picture, rng: np.random.Generator, settings: AugmentSettings) -> Picture:
    """Change brightness, contrast and colour, blur, and add noise."""
    light = image.astype(np.float32)
    if settings.blur and rng.random() < settings.blur:
        radius = float(rng.uniform(0.3, 1.5))
        light = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)), np.float32)
    if settings.brightness:
        light = light * np.float32(math.exp(rng.uniform(-settings.brightness, settings.brightness)))
    if settings.contrast:
        mean = light.mean()
        light = (light - mean) * np.float32(math.exp(rng.uniform(-settings.contrast, settings.contrast))) + mean
    if settings.colour:
        light = light * np.exp(rng.uniform(-settings.colour, settings.colour, 3)).astype(np.float32)
    if settings.grey and rng.random() < settings.grey:
        light = np.repeat(light.mean(2, keepdims=True), 3, 2)
    if settings.noise:
        light = light + rng.normal(0, rng.uniform(0, settings.noise), light.shape).astype(np.float32)
    return np.clip(light, 0, 255).astype(np.uint8)
