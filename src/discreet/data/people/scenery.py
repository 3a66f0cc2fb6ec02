"""What is behind and beside the people: backdrops drawn in the plane, floors and props in space.

Pictures are float32 [H, W, 3], sRGB, 0–1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from discreet.data.people.materials import Colour, Floor, Solid
from discreet.data.people.mesh import Layer, box, ellipsoid, solid
from discreet.data.people.noise import noise

Rng = np.random.Generator
Floats = NDArray[np.floating]
Paint = tuple[int, int, int]


def draw_backdrop(scenery: str, size_px: int, horizon: float, rng: Rng) -> Floats:
    """The picture behind everything; `horizon` is its row as a part of the height."""
    draw = {"street": _street_backdrop, "studio": _studio_backdrop}[scenery]
    return draw(size_px, horizon, rng)


def draw_floor(scenery: str, rng: Rng) -> Layer:
    """The ground, 60 m to each side."""
    seed = int(rng.integers(100_000))
    if scenery == "studio":
        light = float(rng.uniform(0.35, 0.9))
        tint = rng.uniform(0.85, 1.05, 3) * light
        kind = "sheet" if rng.random() < 0.75 else "boards"
        material = Floor(_colour(tint), kind, 4.0, seed)
    else:
        kind = str(rng.choice(["asphalt", "tiles", "grass", "gravel", "boards"], p=[0.35, 0.28, 0.17, 0.12, 0.08]))
        base = {"grass": (0.3, 0.36, 0.17), "gravel": (0.55, 0.5, 0.43), "boards": (0.5, 0.36, 0.24)}
        tint = np.asarray(base.get(kind, (0.48, 0.47, 0.46))) * rng.uniform(0.6, 1.4) * rng.uniform(0.92, 1.08, 3)
        material = Floor(_colour(tint), kind, float(rng.uniform(0.6, 3.0)), seed)
    side = 60.0
    corners = np.array([[-side, -side, 0], [side, -side, 0], [side, side, 0], [-side, side, 0]], np.float32)
    return solid(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), 0, material)


def draw_props(scenery: str, most: int, rng: Rng) -> list[Layer]:
    """Boxes, posts and balls, behind the people and sometimes before them."""
    props = []
    for _ in range(int(rng.integers(0, most + 1))):
        before = rng.random() < 0.22
        depth = rng.uniform(-0.9, -0.5) if before else rng.uniform(0.6, 5.0)
        across = rng.choice([-1, 1]) * rng.uniform(0.25, 1.2 + max(depth, 0))
        shape = rng.choice(["box", "post", "ball"])
        material = Solid(
            _colour(rng.uniform(0.05, 0.9, 3)), float(rng.choice([0.05, 0.5])), 0.6, int(rng.integers(9999))
        )
        if shape == "ball":
            radius = float(rng.uniform(0.08, 0.35))
            mesh = ellipsoid(np.array([across, depth, radius], np.float32), (radius, radius, radius))
        else:
            width = 0.04 if shape == "post" else float(rng.uniform(0.12, 0.6))
            height = float(rng.uniform(0.8, 3.0) if shape == "post" else rng.uniform(0.2, 0.8 if before else 1.8))
            mesh = box((across - width, depth - width / 2, 0.0), (across + width, depth + width / 2, height))
        props.append(solid(*mesh, 0, material))
    return props


def _colour(channels: Floats) -> Colour:
    red, green, blue = (float(value) for value in np.clip(channels, 0, 1))
    return red, green, blue


def _paint(colour: Floats) -> Paint:
    red, green, blue = (int(value) for value in np.clip(np.asarray(colour) * 255, 0, 255))
    return red, green, blue


def _plane_noise(size_px: int, frequency: tuple[float, float], seed: int) -> Floats:
    """Noise over a picture, float32 [H, W]; frequency in cells a width and a height."""
    row, column = np.mgrid[:size_px, :size_px].astype(np.float32) / size_px
    points = np.stack([column.ravel(), row.ravel(), np.zeros(size_px**2, np.float32)], 1)
    return noise(points, (frequency[0], frequency[1], 1.0), seed).reshape(size_px, size_px)


def _to_floats(picture: Image.Image, rng: Rng, blur: float) -> Floats:
    """Blurred as by a lens, 0–1."""
    radius = float(rng.uniform(0, blur)) * picture.width
    if radius > 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(picture, np.float32) / 255


def _studio_backdrop(size_px: int, horizon: float, rng: Rng) -> Floats:
    """A sheet, a curtain or panels, lit from somewhere."""
    base = np.asarray(rng.uniform(0.25, 0.95)) * rng.uniform(0.75, 1.05, 3)
    if rng.random() < 0.35:
        base = rng.dirichlet((1, 1, 1)) * rng.uniform(0.8, 1.6)
    row, column = np.mgrid[:size_px, :size_px].astype(np.float32) / size_px
    centre = rng.uniform(0.2, 0.8, 2)
    distance = (column - centre[0]) ** 2 + (row - centre[1]) ** 2
    shade = 1.1 - rng.uniform(0.1, 0.7) * distance
    kind = rng.choice(["sheet", "curtain", "panels", "mottled"], p=[0.5, 0.15, 0.15, 0.2])
    if kind == "curtain":
        wave = column * rng.uniform(6, 16) + 0.3 * _plane_noise(size_px, (3, 1), int(rng.integers(999)))
        shade = shade * (0.85 + 0.15 * np.sin(2 * np.pi * wave))
    if kind == "panels":
        step = np.floor(column * rng.uniform(1.5, 4) + rng.random()) % 2
        shade = shade * (1 - rng.uniform(0.1, 0.5) * step)
    if kind == "mottled":
        shade = shade * (0.8 + 0.4 * _plane_noise(size_px, (4, 4), int(rng.integers(999))))
    return np.clip(shade[..., None] * base, 0, 1).astype(np.float32)


def _street_backdrop(size_px: int, horizon: float, rng: Rng) -> Floats:
    """Sky and a row of houses, a wall, or bushes; and what stands about."""
    kind = rng.choice(["houses", "wall", "green"], p=[0.5, 0.27, 0.23])
    row = np.linspace(0, 1, size_px, dtype=np.float32)[:, None, None]
    zenith, haze = _sky_colours(rng)
    sky = zenith * (1 - row) + haze * row
    clouds = _plane_noise(size_px, (rng.uniform(2, 5), rng.uniform(4, 12)), int(rng.integers(9999)))
    sky = sky + (rng.uniform(0, 0.5) * np.clip(clouds - 0.45, 0, 1))[..., None]
    if kind == "green":
        sky = _foliage(size_px, sky, horizon, rng)
    picture = Image.fromarray((np.clip(sky, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture, "RGBA")
    ground = int(horizon * size_px)
    if kind == "houses":
        for _ in range(int(rng.integers(2, 7))):
            _house(pen, size_px, ground, rng)
    if kind == "wall":
        _wall(pen, size_px, max(ground, int(0.5 * size_px)), rng)
    for _ in range(int(rng.integers(0, 7))):
        _clutter(pen, size_px, ground, rng)
    return _to_floats(picture, rng, 0.012)


def _sky_colours(rng: Rng) -> tuple[Floats, Floats]:
    zenith, haze = (
        ((0.35, 0.55, 0.85), (0.75, 0.85, 0.95)),
        ((0.65, 0.68, 0.72), (0.85, 0.86, 0.87)),
        ((0.4, 0.4, 0.55), (0.95, 0.7, 0.5)),
        ((0.06, 0.07, 0.12), (0.2, 0.18, 0.2)),
    )[rng.choice(4, p=(0.4, 0.35, 0.13, 0.12))]
    return np.array(zenith, np.float32), np.array(haze, np.float32)


def _foliage(size_px: int, sky: Floats, horizon: float, rng: Rng) -> Floats:
    """Bushes and trees up to an uneven line."""
    seed = int(rng.integers(9999))
    leaves = 0.5 * _plane_noise(size_px, (28, 28), seed) + 0.5 * _plane_noise(size_px, (8, 8), seed + 1)
    outline = horizon - rng.uniform(0.1, 0.7) - 0.25 * (_plane_noise(size_px, (6, 6), seed + 2) - 0.5)
    row = np.linspace(0, 1, size_px, dtype=np.float32)[:, None]
    green = np.array([0.25, 0.42, 0.15]) * rng.uniform(0.5, 1.3) * rng.uniform(0.8, 1.2, 3)
    colours = green * (0.3 + 1.4 * leaves[..., None] ** 1.5)
    return np.where((row > outline)[..., None], colours, sky).astype(np.float32)


def _house(pen: ImageDraw.ImageDraw, size_px: int, ground: int, rng: Rng) -> None:
    """A front with windows, lit or dark."""
    left, width = rng.uniform(-0.3, 0.9) * size_px, rng.uniform(0.2, 0.8) * size_px
    top = ground - rng.uniform(0.15, 1.1) * size_px
    front = np.asarray(rng.uniform(0.25, 0.85)) * rng.uniform(0.75, 1.1, 3)
    pen.rectangle([left, top, left + width, ground + size_px], fill=_paint(front))
    columns, rows = int(rng.integers(2, 8)), int(rng.integers(2, 9))
    step_x, step_y = width / columns, (ground - top) / rows
    window = _paint(rng.uniform(0.05, 0.9, 3) * (0.8, 0.9, 1.0))
    share_x, share_y = rng.uniform(0.35, 0.8), rng.uniform(0.4, 0.8)
    for column in range(columns):
        for row in range(rows):
            x, y = left + column * step_x, top + (row + 0.2) * step_y
            pen.rectangle([x + 0.1 * step_x, y, x + (0.1 + share_x) * step_x, y + share_y * step_y], fill=window)


def _wall(pen: ImageDraw.ImageDraw, size_px: int, ground: int, rng: Rng) -> None:
    """Bricks, boards or a shutter, from edge to edge."""
    base = np.asarray(rng.uniform(0.3, 0.85)) * np.array([1.0, rng.uniform(0.6, 1), rng.uniform(0.5, 1)])
    pen.rectangle([0, 0, size_px, size_px], fill=_paint(base))
    high = size_px * rng.uniform(0.02, 0.08)
    wide = high * rng.choice([1.0, 2.2, 40.0])
    for row in range(int(size_px / high) + 1):
        for column in range(-1, int(size_px / wide) + 1):
            shift = (row % 2) * wide / 2
            shade = base * rng.uniform(0.85, 1.1)
            x, y = column * wide + shift, row * high
            pen.rectangle([x, y, x + wide - max(1, 0.06 * high), y + high - max(1, 0.08 * high)], fill=_paint(shade))


def _clutter(pen: ImageDraw.ImageDraw, size_px: int, ground: int, rng: Rng) -> None:
    """A car, a lamp post, a sign, a poster, a far figure that is nobody, a blot."""
    colour = (*_paint(rng.random(3)), int(rng.integers(170, 256)))
    dark = (20, 20, 24, 255)
    x, size = rng.uniform(-0.1, 1) * size_px, rng.uniform(0.05, 0.3) * size_px
    match int(rng.integers(6)):
        case 0:
            pen.rounded_rectangle(
                [x, ground - 0.4 * size, x + 1.6 * size, ground + 0.1 * size], 0.1 * size + 1, fill=colour
            )
            pen.rectangle([x + 0.4 * size, ground - 0.7 * size, x + 1.2 * size, ground - 0.4 * size], fill=dark)
            for wheel in (0.25, 1.15):
                pen.ellipse([x + wheel * size, ground, x + (wheel + 0.25) * size, ground + 0.25 * size], fill=dark)
        case 1:
            pen.rectangle([x, ground - 4 * size, x + max(1, 0.06 * size), ground + 0.3 * size], fill=colour)
        case 2:
            pen.ellipse([x, ground - 2 * size, x + size, ground - size], fill=colour)
            pen.rectangle([x + 0.46 * size, ground - size, x + 0.54 * size, ground + 0.2 * size], fill=dark)
        case 3:
            y = rng.uniform(0, 0.7) * size_px
            pen.rectangle([x, y, x + size, y + size * rng.uniform(0.4, 1.6)], fill=colour)
        case 4:
            pen.ellipse([x + 0.1 * size, ground - 1.3 * size, x + 0.3 * size, ground - 1.05 * size], fill=dark)
            pen.rounded_rectangle([x, ground - 1.05 * size, x + 0.4 * size, ground], 0.1 * size + 1, fill=colour)
        case _:
            corners = [(x + rng.normal() * size, rng.uniform(0, 1) * size_px + rng.normal() * size) for _ in range(5)]
            pen.polygon(corners, fill=colour)
