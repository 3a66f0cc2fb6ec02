"""What people wear: outfits put together from garments, at random, by style and weather."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.data.people import garments as cut
from discreet.data.people.accessories import draw_gloves, draw_scarf, draw_tie, draw_watch, hood_behind
from discreet.data.people.body import template
from discreet.data.people.chance import draw
from discreet.data.people.colours import draw_colour, draw_denim
from discreet.data.people.footwear import draw_footwear
from discreet.data.people.garments import Garment
from discreet.data.people.identity import Identity
from discreet.data.people.materials import Cloth
from discreet.data.people.parts import Part
from discreet.data.people.patterns import PATTERN_ODDS
from discreet.data.people.styles import Style
from discreet.data.people.tailoring import Tailored

Rng = np.random.Generator
Floats = NDArray[np.floating]

_SEAM = cut.HIP + 0.02  # height where a long garment's tails begin
# Lengths of sleeves, 0 none, 1 to the elbow, 2 to the wrist, with their odds in summer and in winter.
_SLEEVES = {0.0: (0.16, 0.02), 0.3: (0.2, 0.02), 0.5: (0.42, 0.1), 0.75: (0.08, 0.03), 1.3: (0.04, 0.08),
            1.97: (0.06, 0.4), 2.05: (0.04, 0.35)}  # fmt: skip


def draw_cold(style: Style, rng: Rng) -> float:
    """The weather that a person dressed for: 0 summer to 1 winter."""
    return float(np.clip(rng.choice([0.0, 0.5, 1.0], p=style.weather) + rng.uniform(-0.1, 0.1), 0, 1))


def draw_outfit(identity: Identity, style: Style, cold: float, rng: Rng, *, legs_bent: bool = False) -> list[Garment]:
    """Everything a person wears but hats and glasses, from the inside out.

    Args:
        identity: decides which wardrobe. style: odds.
        cold: see `draw_cold`.
        rng: the picture's own.
        legs_bent: whether the person sits, kneels, crouches or lies: skirts are rarer then, longer and not so wide, and
            hide the legs in them, which would go through or be looked at from below.
    """
    kind = "trousers"
    if identity.feminine:
        share = 0.6 if legs_bent else 1.0
        dresses, skirts = share * style.dresses, share * (1 - style.dresses) * style.skirts
        kind = draw(rng, {"dress": dresses, "skirt": skirts, "trousers": 1 - (dresses + skirts)})
    waist = cut.WAIST + rng.uniform(-0.08, 0.03)
    tall_boots, garments = draw_footwear(style, identity.skin, cold, rng)
    coated = rng.random() < _in_weather(style.coats, 0.1 + 2 * cold**2)
    over_it = not coated and rng.random() < 0.1
    if kind == "dress":
        clothes = _dress(waist, style, cold, rng, legs_bent=legs_bent)
    else:
        bare = not coated and _bares_the_midriff(identity, cold, rng)
        clothes = _two_pieces(
            kind, waist, style, cold, rng, tight=tall_boots, under=coated or over_it, bare=bare, legs_bent=legs_bent
        )
    made = clothes[1].material
    if not identity.feminine and isinstance(made, Tailored) and made.make == "shirt" and rng.random() < 0.3:
        clothes.append(draw_tie(style, clothes[1], rng))
    if coated:
        clothes += _coat(waist, style, clothes, rng)
    elif over_it:
        clothes.append(_open_shirt(waist, style, cold, clothes, rng))
    if rng.random() < _in_weather(style.scarves, 0.15 + 2 * cold**2):
        clothes += draw_scarf(style, clothes, rng)
    if rng.random() < _in_weather(style.gloves, 0.3 + 4 * cold**2):
        clothes.append(draw_gloves(style, rng))
    elif rng.random() < 0.2:
        clothes.append(draw_watch(rng))
    return [cut.under_skirts(piece, clothes) for piece in garments] + clothes


def _two_pieces(
    kind: str,
    waist: float,
    style: Style,
    cold: float,
    rng: Rng,
    *,
    tight: bool,
    under: bool,
    bare: bool,
    legs_bent: bool,
) -> list[Garment]:
    """Trousers or a skirt, and a top that ends on them, or above them where the midriff is bare."""
    skirted = kind == "skirt"
    waistband = min(waist, 0.26) if skirted else waist + 0.03
    short = bare or rng.random() < (0.7 if skirted else 0.15)
    hem = waistband + rng.uniform(*((0.01, 0.07) if bare else (-0.06, -0.01))) if short else _hem(waist, rng)
    long = not (short or legs_bent) and rng.random() < 0.3
    top = _top(hem, style, cold, rng, under=under, long=long)
    if skirted:
        lower = _skirt(waist, style, rng, legs_bent=legs_bent)
    else:
        short = rng.random() < _in_weather(style.shorts, 2 * (1 - cold) ** 1.5 + 0.05)
        like = top[0].material if rng.random() < 0.12 else None
        lower = _trousers(waist, style, rng, short=short, tight=tight, like=like)
    if (top[0].field[template().arm > 0.9] > 0).any():
        return [lower, *(cut.over(piece, [lower], 0.01) for piece in top)]
    # Straps must not drape; what they hold keeps off wide trousers instead.
    return [lower, *(replace(cut.over(piece, [lower], 0.025), drape=0.0) for piece in top)]


def _bares_the_midriff(identity: Identity, cold: float, rng: Rng) -> bool:
    """In summer some of the young who dress as women do."""
    return identity.feminine and 14 <= identity.years < 40 and cold < 0.3 and rng.random() < 0.3


def _in_weather(odds: float, factor: float) -> float:
    """Odds times a factor, as far as odds go."""
    return min(0.85, odds * factor)


def _cloth(style: Style, rng: Rng, *, plain: bool = False, **given: Any) -> Cloth:
    """A fabric; with a pattern sometimes, unless plain."""
    patterned = not plain and rng.random() < style.patterned
    pattern = draw(rng, PATTERN_ODDS) if patterned else "plain"
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
    loose = 0.004 if tight else draw(rng, {0.003: 0.22, 0.01: 0.28, 0.02: 0.22, 0.035: 0.18, 0.06: 0.1})
    # Short ones stand off the thigh; long ones widen down to the shoe.
    below_waist = np.clip((waist - template().points[:, 2]) / 0.12, 0, 1)
    lift = 0.006 + 0.35 * loose * below_waist + cut.flare(cut.HIP, 0.9 * loose if short else 0.75 * loose)
    make = draw(rng, {"": 0.6, "belted": 0.4})
    if isinstance(like, Tailored):
        cloth = like.cloth
    elif rng.random() < 0.42:
        cloth = _cloth(style, rng, plain=True, colour=draw_denim(rng), faded=rng.uniform(0.05, 0.6))
        make = "jeans"
    else:
        cloth = _cloth(style, rng, plain=bool(rng.random() < 0.85))
    leather = (0.12, 0.08, 0.06) if rng.random() < 0.6 else draw_colour(style, rng)
    made = Tailored(cloth, make, hem=cut.leg_end(length), trim=leather, top=waist + 0.03)
    return Garment(
        "tights", cut.legs(waist + 0.03, length), Part.PANTS, lift, made, 0.3 * loose + 0.003, drape=_drape(loose)
    )


def _skirt(waist: float, style: Style, rng: Rng, *, legs_bent: bool) -> Garment:
    """Short to long, straight, wide or pleated."""
    hem = float(rng.choice([-0.08, -0.18, -0.32, -0.5, -0.66][2 * legs_bent :])) + rng.normal(0, 0.02)
    lift = _from_waist(min(waist, 0.26), 0.01 + _fall(waist, rng, legs_bent=legs_bent))
    field = cut.skirt(min(waist, 0.26), hem)
    return Garment("skirt", field, Part.SKIRT, lift, _cloth(style, rng), crumple=0.012, hides=legs_bent)


def _drape(loose: float, sleeve: float = 1.0) -> float:
    """How far cloth that hangs so loose spans hollows; straps lie in that between neck and shoulder."""
    return min(1.0, 30 * loose) if sleeve > 0 else 0.0


def _close_at_edges(lift: Floats, sleeve: float) -> Floats:
    """A top's lift that ends close to the neck and on top of the shoulders, so that no edge stands off there.

    What has no sleeves is close from the armpits on.
    """
    start = cut.NECK - 0.1 if sleeve > 0 else 0.42
    near = np.clip((template().points[:, 2] - start) / 0.09, 0, 1)
    return lift + near * (0.007 - 0.8 * lift)


def _bodice(hem: float, sleeve: float, neck: str) -> Floats:
    """A top's field; what has no sleeves and no high neck ends on the shoulders, and does not climb the neck."""
    field = cut.torso(hem, sleeve, cut.neckline(neck))
    if sleeve > 0 or neck == "high":
        return field
    return np.minimum(field, cut.NECK + 0.008 - template().points[:, 2])


def _from_waist(top: float, lift: Floats) -> Floats:
    """A skirt's lift that begins close to the body, so that no gap shows at the waist."""
    return lift * np.clip((top - template().points[:, 2]) / 0.09, 0.3, 1)


def _fall(start: float, rng: Rng, *, legs_bent: bool) -> Floats:
    """How a skirt falls: straight, wide, or in pleats."""
    wide = draw(rng, {0.0: 0.3, 0.05: 0.3, 0.15: 0.25, 0.28: 0.15})
    lift = cut.flare(start, wide * (0.4 if legs_bent else 1))
    if rng.random() < 0.5:
        lift = lift + cut.pleats(start, int(rng.integers(6, 26)), float(rng.uniform(0.03, 0.1)))
    return lift


def _hem(waist: float, rng: Rng) -> float:
    """Where what is cut from the tights ends: above the hips, as cloth below follows each thigh on its own."""
    return float(rng.uniform(cut.HIP + 0.01, waist - 0.03))


def _tails(upper: Garment, hem: float, flare: float = 0.0) -> Garment:
    """What hangs below the hips of a long garment, down to `hem`, around both legs; it goes on as `upper` ends."""
    made = replace(upper.material, hem=hem) if isinstance(upper.material, Tailored) else upper.material
    # They come out from under the cloth above where that ends.
    under = 0.014 * np.clip((template().points[:, 2] - _SEAM) / 0.04, 0, 1)
    lift = np.asarray(upper.lift) + cut.flare(cut.HIP, flare) - under
    return replace(upper, mesh="skirt", field=cut.skirt(_SEAM + 0.05, hem), lift=lift, material=made, hides=False)


def _top(hem: float, style: Style, cold: float, rng: Rng, *, under: bool, long: bool) -> list[Garment]:
    """Vests, T-shirts, shirts, pullovers, hoodies; down to `hem`, or long; close-fitting under others."""
    sleeve = _sleeve(cold, rng)
    collar = draw(rng, {"round": 0.43, "vee": 0.15, "wide": 0.12, "high": 0.12, "collar": 0.18})
    # Most hang loose: from the chest down they stand off the body, and their sleeves off the arm.
    loose = 0.0 if under else draw(rng, {0.0: 0.2, 0.01: 0.25, 0.02: 0.27, 0.035: 0.18, 0.055: 0.1})
    lift = _close_at_edges(0.013 + loose * 0.45 + cut.flare(0.55, loose * 1.6) + cut.sleeve_lift(loose * 0.6), sleeve)
    long_sleeved = sleeve > 1.5 and rng.random() < 0.5
    make = "shirt" if collar == "collar" else "ribbed" if long_sleeved else "zip" if rng.random() < 0.05 else ""
    hem = _SEAM if long else hem
    made = Tailored(_cloth(style, rng), make, -1.0 if long else hem, cut.cuff(sleeve), trim=draw_colour(style, rng))
    field = _bodice(hem, sleeve, collar)
    crumple = 0.004 + (0.45 if sleeve > 0 else 0.2) * loose
    top = Garment("tights", field, Part.UPPER_CLOTHES, lift, made, crumple, drape=_drape(loose, sleeve))
    # Under other clothes there is no room for a hood.
    hooded = not under and make in ("ribbed", "zip") and rng.random() < 0.5
    tails = [_tails(top, rng.uniform(-0.02, 0.09))] if long else []
    return [top, *tails, hood_behind(top, rng)] if hooded else [top, *tails]


def _open_shirt(waist: float, style: Style, cold: float, worn: list[Garment], rng: Rng) -> Garment:
    """A shirt or a cardigan worn open over the rest; it is no coat."""
    hem, sleeve = _hem(waist, rng), max(0.5, _sleeve(cold, rng))
    field = cut.open_front(cut.torso(hem, sleeve, cut.neckline("collar")), rng.uniform(0.03, 0.08))
    made = Tailored(_cloth(style, rng), str(rng.choice(["", "ribbed"])), hem, cut.cuff(sleeve))
    # Thin, or it would pass for a coat.
    loose = rng.uniform(0.0, 0.02)
    lift = 0.014 + 0.4 * loose + cut.flare(0.55, loose) + cut.sleeve_lift(0.5 * loose)
    shirt = Garment("tights", field, Part.UPPER_CLOTHES, lift, made, crumple=0.008, hides=False, drape=0.7)
    return cut.over(shirt, worn, 0.008)


def _sleeve(cold: float, rng: Rng) -> float:
    """How long sleeves are."""
    return draw(rng, {length: summer * (1 - cold) + winter * cold for length, (summer, winter) in _SLEEVES.items()})


def _dress(waist: float, style: Style, cold: float, rng: Rng, *, legs_bent: bool) -> list[Garment]:
    """A bodice and a skirt of one fabric."""
    cloth = _cloth(style, rng)
    in_winter = {0.0: 0.1, 0.3: 0.1, 0.5: 0.15, 1.3: 0.15, 2.0: 0.5}
    otherwise = {0.0: 0.35, 0.3: 0.22, 0.5: 0.23, 1.3: 0.08, 2.0: 0.12}
    sleeve = draw(rng, in_winter if cold > 0.7 else otherwise)
    neck = str(rng.choice(["round", "vee", "wide", "high"]))
    hem = float(rng.choice([-0.1, -0.22, -0.38, -0.55, -0.68][2 * legs_bent :])) + rng.normal(0, 0.02)
    bodice = _bodice(waist - 0.08, sleeve, neck)
    loose = float(rng.choice([0.0, 0.012, 0.03]))
    upper_lift = _close_at_edges(
        0.01 + 0.4 * loose + cut.flare(0.5, loose * 1.2) + cut.sleeve_lift(loose * 0.6), sleeve
    )
    lift = _from_waist(0.262, 0.012 + loose + _fall(waist, rng, legs_bent=legs_bent))
    return [
        Garment("tights", bodice, Part.DRESS, upper_lift, cloth, 0.3 * loose + 0.004, drape=_drape(loose, sleeve)),
        Garment("skirt", cut.skirt(0.262, hem), Part.DRESS, lift, cloth, crumple=0.012, hides=legs_bent),
    ]


def _coat(waist: float, style: Style, worn: list[Garment], rng: Rng) -> list[Garment]:
    """Jackets and coats over what is worn, open or closed, to the hip or to the knee; thin, woollen or padded."""
    padded = rng.random() < 0.25
    cloth = _cloth(style, rng, plain=bool(rng.random() < 0.85), gloss=float(rng.choice([0.02, 0.05, 0.3])))
    collar = str(rng.choice(["collar", "high", "vee"]))
    long = rng.random() < 0.6
    hem, sleeve = _SEAM if long else _hem(waist, rng), rng.uniform(1.9, 2.08)
    field = cut.torso(hem, sleeve, cut.neckline(collar))
    closed = rng.random() < 0.4
    gap = float(rng.uniform(0.015, 0.09))
    loose = float(rng.uniform(0.0, 0.035)) + (0.02 if padded else 0.0)
    lift = 0.03 + 0.4 * loose + cut.flare(0.55, loose) + cut.sleeve_lift(loose * 0.5)
    front = field if closed else cut.open_front(field, gap)
    crumple = 0.03 if padded else 0.01
    make = "quilted" if padded else "tailored" if collar == "vee" or rng.random() < 0.35 else "zip" if closed else ""
    made = Tailored(cloth, make, -1.0 if long else hem, cut.cuff(sleeve), trim=draw_colour(style, rng))
    jacket = cut.over(Garment("tights", front, Part.COAT, lift, made, crumple, hides=closed, drape=0.8), worn, 0.008)
    pieces = [jacket]
    if long:
        tails = _tails(jacket, rng.uniform(-0.42, 0.08), 0.04)
        tails = tails if closed else replace(tails, field=cut.open_front(tails.field, gap))
        pieces.append(cut.over(tails, worn, 0.01))
    if rng.random() < 0.2:
        pieces.append(hood_behind(jacket, rng))
    return pieces
