"""Who a person is: body, skin, hair and face, the same in all pictures of that person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import template
from discreet.data.people.chance import draw
from discreet.data.people.materials import Colour, triple

_SKIN: tuple[Colour, ...] = (
    (0.95, 0.80, 0.72), (0.91, 0.73, 0.62), (0.86, 0.65, 0.51), (0.77, 0.55, 0.41),
    (0.66, 0.45, 0.32), (0.52, 0.34, 0.24), (0.40, 0.26, 0.18), (0.30, 0.20, 0.15),
)  # fmt: skip
# Each with its odds.
_HAIR: dict[Colour, float] = {
    (0.06, 0.05, 0.05): 0.29, (0.13, 0.09, 0.07): 0.22, (0.24, 0.15, 0.09): 0.16, (0.38, 0.24, 0.14): 0.115,
    (0.62, 0.47, 0.28): 0.09, (0.78, 0.64, 0.42): 0.055, (0.45, 0.19, 0.09): 0.046, (0.62, 0.22, 0.4): 0.012,
    (0.16, 0.3, 0.5): 0.012,
}  # fmt: skip
_GREY: tuple[Colour, ...] = ((0.32, 0.31, 0.31), (0.58, 0.57, 0.56), (0.82, 0.81, 0.79))
_MASCULINE_STYLES = {
    "bald": 0.07, "balding": 0.07, "cropped": 0.18, "short": 0.24, "undercut": 0.12, "full": 0.11, "bob": 0.02,
    "long": 0.04, "bun": 0.02, "ponytail": 0.02, "braids": 0.01, "locks": 0.03, "curls": 0.05, "afro": 0.02,
}  # fmt: skip
_THINNING = ("bald", "balding")
_GROWN = 18  # years
_FEMININE_STYLES = {
    "bald": 0.01, "balding": 0.0, "cropped": 0.02, "short": 0.05, "undercut": 0.02, "full": 0.05, "bob": 0.17,
    "long": 0.3, "bun": 0.09, "ponytail": 0.12, "braids": 0.05, "locks": 0.02, "curls": 0.07, "afro": 0.03,
}  # fmt: skip
HAIR_STYLES = tuple(_MASCULINE_STYLES)


@dataclass(frozen=True)
class Identity:
    """One person.

    Args:
        name: unique, e.g. "street-1-00017".
        shape: float32 [K], coefficients of the body, as tall as the template. height: the person's own, metres.
        years: of age, 3 to 90.
        feminine: whether clothes and hair are drawn from the feminine side.
        skin, lips, hair, iris: colours. hair_style: one of HAIR_STYLES.
        beard, brow: see Skin. seed: for textures.
    """

    name: str
    shape: NDArray[np.float32]
    height: float
    years: float
    feminine: bool
    skin: Colour
    lips: Colour
    hair: Colour
    iris: Colour
    hair_style: str
    beard: float
    brow: float
    seed: int


def draw_identity(name: str, rng: np.random.Generator) -> Identity:
    """A new person; skin tones, sexes and ages are evenly spread."""
    female = bool(rng.random() < 0.5)
    shape, height, years = _draw_body(rng, female=female)
    grown = years >= _GROWN
    shade = float(rng.uniform(0.94, 1.05))
    skin = np.clip(np.asarray(_SKIN[rng.integers(len(_SKIN))]) * shade, 0, 1)
    lips = skin * (0.9, 0.66, 0.66)
    if female and grown and rng.random() < 0.4:
        lips = np.array([0.68, 0.2, 0.24]) * rng.uniform(0.7, 1.1)
    feminine = female if rng.random() < 0.93 else not female
    bearded = not female and grown and rng.random() < 0.4
    return Identity(
        name=name,
        shape=shape,
        height=height,
        years=years,
        feminine=feminine,
        skin=triple(skin),
        lips=triple(lips),
        hair=_draw_hair_colour(years, rng),
        iris=_draw_iris(skin, rng),
        hair_style=_draw_hair_style(years, rng, feminine=feminine),
        beard=float(rng.uniform(0.3, 1.0)) if bearded else 0.0,
        brow=float(rng.uniform(0.9, 1.4) if grown and not female else rng.uniform(0.7, 1.0)),
        seed=int(rng.integers(100_000)),
    )


def _draw_body(rng: np.random.Generator, *, female: bool) -> tuple[NDArray[np.float32], float, float]:
    """A mix of two sampled bodies of one sex and nearly one age: its shape, its height in metres, its years."""
    body = template()
    gender, years, own_height = body.traits[:, 0], body.traits[:, 1], body.traits[:, 4]
    alike = np.flatnonzero((gender > 0.5) == female)
    first = int(rng.choice(alike))
    # The younger they are, the faster they grow.
    near = alike[np.abs(years[alike] - years[first]) <= 1 + 0.1 * years[first]]
    second, mix = int(rng.choice(near)), rng.uniform(0, 0.5)

    def mixed(values_S: NDArray[np.floating]) -> NDArray[np.floating]:
        return values_S[first] * (1 - mix) + values_S[second] * mix

    return mixed(body.shapes).astype(np.float32), float(mixed(own_height)), float(mixed(years))


def _draw_hair_colour(years: float, rng: np.random.Generator) -> Colour:
    """Grey hair begins at 35; from 80 on nearly everybody has it."""
    if rng.random() < np.clip((years - 35) / 50, 0, 0.9):
        return _GREY[rng.integers(len(_GREY))]
    return draw(rng, _HAIR)


def _draw_iris(skin_3: NDArray[np.floating], rng: np.random.Generator) -> Colour:
    """Blue and green eyes are for light skin; in a dark face they would glow."""
    light = float(np.clip(1.5 * (skin_3.mean() - 0.4), 0.02, 0.5))
    brown, blue, green = (0.3, 0.18, 0.08), (0.22, 0.35, 0.45), (0.3, 0.38, 0.22)
    return draw(rng, {brown: 1 - light, blue: 0.6 * light, green: 0.4 * light})


def _draw_hair_style(years: float, rng: np.random.Generator, *, feminine: bool) -> str:
    """Hair gets thin with the years, and not before somebody is grown."""
    odds = dict(_FEMININE_STYLES if feminine else _MASCULINE_STYLES)
    for style in _THINNING:
        odds[style] *= float(np.clip((years - _GROWN) / 30, 0, 2))
    return draw(rng, odds)
