"""What people wear: outfits put together from garments, at random, by style."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.data.people import garments as cut
from discreet.data.people.garments import Garment
from discreet.data.people.identity import Identity
from discreet.data.people.materials import PATTERNS, Cloth, Colour, Shoe
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

_UPPER, _DRESS, _COAT, _SOCKS, _PANTS, _SCARF, _SKIRT, _GLOVE = 5, 6, 7, 8, 9, 11, 12, 3
_LEFT_SHOE, _RIGHT_SHOE = 18, 19
_PATTERN_ODDS = (0.0, 0.2, 0.08, 0.17, 0.16, 0.05, 0.1, 0.16, 0.08)
_NEUTRAL: tuple[Colour, ...] = (
    (0.06, 0.06, 0.07), (0.15, 0.15, 0.17), (0.32, 0.32, 0.34), (0.6, 0.6, 0.6), (0.9, 0.9, 0.88),
    (0.1, 0.13, 0.22), (0.2, 0.16, 0.12), (0.45, 0.35, 0.25), (0.76, 0.68, 0.55), (0.27, 0.3, 0.22),
)  # fmt: skip
_DENIM: tuple[Colour, ...] = ((0.16, 0.22, 0.36), (0.3, 0.4, 0.55), (0.5, 0.6, 0.72), (0.1, 0.12, 0.18))


def draw_outfit(identity: Identity, style: Style, rng: Rng) -> list[Garment]:
    """Everything a person wears but hats and glasses, from the inside out."""
    kind = "trousers"
    if identity.feminine:
        odds = (style.dresses, (1 - style.dresses) * style.skirts)
        kind = str(rng.choice(["dress", "skirt", "trousers"], p=(*odds, 1 - sum(odds))))
    waist = cut.WAIST + rng.uniform(-0.08, 0.03)
    boots, footwear = _footwear(style, rng)
    garments = list(footwear)
    if kind == "trousers":
        garments.append(_trousers(waist, style, rng, short=rng.random() < style.shorts, tight=boots))
    if kind == "skirt":
        garments.append(_skirt(waist, style, rng))
    coated = rng.random() < style.coats
    garments += _dress(waist, style, rng) if kind == "dress" else [_top(waist, kind, style, rng, under=coated)]
    if coated:
        garments += _coat(waist, style, rng)
    if rng.random() < style.scarves:
        garments.append(_scarf(style, rng))
    if rng.random() < style.gloves:
        garments.append(Garment("skin", cut.hands(), _GLOVE, 0.005, _cloth(style, rng, plain=True, folds=0.1)))
    return garments


def _colour(style: Style, rng: Rng) -> Colour:
    """Neutral, or a hue as strong as the style allows."""
    if rng.random() > style.saturation + 0.15:
        base = np.asarray(_NEUTRAL[rng.integers(len(_NEUTRAL))]) * rng.uniform(0.85, 1.1)
        red, green, blue = (float(channel) for channel in np.clip(base, 0, 1))
        return red, green, blue
    return colorsys.hsv_to_rgb(
        rng.random(), rng.uniform(0.35, 0.95) * (0.6 + 0.4 * style.saturation), rng.uniform(0.25, 0.95)
    )


def _cloth(style: Style, rng: Rng, *, plain: bool = False, **given: Any) -> Cloth:
    """A fabric; with a pattern sometimes, unless plain."""
    patterned = not plain and rng.random() < style.patterned
    pattern = str(rng.choice(PATTERNS, p=_PATTERN_ODDS)) if patterned else "plain"
    drawn = {
        "colour": _colour(style, rng),
        "second": _colour(style, rng),
        "pattern": pattern,
        "scale": float(rng.uniform(14, 45)),
        "folds": float(rng.uniform(0.12, 0.55)),
        "seed": int(rng.integers(100_000)),
    }
    return Cloth(**{**drawn, **given})


def _trousers(waist: float, style: Style, rng: Rng, *, short: bool, tight: bool) -> Garment:
    """Shorts, breeches, leggings, jeans, wide trousers."""
    length = float(rng.choice([0.35, 0.6, 0.85, 1.2]) if short else rng.choice([1.7, 1.88, 1.95, 2.03]))
    length += rng.normal(0, 0.03)
    loose = 0.006 if tight else float(rng.choice([0.005, 0.01, 0.02, 0.03]))
    lift = 0.006 + cut.flare(cut.HIP, loose if short else loose * 0.9)
    if rng.random() < 0.4:
        cloth = _cloth(style, rng, plain=True, colour=_DENIM[rng.integers(len(_DENIM))], faded=rng.uniform(0.1, 0.7))
    else:
        cloth = _cloth(style, rng, plain=bool(rng.random() < 0.75))
    return Garment("tights", cut.legs(waist + 0.03, length), _PANTS, lift, cloth, crumple=0.3 * loose + 0.002)


def _skirt(waist: float, style: Style, rng: Rng) -> Garment:
    """Short to long, straight to wide."""
    hem = float(rng.choice([-0.1, -0.22, -0.32, -0.5, -0.64])) + rng.normal(0, 0.02)
    lift = 0.01 + cut.flare(waist, float(rng.choice([0.0, 0.05, 0.15])))
    return Garment("skirt", cut.skirt(min(waist, 0.26), hem), _SKIRT, lift, _cloth(style, rng), crumple=0.012)


def _top(waist: float, kind: str, style: Style, rng: Rng, *, under: bool) -> Garment:
    """Vests, T-shirts, shirts, pullovers; tucked in or hanging out; close-fitting under a coat."""
    sleeve = float(rng.choice([0.0, 0.3, 0.5, 0.75, 1.3, 1.97, 2.05], p=[0.1, 0.15, 0.28, 0.05, 0.07, 0.2, 0.15]))
    cropped = kind == "skirt" or rng.random() < 0.15
    hem = waist + (rng.uniform(-0.02, 0.07) if cropped else -rng.uniform(0.02, 0.16))
    neck = cut.neckline(str(rng.choice(["round", "vee", "wide", "high", "collar"], p=[0.4, 0.15, 0.12, 0.15, 0.18])))
    loose = 0.0 if under else float(rng.choice([0.0, 0.008, 0.02]))
    lift = 0.013 + loose * 0.6 + cut.flare(0.55, loose * 1.4) + cut.sleeve_lift(loose * 0.6)
    return Garment(
        "tights", cut.torso(hem, sleeve, neck), _UPPER, lift, _cloth(style, rng), crumple=0.4 * loose + 0.004
    )


def _dress(waist: float, style: Style, rng: Rng) -> list[Garment]:
    """A bodice and a skirt of one fabric."""
    cloth = _cloth(style, rng)
    sleeve = float(rng.choice([0.0, 0.3, 0.5, 1.3, 2.0], p=[0.3, 0.2, 0.2, 0.1, 0.2]))
    neck = cut.neckline(str(rng.choice(["round", "vee", "wide", "high"])))
    hem = float(rng.choice([-0.12, -0.25, -0.4, -0.6])) + rng.normal(0, 0.02)
    bodice = cut.torso(waist - 0.04, sleeve, neck)
    lift = 0.012 + cut.flare(waist, float(rng.choice([0.02, 0.08, 0.16])))
    return [
        Garment("tights", bodice, _DRESS, 0.01, cloth, crumple=0.004),
        Garment("skirt", cut.skirt(0.262, hem), _DRESS, lift, cloth, crumple=0.012),
    ]


def _coat(waist: float, style: Style, rng: Rng) -> list[Garment]:
    """Jackets and coats, open or closed, to the hip or to the knee."""
    cloth = _cloth(style, rng, plain=bool(rng.random() < 0.8), gloss=float(rng.choice([0.02, 0.05, 0.3])))
    neck = cut.neckline(str(rng.choice(["collar", "high", "vee"])))
    hem = waist - rng.uniform(0.1, 0.2)
    field = cut.torso(hem, rng.uniform(1.9, 2.08), neck)
    closed = rng.random() < 0.35
    gap = float(rng.uniform(0.015, 0.075))
    loose = float(rng.uniform(0.0, 0.02))
    lift = 0.03 + cut.flare(0.55, loose) + cut.sleeve_lift(loose * 0.5)
    front = field if closed else cut.open_front(field, gap)
    pieces = [Garment("tights", front, _COAT, lift, cloth, crumple=0.008, hides=closed)]
    if rng.random() < 0.45:
        tails = cut.skirt(min(hem + 0.08, 0.262), hem - rng.uniform(0.15, 0.5))
        tails = tails if closed else cut.open_front(tails, gap)
        pieces.append(Garment("skirt", tails, _COAT, 0.036 + cut.flare(0.25, 0.06), cloth, crumple=0.01))
    return pieces


def _scarf(style: Style, rng: Rng) -> Garment:
    """A thick ring about the neck."""
    field = cut.around_neck(rng.uniform(0.0, 0.05), rng.uniform(0.03, 0.06))
    cloth = _cloth(style, rng, folds=0.7)
    return Garment("skin", field, _SCARF, rng.uniform(0.03, 0.045), cloth, crumple=0.02, hides=False)


def _footwear(style: Style, rng: Rng) -> tuple[bool, list[Garment]]:
    """Whether boots are worn, and socks and shoes."""
    barefoot = rng.random() < style.barefoot
    pieces: list[Garment] = []
    if rng.random() < (0.15 if barefoot else 0.6):
        height = float(rng.choice([0.06, 0.1, 0.18, 0.36], p=[0.2, 0.3, 0.35, 0.15]))
        pieces.append(Garment("tights", cut.foot(height), _SOCKS, 0.004, _cloth(style, rng, folds=0.15)))
    if barefoot:
        return False, pieces
    boots = rng.random() < 0.2
    top = rng.uniform(0.1, 0.3) if boots else rng.uniform(-0.035, 0.03)
    sole: Colour = (0.92, 0.92, 0.9) if not boots and rng.random() < 0.5 else (0.1, 0.09, 0.08)
    shoe = Shoe(
        _colour(style, rng), sole, sole_height=float(rng.uniform(-0.81, -0.795)), gloss=float(rng.choice([0.05, 0.4]))
    )
    lift = 0.014 if boots else 0.01
    pieces += [
        Garment("tights", cut.foot(top, 1), _LEFT_SHOE, lift, shoe),
        Garment("tights", cut.foot(top, -1), _RIGHT_SHOE, lift, shoe),
    ]
    return boots, pieces
