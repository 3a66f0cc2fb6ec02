"""Painted surfaces: walls, house fronts, leaves, skies; RGB pictures or arrays, 0–1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from discreet.data.people.noise import noise

Rng = np.random.Generator
Floats = NDArray[np.floating]
Paint = tuple[int, int, int]

PIXELS_A_METRE = 56


def paint(colour: Floats) -> Paint:
    """A colour 0–1 as Pillow takes it."""
    red, green, blue = (int(min(max(value, 0), 255)) for value in (np.asarray(colour) * 255).tolist())
    return red, green, blue


def some_colour(rng: Rng, strength: float = 0.5) -> Floats:
    """A colour that may be grey or, with strength, bright."""
    grey = rng.uniform(0.12, 0.92)
    return np.clip(grey + strength * rng.random() ** 1.5 * (rng.random(3) - 0.5), 0.02, 1)


def plane_noise(width: int, height: int, cells: tuple[float, float], seed: int) -> Floats:
    """Noise float32 [height, width] with so many cells across and down."""
    row, column = np.mgrid[:height, :width].astype(np.float32)
    points = np.stack([column.ravel() / width, row.ravel() / height, np.zeros(width * height, np.float32)], 1)
    return noise(points, (cells[0], cells[1], 1.0), seed).reshape(height, width)


def soiled(picture: Image.Image, rng: Rng, amount: float = 0.3) -> Image.Image:
    """The picture with stains, grain and light that falls off."""
    pixels = np.array(picture.convert("RGBA"))
    small = plane_noise(picture.width // 4 + 1, picture.height // 4 + 1, (5, 5), int(rng.integers(9999)))
    stains = np.asarray(Image.fromarray(small).resize(picture.size, Image.Resampling.BILINEAR))
    rows = np.linspace(rng.uniform(0.9, 1.1), rng.uniform(0.75, 1.0), picture.height, dtype=np.float32)[:, None]
    columns = np.linspace(rng.uniform(0.8, 1.1), rng.uniform(0.8, 1.1), picture.width, dtype=np.float32)[None]
    light = (1 + amount * (stains - 0.5)) * rows * columns * rng.normal(1, 0.02, stains.shape).astype(np.float32)
    for channel in range(3):
        pixels[..., channel] = np.clip(pixels[..., channel] * light, 0, 255)
    return Image.fromarray(pixels)


def blank(width_m: float, height_m: float, colour: Floats | None = None) -> Image.Image:
    """A picture of a surface so large, see-through unless coloured."""
    size = max(int(width_m * PIXELS_A_METRE), 4), max(int(height_m * PIXELS_A_METRE), 4)
    return Image.new("RGBA", size, (0, 0, 0, 0) if colour is None else (*paint(colour), 255))


def wall(width_m: float, height_m: float, rng: Rng, kinds: tuple[str, ...]) -> Image.Image:
    """Plaster, paper with stripes, panels, bricks, tiles or boards."""
    kind = str(rng.choice(kinds))
    base = some_colour(rng, 0.5) * rng.uniform(0.8, 1.1)
    if kind in ("plaster", "stripes"):
        base = np.clip(rng.uniform(0.55, 0.95) + 0.3 * (rng.random(3) - 0.5) * rng.random(), 0, 1)
    if kind == "bricks":
        base = np.array([0.55, 0.33, 0.25]) * rng.uniform(0.6, 1.5) * rng.uniform(0.9, 1.1, 3)
    picture = blank(width_m, height_m, base)
    pen, (width, height) = ImageDraw.Draw(picture), picture.size
    unit = PIXELS_A_METRE
    if kind == "stripes":
        step = unit * rng.uniform(0.08, 0.3)
        for x in np.arange(0, width, 2 * step):
            pen.rectangle([x, 0, x + step, height], fill=paint(base * rng.uniform(0.85, 0.97)))
    if kind in ("bricks", "tiles", "panels", "boards"):
        high, wide = {"bricks": (0.09, 0.25), "tiles": (0.2, 0.2), "panels": (1.2, 0.6), "boards": (0.18, 9.0)}[kind]
        high, wide = unit * high * rng.uniform(0.8, 1.6), unit * wide * rng.uniform(0.8, 1.6)
        pen.rectangle([0, 0, width, height], fill=paint(base * rng.uniform(0.6, 1.25)))
        for row, y in enumerate(np.arange(0, height, high)):
            for x in np.arange(-wide * (row % 2) / 2 if kind == "bricks" else 0, width, wide):
                pen.rectangle([x, y, x + wide - 1.5, y + high - 1.5], fill=paint(base * rng.uniform(0.88, 1.1)))
    pen.rectangle([0, height - 0.1 * unit, width, height], fill=paint(base * rng.uniform(0.4, 1.2)))
    return picture


def house_front(width_m: float, height_m: float, rng: Rng, *, night: bool) -> Image.Image:
    """Windows in rows, a shop below, ledges, signs."""
    picture = _tiled(wall(3.0, 2.5, rng, ("plaster", "plaster", "bricks", "panels")), blank(width_m, height_m).size)
    pen, (width, height), unit = ImageDraw.Draw(picture), picture.size, PIXELS_A_METRE
    step_x, step_y = unit * rng.uniform(1.3, 3.2), unit * rng.uniform(2.6, 3.6)
    share_x, share_y = rng.uniform(0.35, 0.85), rng.uniform(0.4, 0.75)
    glass, frame = rng.uniform(0.1, 0.45, 3) * (0.8, 0.95, 1.1), some_colour(rng, 0.2)
    for y in np.arange(height - 2 * step_y, -step_y, -step_y):
        for x in np.arange(0.2 * step_x, width, step_x):
            lit = rng.random() < (0.4 if night else 0.06)
            colour = np.array([1.0, 0.8, 0.5]) * rng.uniform(0.6, 1) if lit else glass * rng.uniform(0.6, 1.5)
            corners = [x, y, x + share_x * step_x, y + share_y * step_y]
            pen.rectangle(corners, fill=paint(colour), outline=paint(frame), width=2)
            pen.line([x + share_x * step_x / 2, y, x + share_x * step_x / 2, corners[3]], fill=paint(frame), width=2)
        if rng.random() < 0.4:
            pen.rectangle([0, y + share_y * step_y + 2, width, y + share_y * step_y + 7], fill=paint(frame * 0.9))
    _shops(pen, width, height, rng, night=night)
    return soiled(picture, rng)


def _tiled(tile: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture of a size filled with another one, less its lowest rows."""
    pixels = np.asarray(tile)[:-8]
    times = -(-size[1] // pixels.shape[0]), -(-size[0] // pixels.shape[1]), 1
    return Image.fromarray(np.tile(pixels, times)[: size[1], : size[0]])


def _shops(pen: ImageDraw.ImageDraw, width: int, height: int, rng: Rng, *, night: bool) -> None:
    """Shop windows with goods, doors, name boards, awnings along the foot of a front."""
    unit, x = PIXELS_A_METRE, 0.0
    while x < width:
        wide, top = unit * rng.uniform(1.2, 4), height - unit * rng.uniform(2.3, 2.9)
        inside = (
            np.array([1.0, 0.85, 0.6]) * rng.uniform(0.5, 1)
            if night or rng.random() < 0.3
            else rng.uniform(0.08, 0.4, 3)
        )
        if rng.random() < 0.75:
            pen.rectangle([x + 4, top, x + wide - 4, height - 0.3 * unit], fill=paint(inside))
            for _ in range(int(rng.integers(2, 9))):
                a, b = x + rng.uniform(0.05, 0.8) * wide, height - unit * rng.uniform(0.4, 2)
                pen.rectangle(
                    [a, b, a + unit * rng.uniform(0.1, 0.5), height - 0.35 * unit], fill=paint(some_colour(rng, 1))
                )
            pen.rectangle([x, top - 0.5 * unit, x + wide, top], fill=paint(some_colour(rng, 1)))
            scribble(pen, (x + 0.2 * wide, top - 0.4 * unit, x + 0.8 * wide, top - 0.1 * unit), rng)
        else:
            pen.rectangle([x + 0.2 * wide, top, x + 0.2 * wide + unit, height], fill=paint(some_colour(rng, 0.6)))
        x += wide


def scribble(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], rng: Rng) -> None:
    """Strokes that look like letters from afar."""
    colour, x = paint(some_colour(rng, 0.8)), box[0]
    while x < box[2]:
        wide = (box[3] - box[1]) * rng.uniform(0.3, 0.7)
        pen.line([x, rng.uniform(box[1], box[3]), x + wide * rng.random(), rng.uniform(box[1], box[3])], colour, 2)
        pen.line([x, box[1], x, box[3]], fill=colour, width=2)
        x += wide * 1.3


def leaves(width: int, height: int, rng: Rng, *, dry: bool = False) -> Floats:
    """Foliage, float32 [height, width, 3]: clumps that catch light from above."""
    seed, fine = int(rng.integers(9999)), max(width / 7, 8)
    clumps = plane_noise(width, height, (width / 40 + 2, height / 40 + 2), seed)
    texture = 0.45 * clumps + 0.55 * plane_noise(width, height, (fine, fine * height / width), seed + 1)
    green = (
        np.array([0.45, 0.36, 0.14] if dry else [0.27, 0.4, 0.14]) * rng.uniform(0.7, 1.3) * rng.uniform(0.85, 1.15, 3)
    )
    light = 0.25 + 1.5 * texture**1.6
    return np.clip(green * light[..., None] + 0.25 * np.clip(texture - 0.72, 0, 1)[..., None], 0, 1)


def sky(rays_HW3: Floats, rng: Rng, *, night: bool) -> Floats:
    """Sky and haze over the horizon, with clouds, along rays."""
    kinds = (
        ((0.28, 0.5, 0.85), (0.75, 0.86, 0.95)),
        ((0.7, 0.73, 0.77), (0.88, 0.89, 0.9)),
        ((0.42, 0.45, 0.6), (0.98, 0.75, 0.55)),
    )
    zenith, haze = ((0.03, 0.04, 0.08), (0.13, 0.11, 0.13)) if night else kinds[rng.choice(3, p=(0.5, 0.38, 0.12))]
    up = np.clip(rays_HW3[..., 2:], 0, 1)
    colours = np.asarray(haze) + (np.asarray(zenith) - np.asarray(haze)) * np.sqrt(up)
    flat = (rays_HW3[..., :2] / (up + 0.15)).reshape(-1, 2)
    points = np.column_stack([flat, np.zeros(len(flat))]).astype(np.float32)
    seed, wide = int(rng.integers(9999)), rng.uniform(0.5, 1.5)
    clouds = 0.6 * noise(points, wide, seed) + 0.4 * noise(points, 4 * wide, seed + 1)
    cover = np.clip((clouds - rng.uniform(0.4, 0.6)) * 4, 0, 1).reshape(up.shape) * (
        0.15 if night else rng.uniform(0.2, 0.9)
    )
    return (colours + cover * (0.95 - colours)).astype(np.float32)
