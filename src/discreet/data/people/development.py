"""What happens to a picture between light and file, drawn for each: most are ordinary, a tail is extreme.

Strengths in pixels hold at any size, as they do in cameras and on the web.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from discreet.data.people.materials import triple
from discreet.data.people.places import is_out_of_doors
from discreet.data.people.styles import Style

Rng = np.random.Generator
Triple = tuple[float, float, float]

_NONE = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Odds:
    """How often pictures are so; the rest is ordinary.

    Args:
        under, over: exposed far too short or too long. flat, harsh: of little contrast, or too much.
        cast: under light of a colour that the camera did not balance.
        grey: black and white. toned: brown or blue monochrome. faded, vivid: as from an app.
        low_light: noisy and dim, times how rough a style is; thrice that where the light is dim.
        haze: far things pale, in a style that is all out of doors. veil: stray light.
        soft: a lens or a focus a little off.
        shaken: moved while the shutter was open. fringed: colours apart in the corners. vignette: dark corners.
        smoothed: noise, and texture with it, taken out as phones do. sharpened, halos: edges overdone.
        shrunk: made smaller and enlarged again. thumbnail: of those, from very small. twice: compressed twice.
    """

    under: float = 0.05
    over: float = 0.04
    flat: float = 0.04
    harsh: float = 0.05
    cast: float = 0.14
    grey: float = 0.065
    toned: float = 0.01
    faded: float = 0.08
    vivid: float = 0.08
    low_light: float = 0.06
    haze: float = 0.05
    veil: float = 0.1
    soft: float = 0.25
    shaken: float = 0.08
    fringed: float = 0.3
    vignette: float = 0.45
    smoothed: float = 0.35
    sharpened: float = 0.5
    halos: float = 0.06
    shrunk: float = 0.22
    thumbnail: float = 0.2
    twice: float = 0.18


@dataclass(frozen=True)
class Development:
    """What happens to one picture.

    Args:
        exposure: factor on light. metering: how far the camera evens out bright and dark scenes, 0–1.
        protection: how far white follows the brightest tenth of a picture, so that nothing burns out, 0–1.
        balance: factor on each colour. headroom: how far white lies above that. lift: factor on dark tones.
        levelling: how far the darkest tones become black, 0–1.
        contrast: of the S curve, -1 to 1; negative flattens. saturation: 1 keeps colours.
        monochrome: weights of the colours in black and white. tone: colour laid over black and white.
        blacks, whites: what black and white become, 0–1. shadows, highlights: colours added there.
        haze: part of light lost in each metre. haze_colour: linear. veil: part of all light spread evenly.
        soft_px, shaken_px, shaken_angle, fringe_px, vignette: the lens and the hand; see lens.
        noise: standard deviation of lightness, of 0–1. colour_noise: of colour. smoothing: 0–1.
        sharpening: factor on detail, finer than sharpening_px.
        shrink: part of the side it once had. shrink_filters: of Pillow, down and up.
        first_quality: of an earlier JPEG, 0 for none. grid: where its blocks began, pixels. quality: of the JPEG.
    """

    exposure: float = 1.0
    metering: float = 0.6
    protection: float = 1.0
    balance: Triple = (1.0, 1.0, 1.0)
    headroom: float = 1.4
    lift: float = 1.2
    levelling: float = 0.6
    contrast: float = 0.2
    saturation: float = 1.0
    monochrome: Triple | None = None
    tone: Triple = _NONE
    blacks: float = 0.0
    whites: float = 1.0
    shadows: Triple = _NONE
    highlights: Triple = _NONE
    haze: float = 0.0
    haze_colour: Triple = _NONE
    veil: float = 0.0
    soft_px: float = 0.0
    shaken_px: float = 0.0
    shaken_angle: float = 0.0
    fringe_px: float = 0.0
    vignette: float = 0.0
    noise: float = 0.0
    colour_noise: float = 0.0
    smoothing: float = 0.0
    sharpening: float = 0.0
    sharpening_px: float = 1.0
    shrink: float = 1.0
    shrink_filters: tuple[int, int] = (2, 3)
    first_quality: int = 0
    grid: tuple[int, int] = (0, 0)
    quality: int = 90


def draw_development(style: Style, dim: bool, rng: Rng, odds: Odds | None = None) -> Development:
    """What happens to a picture of a style; `dim` says that there is little light."""
    odds = odds or Odds()
    roughness = min(1.0, style.noise[1] / 0.03)
    low_light = _happens(odds.low_light * roughness * (3 if dim else 1), rng)
    return Development(
        **_draw_exposure(odds, low_light, rng),
        **_draw_colours(odds, low_light, rng),
        **_draw_air_and_lens(style, odds, low_light, rng),
        **_draw_sensor(style, odds, low_light, rng),
        **_draw_files(odds, rng),
    )


def _happens(odds: float, rng: Rng) -> bool:
    return bool(rng.random() < odds)


def _between(low: float, high: float, rng: Rng) -> float:
    return float(rng.uniform(low, high))


def _draw_exposure(odds: Odds, low_light: bool, rng: Rng) -> dict[str, Any]:
    """Exposure and tone curve."""
    stops, protection = float(rng.normal(0.1, 0.25)), 1.0
    chance = rng.random()
    if low_light:
        stops -= _between(0.2, 1.4, rng)
    elif chance < odds.under:
        stops = -_between(0.9, 2.4, rng)
    elif chance < odds.under + odds.over:
        stops, protection = _between(0.6, 1.4, rng), _between(0.3, 0.7, rng)  # burnt out, but not all skin with it
    contrast = _between(-0.1, 0.75, rng)
    chance = rng.random()
    if chance < odds.flat:
        contrast = _between(-0.7, -0.3, rng)
    elif chance < odds.flat + odds.harsh:
        contrast = _between(0.75, 0.95, rng)
    return {
        "exposure": 2.0**stops,
        "metering": _between(0.35, 0.85, rng),
        "protection": protection,
        "headroom": _between(1.15, 1.7, rng),
        "levelling": _between(0.2, 1.0, rng),
        "lift": _between(1.0, 1.45, rng),
        "contrast": contrast,
    }


def _draw_colours(odds: Odds, low_light: bool, rng: Rng) -> dict[str, Any]:
    """White balance and look."""
    strong = _happens(odds.cast, rng)
    warmth, green = rng.normal(0, (0.2, 0.06) if strong else (0.045, 0.018))
    if low_light:
        warmth += _between(-0.05, 0.2, rng)
    balance = np.exp([warmth, green, -warmth])
    colours: dict[str, Any] = {
        "balance": triple(balance / (balance @ (0.3, 0.59, 0.11))),
        "saturation": _between(0.7, 1.05, rng),
    }
    chance = rng.random()
    bounds = np.cumsum([odds.grey, odds.toned, odds.faded, odds.vivid])
    if chance < bounds[1]:
        colours["monochrome"] = triple(rng.dirichlet((5.0, 7.0, 2.5)))
        if chance >= bounds[0]:
            brown = rng.random() < 0.8
            colours["tone"] = triple(np.array((0.06, 0.0, -0.08) if brown else (-0.04, 0.0, 0.06)))
    elif chance < bounds[2]:
        colours |= _draw_fading(rng)
    elif chance < bounds[3]:
        colours["saturation"] = _between(1.15, 1.5, rng)
    return colours


def _draw_fading(rng: Rng) -> dict[str, Any]:
    """Lifted blacks, dull whites, shadows and highlights of unlike colours."""
    shadows = rng.normal(0, 0.035, 3)
    return {
        "saturation": _between(0.45, 0.95, rng),
        "blacks": _between(0.04, 0.17, rng),
        "whites": _between(0.86, 0.98, rng),
        "shadows": triple(shadows),
        "highlights": triple(-shadows * _between(0.3, 1.0, rng)),
    }


def _draw_air_and_lens(style: Style, odds: Odds, low_light: bool, rng: Rng) -> dict[str, Any]:
    """What lies between the people and the sensor."""
    drawn: dict[str, Any] = {}
    outside = sum(odds for place, odds in style.places.items() if is_out_of_doors(place)) / sum(style.places.values())
    if _happens(odds.haze * outside, rng):
        drawn["haze"] = _between(0.012, 0.06, rng)
        drawn["haze_colour"] = triple(_between(0.35, 0.8, rng) * np.array([0.96, 1.0, 1.05]))
    if _happens(odds.veil, rng):
        drawn["veil"] = _between(0.02, 0.14, rng)
    if _happens(odds.soft, rng):
        drawn["soft_px"] = _between(0.3, 0.9, rng)
    if _happens(odds.shaken * (3 if low_light else 1), rng):
        drawn["shaken_px"], drawn["shaken_angle"] = _between(0.8, 3.2, rng), _between(0, np.pi, rng)
    if _happens(odds.fringed, rng):
        drawn["fringe_px"] = _between(-1, 1, rng)
    if _happens(odds.vignette, rng):
        drawn["vignette"] = _between(0.05, 0.45, rng) if rng.random() < 0.9 else _between(0.45, 0.8, rng)
    return drawn


def _draw_sensor(style: Style, odds: Odds, low_light: bool, rng: Rng) -> dict[str, Any]:
    """Noise, and what the camera does about it."""
    low, high = style.noise
    noise = low + (high - low) * float(rng.random()) ** 3
    smoothing = _between(0.2, 0.7, rng) if _happens(odds.smoothed, rng) else 0.0
    if low_light:
        noise = _between(0.02, 0.065, rng)
        smoothing = _between(0.4, 1.0, rng) if rng.random() < 0.7 else 0.0
    sharpening = _between(0.2, 0.8, rng) if _happens(odds.sharpened, rng) else 0.0
    if _happens(odds.halos, rng):
        sharpening = _between(1.1, 2.0, rng)
    return {
        "noise": noise,
        "colour_noise": noise * _between(0.2, 1.0, rng),
        "smoothing": smoothing,
        "sharpening": sharpening,
        "sharpening_px": _between(0.6, 1.5, rng),
    }


def _draw_files(odds: Odds, rng: Rng) -> dict[str, Any]:
    """How it was saved, sent and saved again."""
    drawn: dict[str, Any] = {"quality": round(95 - 65 * rng.beta(1.0, 2.0))}
    if _happens(odds.shrunk, rng):
        small = _happens(odds.thumbnail, rng)
        drawn["shrink"] = _between(0.33, 0.55, rng) if small else _between(0.55, 0.95, rng)
        drawn["shrink_filters"] = (int(rng.choice([1, 2, 3, 4])), int(rng.choice([1, 2, 3])))
    if _happens(odds.twice, rng):
        drawn["first_quality"] = int(rng.integers(35, 93))
        drawn["grid"] = (int(rng.integers(8)), int(rng.integers(8)))
    return drawn
