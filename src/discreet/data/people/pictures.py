"""Things painted on boards: trees, cars, signs, furniture along a wall, clothes that are nobody's.

Every function draws one thing at so many pixels a metre and gives it with its height in metres.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from discreet.data.people.textures import (
    PIXELS_A_METRE,
    blank,
    leaves,
    paint,
    plane_noise,
    scribble,
    soiled,
    some_colour,
)  # fmt: skip

Rng = np.random.Generator
Thing = tuple[Image.Image, float]
Things = tuple[Callable[[Rng], Thing], ...]

_UNIT = PIXELS_A_METRE


def tree(rng: Rng) -> Thing:
    """A trunk with branches under a cloud of leaves, or a bush."""
    height, width = rng.uniform(3.0, 8.0), rng.uniform(2.2, 5.0)
    scale = 30
    size = int(width * scale), int(height * scale)
    bush = rng.random() < 0.3
    row, column = np.mgrid[: size[1], : size[0]].astype(np.float32)
    cover = np.zeros((size[1], size[0]), np.float32)
    for _ in range(int(rng.integers(5, 14))):
        centre = rng.uniform(0.22, 0.78) * size[0], rng.uniform(0.12, 0.85 if bush else 0.52) * size[1]
        radius = rng.uniform(0.12, 0.27) * size[0]
        cover = np.maximum(cover, 1.3 - np.hypot(column - centre[0], row - centre[1]) / radius)
    ragged = cover + 1.1 * (plane_noise(*size, (size[0] / 7, size[1] / 7), int(rng.integers(9999))) - 0.5)
    pixels = np.zeros((size[1], size[0], 4), np.uint8)
    shade = 1.15 - 0.6 * row / size[1]
    pixels[..., :3] = np.clip(leaves(*size, rng, dry=bool(rng.random() < 0.15)) * shade[..., None] * 255, 0, 255)
    pixels[..., 3] = 255 * (ragged > 0.25)
    picture = Image.new("RGBA", size)
    pen, bark = ImageDraw.Draw(picture), paint(np.array([0.3, 0.25, 0.2]) * rng.uniform(0.6, 1.4))
    middle, thick = size[0] / 2, size[0] * rng.uniform(0.02, 0.05)
    pen.polygon([(middle - thick, size[1]), (middle + thick, size[1]), (middle, 0.25 * size[1])], fill=bark)
    for _ in range(4):
        pen.line([middle, rng.uniform(0.4, 0.6) * size[1], *(rng.uniform(0.1, 0.9) * size[0], 0.25 * size[1])], bark, 3)
    picture.alpha_composite(Image.fromarray(pixels))
    return picture, height * (0.35 if bush else 1.0)


def fir(rng: Rng) -> Thing:
    """A fir in tiers, with more or less snow on them."""
    height = rng.uniform(3.0, 9.0)
    width, scale = height * rng.uniform(0.35, 0.5), 30
    size = int(width * scale), int(height * scale)
    picture = Image.new("RGBA", size)
    pen, middle = ImageDraw.Draw(picture), size[0] / 2
    green = np.array([0.12, 0.22, 0.16]) * rng.uniform(0.7, 1.4)
    white, tiers = np.array([0.9, 0.92, 0.96]), int(rng.integers(5, 10))
    pen.rectangle([middle - 4, 0.8 * size[1], middle + 4, size[1]], paint(np.array([0.25, 0.2, 0.17])))
    for tier in range(tiers, 0, -1):
        foot, top = 0.92 * size[1] * tier / tiers, 0.92 * size[1] * (tier - 1.6) / tiers
        reach = middle * tier / tiers * rng.uniform(0.85, 1.0)
        for colour, lift in ((green, 0.0), (green + (white - green) * rng.uniform(0.1, 0.9), 0.35)):
            low, side = foot - lift * (foot - top), reach * (1 - lift)
            ragged = [(middle + side * x, low - 4 * float(rng.random())) for x in np.linspace(1, -1, 9)]
            pen.polygon([(middle, top), *ragged], fill=paint(colour))
    return picture, height


def car(rng: Rng) -> Thing:
    """A car from its side: body, glass, wheels, lamps."""
    length, height = rng.uniform(3.7, 4.8), rng.uniform(1.4, 1.9)
    picture = blank(length, height)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    colour = some_colour(rng, 1.2)
    roof = [(0.12, 0.5), (0.28, 0.06), (0.68, 0.04), (0.86, 0.48)]
    pen.polygon([(x * w, y * h) for x, y in roof], fill=(*paint(colour * 0.9), 255))
    glass = (
        [(0.17, 0.48), (0.3, 0.13), (0.48, 0.11), (0.48, 0.48)],
        [(0.51, 0.48), (0.51, 0.11), (0.66, 0.12), (0.8, 0.48)],
    )
    for pane in glass:
        pen.polygon([(x * w, y * h) for x, y in pane], fill=(*paint(rng.uniform(0.1, 0.35, 3)), 255))
    pen.rounded_rectangle([0, 0.44 * h, w, 0.84 * h], 0.12 * h, fill=(*paint(colour), 255))
    pen.rectangle([0, 0.72 * h, w, 0.78 * h], fill=(*paint(colour * 0.6), 255))
    for x in (0.2, 0.78):
        radius = 0.2 * h
        pen.ellipse([x * w - radius, h - 2 * radius, x * w + radius, h], fill=(18, 18, 20, 255))
        pen.ellipse(
            [x * w - radius / 2, h - 1.5 * radius, x * w + radius / 2, h - radius / 2], fill=(150, 150, 155, 255)
        )
    pen.ellipse([0.01 * w, 0.52 * h, 0.06 * w, 0.62 * h], fill=(250, 240, 200, 255))
    pen.ellipse([0.94 * w, 0.52 * h, 0.99 * w, 0.62 * h], fill=(190, 30, 30, 255))
    return soiled(picture, rng), height


def pole(rng: Rng) -> Thing:
    """A lamp post, a round sign, a square sign or a name board on a pole."""
    height = rng.uniform(2.3, 5.5)
    picture = blank(1.2, height)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    pen.rectangle([w / 2 - 2, 0.05 * h, w / 2 + 2, h], fill=(*paint(some_colour(rng, 0.1) * 0.7), 255))
    colour, light = (*paint(some_colour(rng, 1.5)), 255), (*paint(np.full(3, 0.92)), 255)
    match int(rng.integers(3)):
        case 0:
            pen.ellipse([0.22 * w, 0, 0.78 * w, 0.56 * w], fill=colour)
            pen.ellipse([0.32 * w, 0.1 * w, 0.68 * w, 0.46 * w], fill=light)
        case 1:
            pen.rectangle([0.02 * w, 2, 0.98 * w, 0.5 * w], fill=colour)
            scribble(pen, (0.1 * w, 0.1 * w, 0.9 * w, 0.4 * w), rng)
        case _:
            pen.rounded_rectangle([0.3 * w, 0, 0.95 * w, 0.2 * w], 4, fill=light)
    return picture, height


def clothes_rack(rng: Rng) -> Thing:
    """Shirts, coats and dresses on hangers along a rail: clothes that nobody wears."""
    width, height = rng.uniform(1.2, 2.6), rng.uniform(1.5, 1.9)
    picture = blank(width, height)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    metal = (*paint(np.full(3, rng.uniform(0.15, 0.75))), 255)
    apart = rng.uniform(0.07, 0.4)
    for x in np.arange(0.1 * _UNIT, w - 0.25 * _UNIT, apart * _UNIT):
        _garment(pen, x, 0.08 * h, rng.uniform(0.7, 1.15) * _UNIT, min(apart + 0.18, 0.5) * _UNIT, rng)
    pen.rectangle([0, 0.04 * h, w, 0.04 * h + 4], fill=metal)
    for x in (1, w - 5):
        pen.rectangle([x, 0.04 * h, x + 4, h], fill=metal)
    return soiled(picture, rng), height


def _garment(pen: ImageDraw.ImageDraw, x: float, y: float, length: float, wide: float, rng: Rng) -> None:
    """One piece on its hanger: shoulders, hem, sleeves, folds."""
    colour, sleeve = some_colour(rng, 1.3), rng.uniform(0.3, 0.9) * length
    hem, middle = wide * rng.uniform(0.45, 0.65), x + wide / 2
    for side in (-1, 1):
        arm = [(middle + side * 0.3 * wide, y + 6), (middle + side * 0.5 * wide, y + 10)]
        arm += [(middle + side * 0.62 * wide, y + sleeve), (middle + side * 0.45 * wide, y + sleeve)]
        pen.polygon(arm, fill=(*paint(colour * 0.85), 255))
    body = [(middle - 0.12 * wide, y), (middle + 0.12 * wide, y), (middle + 0.5 * wide, y + 10)]
    body += [(middle + hem, y + length), (middle - hem, y + length), (middle - 0.5 * wide, y + 10)]
    pen.polygon(body, fill=(*paint(colour), 255))
    for _ in range(3):
        fold = middle + rng.uniform(-0.35, 0.35) * wide
        pen.line([fold, y + 14, fold + rng.normal(0, 3), y + length], fill=(*paint(colour * 0.75), 255), width=2)
    pen.line([middle, y, middle, y - 6], fill=(90, 90, 90, 255), width=2)


def shelf(rng: Rng) -> Thing:
    """Boards with books, boxes, bottles or folded clothes."""
    width, height = rng.uniform(0.8, 2.4), rng.uniform(1.0, 2.3)
    frame = some_colour(rng, 0.4)
    picture = blank(width, height, frame * 0.6)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    gap, bright = _UNIT * rng.uniform(0.28, 0.45), rng.uniform(0.4, 1.6)
    for y in np.arange(gap, h + gap, gap):
        x = 4.0
        while x < w - 8:
            wide, high = _UNIT * rng.choice([0.04, 0.08, 0.25]) * rng.uniform(0.7, 1.3), gap * rng.uniform(0.4, 0.9)
            if rng.random() < 0.9:
                pen.rectangle([x, y - high, min(x + wide - 1, w - 4), y], fill=paint(some_colour(rng, bright)))
            x += wide
        pen.rectangle([0, y, w, y + 3], fill=paint(frame))
    pen.rectangle([0, 0, w - 1, h - 1], outline=paint(frame), width=4)
    return soiled(picture, rng), height


def cabinet(rng: Rng) -> Thing:
    """A wardrobe, a sideboard, a fridge: doors and handles."""
    width, height = rng.uniform(0.6, 2.2), float(rng.choice([0.8, 0.9, 1.8, 2.1]))
    colour = some_colour(rng, 0.5)
    picture = blank(width, height, colour)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    for i in range(columns):
        for j in range(rows):
            x, y = i * w / columns, j * h / rows
            pen.rectangle([x + 2, y + 2, x + w / columns - 3, y + h / rows - 3], outline=paint(colour * 0.6), width=1)
            pen.ellipse(
                [x + w / columns - 9, y + h / rows / 2, x + w / columns - 5, y + h / rows / 2 + 6], fill=(50, 50, 50)
            )
    return soiled(picture, rng), height


def sofa(rng: Rng) -> Thing:
    """A sofa with cushions, from the front."""
    width, height = rng.uniform(1.4, 2.4), rng.uniform(0.75, 0.95)
    picture = blank(width, height)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    colour = some_colour(rng, 0.8)
    pen.rounded_rectangle([0.06 * w, 0, 0.94 * w, 0.7 * h], 8, fill=(*paint(colour), 255))
    for x in np.linspace(0.1, 0.9, int(rng.integers(2, 4)) + 1)[:-1]:
        pen.rounded_rectangle([x * w, 0.5 * h, x * w + 0.38 * w, 0.72 * h], 6, fill=(*paint(colour * 1.08), 255))
        if rng.random() < 0.7:
            cushion = (*paint(some_colour(rng, 1)), 255)
            pen.rounded_rectangle([x * w + 6, 0.18 * h, x * w + 6 + 0.4 * h, 0.55 * h], 6, fill=cushion)
    pen.rectangle([0.06 * w, 0.7 * h, 0.94 * w, 0.94 * h], fill=(*paint(colour * 0.8), 255))
    for x in (0.0, 0.9):
        pen.rounded_rectangle([x * w, 0.3 * h, (x + 0.1) * w, h], 6, fill=(*paint(colour * 0.9), 255))
    return soiled(picture, rng), height


def lamp(rng: Rng) -> Thing:
    """A floor lamp with a lit shade."""
    height = rng.uniform(1.4, 1.8)
    picture = blank(0.5, height)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    pen.rectangle([w / 2 - 1, 0.2 * h, w / 2 + 2, h], fill=(60, 55, 50, 255))
    pen.polygon([(0.3 * w, 0), (0.7 * w, 0), (w, 0.2 * h), (0, 0.2 * h)], fill=(255, 236, 190, 255))
    pen.ellipse([0.2 * w, h - 5, 0.8 * w, h], fill=(60, 55, 50, 255))
    return picture, height


def door(rng: Rng) -> Thing:
    """A door in its frame, open to the dark now and then."""
    colour = some_colour(rng, 0.4)
    picture = blank(rng.uniform(0.9, 1.1), 2.1, np.clip(colour * 1.15, 0, 1))
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    inside = colour * (0.25 if rng.random() < 0.2 else 0.95)
    pen.rectangle([5, 5, w - 6, h], fill=paint(inside))
    for y in (0.1, 0.55):
        pen.rectangle([0.2 * w, y * h, 0.8 * w, (y + 0.35) * h], outline=paint(inside * 0.75), width=2)
    pen.ellipse([0.82 * w, 0.5 * h, 0.9 * w, 0.53 * h], fill=(170, 160, 120))
    return soiled(picture, rng), 2.1


def window(rng: Rng) -> Thing:
    """A bright or dark window with something green or grey outside, and curtains."""
    width, height = rng.uniform(0.9, 2.6), rng.uniform(1.0, 1.9)
    picture = blank(width, height, np.full(3, rng.uniform(0.7, 0.95)))
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    if rng.random() < 0.2:
        outside = np.full((h - 8, w - 8, 3), rng.uniform(0.03, 0.15))
    else:
        outside = np.linspace((0.8, 0.9, 1.0), (0.95, 0.95, 0.92), h - 8)[:, None].repeat(w - 8, 1)
        line = int((h - 8) * rng.uniform(0.3, 0.9))
        outside[line:] = 0.35 + 0.65 * leaves(w - 8, h - 8 - line, rng)
    picture.paste(Image.fromarray((outside * 255).astype(np.uint8)), (4, 4))
    frame = paint(np.full(3, rng.uniform(0.3, 0.95)))
    for x in np.linspace(0, w, int(rng.integers(2, 5)))[1:-1]:
        pen.rectangle([x - 2, 0, x + 2, h], fill=frame)
    if rng.random() < 0.6:
        curtain, share = some_colour(rng, 0.6), rng.uniform(0.1, 0.3)
        for left in (0, w * (1 - share)):
            for x in np.arange(left, left + share * w, 3):
                pen.rectangle([x, 0, x + 3, h], fill=paint(curtain * (0.8 + 0.2 * np.sin(x * 0.7))))
    return picture, height


def framed_picture(rng: Rng) -> Thing:
    """A picture, a poster or a mirror: blots, a landscape, or a head and shoulders that are paint."""
    width, height = rng.uniform(0.3, 1.2), rng.uniform(0.3, 1.3)
    picture = blank(width, height, some_colour(rng, 1))
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    if rng.random() < 0.3:
        skin, cloth = paint(np.array([0.8, 0.6, 0.5]) * rng.uniform(0.4, 1.1)), paint(some_colour(rng, 1))
        pen.pieslice([0.1 * w, 0.6 * h, 0.9 * w, 1.4 * h], 180, 360, fill=cloth)
        pen.ellipse([0.32 * w, 0.2 * h, 0.68 * w, 0.66 * h], fill=skin)
    else:
        for _ in range(int(rng.integers(2, 8))):
            corners = [(rng.uniform(0, w), rng.uniform(0, h)) for _ in range(int(rng.integers(3, 6)))]
            pen.polygon(corners, fill=paint(some_colour(rng, 1)))
    pen.rectangle([0, 0, w - 1, h - 1], outline=paint(some_colour(rng, 0.3)), width=3)
    return picture, height


def kitchen(rng: Rng) -> Thing:
    """Cupboards below and above a tiled strip, with a stove and things on the board."""
    width, height = rng.uniform(2.4, 4.0), 2.2
    base, colour = np.full(3, rng.uniform(0.5, 0.95)), some_colour(rng, 0.5)
    picture = blank(width, height, base)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    step = w / int(rng.integers(3, 7))
    for x in np.arange(0, w - 2, step):
        for top, foot in ((0.0, 0.3), (0.6, 1.0)):
            if top or rng.random() < 0.75:
                pen.rectangle([x + 1, top * h, x + step - 2, foot * h], fill=paint(colour * rng.uniform(0.95, 1.03)))
                pen.rectangle([x + 0.7 * step, (top + 0.05) * h, x + 0.9 * step, (top + 0.06) * h], fill=(70, 70, 70))
        if rng.random() < 0.6:
            a, high = x + rng.uniform(0.1, 0.6) * step, rng.uniform(0.05, 0.15) * h
            pen.rectangle(
                [a, 0.58 * h - high, a + rng.uniform(0.1, 0.3) * step, 0.58 * h], fill=paint(some_colour(rng, 1))
            )
    pen.rectangle([0, 0.57 * h, w, 0.6 * h], fill=paint(some_colour(rng, 0.2)))
    pen.rectangle([0.4 * w, 0.64 * h, 0.4 * w + 0.6 * _UNIT, 0.96 * h], fill=(30, 30, 34))
    return soiled(picture, rng), height


def fence(rng: Rng) -> Thing:
    """Railings or a hedge."""
    width, height = rng.uniform(4, 9), rng.uniform(0.8, 1.5)
    picture = blank(width, height)
    pen, (w, h) = ImageDraw.Draw(picture), picture.size
    colour = (*paint(some_colour(rng, 0.4)), 255)
    if rng.random() < 0.4:
        return Image.fromarray((leaves(w, h, rng) * 255).astype(np.uint8)).convert("RGBA"), height
    for x in np.arange(0, w, _UNIT * rng.uniform(0.1, 0.3)):
        pen.rectangle([x, 0.05 * h, x + 3, h], fill=colour)
    for y in (0.1, 0.85):
        pen.rectangle([0, y * h, w, y * h + 4], fill=colour)
    return picture, height


# Each thing as likely as it is often named; that also counts for how many numbers a choice draws.
OUTDOORS: Things = (tree, tree, car, car, pole, pole, fence)
FURNITURE: Things = (shelf, shelf, cabinet, sofa, lamp, door)
GOODS: Things = (clothes_rack, clothes_rack, clothes_rack, shelf, shelf)
WINDOWS: Things = (window,) * 2
FRAMED: Things = (framed_picture,) * 3
HUNG = WINDOWS + FRAMED
