"""Styles: worlds that differ, so that a public and a private data set can.

A style is numbers only: what people wear, where they are, how light falls, what the camera shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from discreet.errors import ConfigurationError


@dataclass(frozen=True)
class Style:
    """One world.

    Args:
        name: what it is called. number: its place in seeds; never changes.
        places: odds of each place, by name; see places.PLACES.
        lights: odds of each light, by name; see lights.LIGHTS. warmth: added to each light's own.
        crowd: odds of 1, 2, 3, … persons.
        framing: odds of camera.FRAMINGS: whole figures, from the knees up, from the hips up, head and
            shoulders, face, the lower half, the middle, far away.
        supports: odds that the main person is on the feet, sits, lies.
        weather: odds that somebody dressed for summer, a mild day, winter.
        saturation: how colourful clothes are, 0–1. patterned: odds that a cloth has a pattern.
        coats, dresses, skirts, shorts, hats, glasses, scarves, gloves, barefoot: odds. Dresses
            and skirts are for those who dress so.
        noise: standard deviation of the sensor, from and to. fov: camera, radians, from and to.
        clutter: most props in the picture. depth_blur: odds of an open aperture.
        thermal: the camera sees warmth instead of light.
    """

    name: str
    number: int
    places: dict[str, float]
    lights: dict[str, float]
    warmth: float
    crowd: tuple[float, ...]
    framing: tuple[float, ...]
    supports: tuple[float, float, float]
    weather: tuple[float, float, float]
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
    noise: tuple[float, float]
    fov: tuple[float, float]
    clutter: int
    depth_blur: float
    thermal: bool = False


# Summer, mild, winter.
_ALL_YEAR = (0.42, 0.33, 0.25)

_STREET = Style(
    name="street",
    number=1,
    places={
        "street": 3,
        "houses": 2,
        "wall": 1.2,
        "park": 2,
        "beach": 0.7,
        "field": 0.8,
        "station": 0.8,
        "corridor": 0.4,
    },
    lights={"sun": 4, "overcast": 3.5, "backlight": 1, "night": 1, "flash": 0.4},
    warmth=0.0,
    crowd=(0.22, 0.25, 0.2, 0.12, 0.07, 0.045, 0.03, 0.025, 0.015, 0.01, 0.01, 0.005),
    framing=(0.42, 0.16, 0.14, 0.12, 0.04, 0.04, 0.03, 0.05),
    supports=(0.78, 0.17, 0.05),
    weather=_ALL_YEAR,
    saturation=0.35,
    patterned=0.35,
    coats=0.33,
    dresses=0.22,
    skirts=0.22,
    shorts=0.3,
    hats=0.27,
    glasses=0.2,
    scarves=0.14,
    gloves=0.1,
    barefoot=0.03,
    noise=(0.004, 0.03),
    fov=(0.4, 1.15),
    clutter=6,
    depth_blur=0.35,
)
_STUDIO = Style(
    name="studio",
    number=2,
    places={"sheet": 1},
    lights={"studio": 5, "window": 1, "flash": 0.5},
    warmth=0.05,
    crowd=(0.70, 0.20, 0.06, 0.03, 0.01),
    framing=(0.5, 0.16, 0.14, 0.12, 0.05, 0.02, 0.01, 0.0),
    supports=(0.75, 0.2, 0.05),
    weather=_ALL_YEAR,
    saturation=0.75,
    patterned=0.5,
    coats=0.16,
    dresses=0.42,
    skirts=0.4,
    shorts=0.25,
    hats=0.16,
    glasses=0.12,
    scarves=0.08,
    gloves=0.05,
    barefoot=0.16,
    noise=(0.002, 0.008),
    fov=(0.25, 0.5),
    clutter=1,
    depth_blur=0.2,
)
_STORE = Style(
    name="store",
    number=3,
    places={"shop": 5, "corridor": 1.5, "station": 1},
    lights={"lamps": 6, "flash": 0.6, "window": 0.7},
    warmth=-0.02,
    crowd=(0.36, 0.27, 0.17, 0.1, 0.05, 0.03, 0.02),
    framing=(0.48, 0.18, 0.12, 0.06, 0.02, 0.04, 0.02, 0.08),
    supports=(0.9, 0.1, 0.0),
    weather=_ALL_YEAR,
    saturation=0.5,
    patterned=0.4,
    coats=0.4,
    dresses=0.25,
    skirts=0.25,
    shorts=0.15,
    hats=0.14,
    glasses=0.1,
    scarves=0.2,
    gloves=0.05,
    barefoot=0.01,
    noise=(0.006, 0.03),
    fov=(0.7, 1.3),
    clutter=4,
    depth_blur=0.15,
)
_HOME = Style(
    name="home",
    number=4,
    places={"room": 6, "kitchen": 2, "park": 0.8},
    lights={"window": 4, "lamps": 4, "flash": 1.2, "backlight": 0.5},
    warmth=0.08,
    crowd=(0.42, 0.3, 0.15, 0.08, 0.03, 0.02),
    framing=(0.32, 0.17, 0.18, 0.16, 0.08, 0.04, 0.03, 0.02),
    supports=(0.5, 0.36, 0.14),
    weather=_ALL_YEAR,
    saturation=0.55,
    patterned=0.45,
    coats=0.06,
    dresses=0.18,
    skirts=0.15,
    shorts=0.3,
    hats=0.06,
    glasses=0.06,
    scarves=0.05,
    gloves=0.03,
    barefoot=0.4,
    noise=(0.004, 0.03),
    fov=(0.55, 1.2),
    clutter=4,
    depth_blur=0.3,
)
_WINTER = Style(
    name="winter",
    number=5,
    places={"slope": 4, "street": 1, "houses": 1, "park": 0.5},
    lights={"sun": 2, "overcast": 4, "night": 1.5, "flash": 0.5},
    warmth=-0.06,
    crowd=(0.4, 0.28, 0.15, 0.08, 0.05, 0.03, 0.01),
    framing=(0.5, 0.18, 0.14, 0.08, 0.02, 0.03, 0.03, 0.02),
    supports=(0.84, 0.14, 0.02),
    weather=(0.0, 0.0, 1.0),
    saturation=0.8,
    patterned=0.4,
    coats=0.4,
    dresses=0.06,
    skirts=0.06,
    shorts=0.0,
    hats=0.5,
    glasses=0.4,
    scarves=0.3,
    gloves=0.17,
    barefoot=0.0,
    noise=(0.004, 0.03),
    fov=(0.4, 1.15),
    clutter=3,
    depth_blur=0.3,
)
_THERMAL = Style(
    name="thermal",
    number=6,
    places={"corridor": 4, "room": 3, "kitchen": 1},
    lights={"lamps": 1},
    warmth=0.0,
    crowd=(0.45, 0.3, 0.14, 0.07, 0.03, 0.01),
    framing=(0.44, 0.18, 0.15, 0.1, 0.03, 0.04, 0.03, 0.03),
    supports=(0.66, 0.24, 0.1),
    weather=_ALL_YEAR,
    saturation=0.5,
    patterned=0.3,
    coats=0.25,
    dresses=0.22,
    skirts=0.2,
    shorts=0.25,
    hats=0.2,
    glasses=0.12,
    scarves=0.14,
    gloves=0.1,
    barefoot=0.1,
    noise=(0.004, 0.03),
    fov=(0.5, 1.2),
    clutter=4,
    depth_blur=0.0,
    thermal=True,
)

_KNOWN = {style.name: style for style in (_STREET, _STUDIO, _STORE, _HOME, _WINTER, _THERMAL)}
STYLES = tuple(_KNOWN)


def find_style(name: str) -> Style:
    """The style of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in _KNOWN:
        raise ConfigurationError(f"unknown style {name!r}; known are {', '.join(STYLES)}")
    return _KNOWN[name]
