"""What people wear: outfits put together from garments, at random, by style and weather."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.data.people import garments as cut
from discreet.data.people.colours import draw_colour, draw_denim
from discreet.data.people.footwear import draw_footwear
from discreet.data.people.garments import Garment
from discreet.data.people.identity import Identity
from discreet.data.people.materials import PATTERNS, Cloth
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

_UPPER, _DRESS, _COAT, _PANTS, _SCARF, _SKIRT, _GLOVE = 5, 6, 7, 9, 11, 12, 3
_PATTERN_ODDS = (0.0, 0.24, 0.05, 0.2, 0.13, 0.03, 0.08, 0.17, 0.1)


def draw_cold(rng: Rng) -> float:
    """The weather that a person dressed for: 0 summer to 1 winter."""
    return float(np.clip(rng.choice([0.0, 0.5, 1.0], p=[0.42, 0.33, 0.25]) + rng.uniform(-0.1, 0.1), 0, 1))


def draw_outfit(identity: Identity, style: Style, cold: float, rng: Rng) -> list[Garment]:
    """Everything a person wears but hats and glasses, from the inside out.

    Args:
        identity: decides which wardrobe. style: odds.
        cold: see `draw_cold`.
        rng: the picture's own.
    """
    kind = "trousers"
    if identity.feminine:
        odds = (style.dresses, (1 - style.dresses) * style.skirts)
        kind = str(rng.choice(["dress", "skirt", "trousers"], p=(*odds, 1 - sum(odds))))
    waist = cut.WAIST + rng.uniform(-0.08, 0.03)
    tall_boots, garments = draw_footwear(style, identity.skin, cold, rng)
    coated = rng.random() < _in_weather(style.coats, 0.1 + 2 * cold**2)
    if kind == "dress":
        garments += _dress(waist, style, cold, rng)
    else:
        top = _top(waist, kind, style, cold, rng, under=coated)
        if kind == "skirt":
            lower = _skirt(waist, style, rng)
        else:
            short = rng.random() < _in_weather(style.shorts, 2 * (1 - cold) ** 1.5 + 0.05)
            like = top.material if rng.random() < 0.12 else None
            lower = _trousers(waist, style, rng, short=short, tight=tall_boots, like=like)
        garments += [lower, top]
    if coated:
        garments += _coat(waist, style, rng)
    if rng.random() < _in_weather(style.scarves, 0.15 + 2 * cold**2):
        garments.append(_scarf(style, rng))
    if rng.random() < _in_weather(style.gloves, 0.25 + 2 * cold**2):
        garments.append(Garment("skin", cut.hands(), _GLOVE, 0.005, _cloth(style, rng, plain=True, folds=0.1)))
    return garments


def _in_weather(odds: float, factor: float) -> float:
    """Odds times a factor, as far as odds go."""
    return min(0.85, odds * factor)


def _cloth(style: Style, rng: Rng, *, plain: bool = False, **given: Any) -> Cloth:
    """A fabric; with a pattern sometimes, unless plain."""
    patterned = not plain and rng.random() < style.patterned
    pattern = str(rng.choice(PATTERNS, p=_PATTERN_ODDS)) if patterned else "plain"
    drawn = {
        "colour": draw_colour(style, rng),
        "second": draw_colour(style, rng),
        "pattern": pattern,
        "scale": float(rng.uniform(14, 45)),
        "folds": float(rng.uniform(0.15, 0.7)),
        "seed": int(rng.integers(100_000)),
    }
    return Cloth(**{**drawn, **given})


def _trousers(waist: float, style: Style, rng: Rng, *, short: bool, tight: bool, like: object) -> Garment:
    """Shorts, breeches, leggings, jeans, joggers, wide trousers; sometimes of the shirt's own cloth."""
    length = float(rng.choice([0.35, 0.6, 0.8, 0.95, 1.2]) if short else rng.choice([1.72, 1.88, 1.96, 2.05]))
    length += rng.normal(0, 0.03)
    loose = 0.004 if tight else float(rng.choice([0.003, 0.01, 0.02, 0.035, 0.06], p=[0.22, 0.28, 0.22, 0.18, 0.1]))
    # Short ones stand off the thigh; long ones widen down to the shoe.
    lift = 0.006 + 0.35 * loose + cut.flare(cut.HIP, 0.9 * loose if short else 0.75 * loose)
    if isinstance(like, Cloth):
        cloth = like
    elif rng.random() < 0.42:
        cloth = _cloth(style, rng, plain=True, colour=draw_denim(rng), faded=rng.uniform(0.05, 0.6))
    else:
        cloth = _cloth(style, rng, plain=bool(rng.random() < 0.85))
    return Garment("tights", cut.legs(waist + 0.03, length), _PANTS, lift, cloth, crumple=0.3 * loose + 0.003)


def _skirt(waist: float, style: Style, rng: Rng) -> Garment:
    """Short to long, straight, wide or pleated."""
    hem = float(rng.choice([-0.08, -0.18, -0.32, -0.5, -0.66])) + rng.normal(0, 0.02)
    lift = 0.01 + _fall(waist, rng)
    return Garment("skirt", cut.skirt(min(waist, 0.26), hem), _SKIRT, lift, _cloth(style, rng), crumple=0.012)


def _fall(start: float, rng: Rng) -> Floats:
    """How a skirt falls: straight, wide, or in pleats."""
    lift = cut.flare(start, float(rng.choice([0.0, 0.05, 0.15, 0.28], p=[0.3, 0.3, 0.25, 0.15])))
    if rng.random() < 0.5:
        lift = lift + cut.pleats(start, int(rng.integers(6, 26)), float(rng.uniform(0.03, 0.1)))
    return lift


def _top(waist: float, kind: str, style: Style, cold: float, rng: Rng, *, under: bool) -> Garment:
    """Vests, T-shirts, shirts, pullovers, hoodies; tucked in or hanging out; close-fitting under a coat."""
    sleeve = _sleeve(cold, rng)
    cropped = kind == "skirt" or rng.random() < 0.15
    hem = waist + (rng.uniform(-0.02, 0.07) if cropped else -rng.uniform(0.04, 0.2))
    neck = cut.neckline(str(rng.choice(["round", "vee", "wide", "high", "collar"], p=[0.43, 0.15, 0.12, 0.12, 0.18])))
    # Most hang loose: from the chest down they stand off the body, and their sleeves off the arm.
    loose = 0.0 if under else float(rng.choice([0.0, 0.01, 0.02, 0.035, 0.055], p=[0.2, 0.25, 0.27, 0.18, 0.1]))
    lift = 0.013 + loose * 0.45 + cut.flare(0.55, loose * 1.6) + cut.sleeve_lift(loose * 0.6)
    return Garment(
        "tights", cut.torso(hem, sleeve, neck), _UPPER, lift, _cloth(style, rng), crumple=0.45 * loose + 0.004
    )


def _sleeve(cold: float, rng: Rng) -> float:
    """How long sleeves are: 0 none, 1 to the elbow, 2 to the wrist."""
    summer = np.array([0.16, 0.2, 0.42, 0.08, 0.04, 0.06, 0.04])
    winter = np.array([0.02, 0.02, 0.1, 0.03, 0.08, 0.4, 0.35])
    odds = summer * (1 - cold) + winter * cold
    return float(rng.choice([0.0, 0.3, 0.5, 0.75, 1.3, 1.97, 2.05], p=odds / odds.sum()))


def _dress(waist: float, style: Style, cold: float, rng: Rng) -> list[Garment]:
    """A bodice and a skirt of one fabric."""
    cloth = _cloth(style, rng)
    odds = (0.1, 0.1, 0.15, 0.15, 0.5) if cold > 0.7 else (0.35, 0.22, 0.23, 0.08, 0.12)
    sleeve = float(rng.choice([0.0, 0.3, 0.5, 1.3, 2.0], p=odds))
    neck = cut.neckline(str(rng.choice(["round", "vee", "wide", "high"])))
    hem = float(rng.choice([-0.1, -0.22, -0.38, -0.55, -0.68])) + rng.normal(0, 0.02)
    bodice = cut.torso(waist - 0.04, sleeve, neck)
    loose = float(rng.choice([0.0, 0.012, 0.03]))
    upper_lift = 0.01 + 0.4 * loose + cut.flare(0.5, loose * 1.2) + cut.sleeve_lift(loose * 0.6)
    lift = 0.012 + loose + _fall(waist, rng)
    return [
        Garment("tights", bodice, _DRESS, upper_lift, cloth, crumple=0.3 * loose + 0.004),
        Garment("skirt", cut.skirt(0.262, hem), _DRESS, lift, cloth, crumple=0.012),
    ]


def _coat(waist: float, style: Style, rng: Rng) -> list[Garment]:
    """Jackets and coats, open or closed, to the hip or to the knee; thin, woollen or padded."""
    padded = rng.random() < 0.25
    cloth = _cloth(style, rng, plain=bool(rng.random() < 0.85), gloss=float(rng.choice([0.02, 0.05, 0.3])))
    neck = cut.neckline(str(rng.choice(["collar", "high", "vee"])))
    hem = waist - rng.uniform(0.08, 0.24)
    field = cut.torso(hem, rng.uniform(1.9, 2.08), neck)
    closed = rng.random() < 0.4
    gap = float(rng.uniform(0.015, 0.09))
    loose = float(rng.uniform(0.0, 0.035)) + (0.02 if padded else 0.0)
    lift = 0.03 + 0.4 * loose + cut.flare(0.55, loose) + cut.sleeve_lift(loose * 0.5)
    front = field if closed else cut.open_front(field, gap)
    crumple = 0.03 if padded else 0.01
    pieces = [Garment("tights", front, _COAT, lift, cloth, crumple=crumple, hides=closed)]
    if rng.random() < 0.45:
        tails = cut.skirt(min(hem + 0.08, 0.262), hem - rng.uniform(0.15, 0.55))
        tails = tails if closed else cut.open_front(tails, gap)
        pieces.append(Garment("skirt", tails, _COAT, 0.036 + cut.flare(0.25, 0.06), cloth, crumple=crumple))
    return pieces


def _scarf(style: Style, rng: Rng) -> Garment:
    """A thick ring about the neck, or a shawl over the shoulders."""
    shawl = rng.random() < 0.25
    low = rng.uniform(0.1, 0.2) if shawl else rng.uniform(0.0, 0.05)
    field = cut.around_neck(low, rng.uniform(0.03, 0.06))
    return Garment(
        "skin", field, _SCARF, rng.uniform(0.035, 0.05), _cloth(style, rng, folds=0.7), crumple=0.02, hides=False
    )
