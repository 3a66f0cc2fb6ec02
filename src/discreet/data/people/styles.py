"""Styles: worlds that differ, so that a public and a private data set can.

A style is numbers only: what people wear, how light falls, where the camera stands. What
stands behind them is drawn by the function that `scenery` names.
"""

from __future__ import annotations

from dataclasses import dataclass

from discreet.errors import ConfigurationError


@dataclass(frozen=True)
class Style:
    """One world.

    Args:
        name: what it is called. number: its place in seeds; never changes.
        scenery: "street" or "studio".
        crowd: odds of 1, 2, 3, 4 persons.
        framing: odds of whole figures, from the thighs up, head and shoulders, the lower half.
        saturation: how colourful clothes are, 0–1. patterned: odds that a cloth has a pattern.
        coats, dresses, skirts, shorts, hats, glasses, scarves, gloves, barefoot: odds. Dresses
            and skirts are for those who dress so.
        sun: strength of the direct light, from and to. sky: of the light from everywhere.
        warmth: of the direct light, from and to; 0 neutral.
        noise: standard deviation of the sensor, from and to. fov: camera, radians, from and to.
        clutter: most props in the picture.
    """

    name: str
    number: int
    scenery: str
    crowd: tuple[float, float, float, float]
    framing: tuple[float, float, float, float]
    saturation: float
    patterned: float
    coats: float
    dresses: float
    skirts: float
    shorts: float
    hats: float
    glasses: float
    scarves: float
    gloves: float
    barefoot: float
    sun: tuple[float, float]
    sky: tuple[float, float]
    warmth: tuple[float, float]
    noise: tuple[float, float]
    fov: tuple[float, float]
    clutter: int


_STREET = Style(
    name="street", number=1, scenery="street",
    crowd=(0.4, 0.3, 0.2, 0.1), framing=(0.52, 0.28, 0.13, 0.07),
    saturation=0.35, patterned=0.35, coats=0.33, dresses=0.22, skirts=0.22, shorts=0.3,
    hats=0.27, glasses=0.2, scarves=0.14, gloves=0.1, barefoot=0.03,
    sun=(0.2, 2.6), sky=(0.5, 1.0), warmth=(-0.05, 0.2), noise=(0.004, 0.03), fov=(0.5, 1.0), clutter=6,
)  # fmt: skip
_STUDIO = Style(
    name="studio", number=2, scenery="studio",
    crowd=(0.72, 0.22, 0.06, 0.0), framing=(0.6, 0.28, 0.12, 0.0),
    saturation=0.75, patterned=0.5, coats=0.16, dresses=0.42, skirts=0.4, shorts=0.25,
    hats=0.16, glasses=0.12, scarves=0.08, gloves=0.05, barefoot=0.16,
    sun=(0.7, 1.3), sky=(0.7, 1.0), warmth=(0.05, 0.3), noise=(0.002, 0.008), fov=(0.25, 0.5), clutter=1,
)  # fmt: skip

_KNOWN = {style.name: style for style in (_STREET, _STUDIO)}
STYLES = tuple(_KNOWN)


def find_style(name: str) -> Style:
    """The style of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in _KNOWN:
        raise ConfigurationError(f"unknown style {name!r}; known are {', '.join(STYLES)}")
    return _KNOWN[name]
