"""Who stands where: alone, in rows, in groups, in crowds, walking by; without standing in each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.chance import draw
from discreet.data.people.identity import Identity
from discreet.data.people.person import Box, Person, make_person
from discreet.data.people.pose import turn
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

# Odds of how up to three others stand to the main person, and of how more do.
_FEW = {"row": 0.34, "group": 0.26, "crowd": 0.06, "passers-by": 0.22, "facing": 0.12}
_MANY = {"row": 0.15, "group": 0.2, "crowd": 0.4, "passers-by": 0.25}
_STEPS = 30  # that somebody is moved outwards, at most


def place_people(style: Style, main: Identity, others: list[Identity], rng: Rng) -> list[Person]:
    """Everybody in poses, clothes and places; the main person first, at the origin."""
    level = int(rng.choice(3, p=style.supports))
    supports = (("feet",), ("seat", "floor"), ("lying",))[level]
    grouping = draw(rng, _FEW if len(others) < 4 else _MANY)
    persons = [_turned(make_person(main, style, rng, supports), np.zeros(2), _facing(rng))]
    alike = supports if rng.random() < 0.6 else ("feet", "seat")
    for number, identity in enumerate(others):
        spot, facing = _spot(grouping, number, len(others), rng)
        person = make_person(identity, style, rng, alike)
        persons.append(_apart(person, spot, facing, persons))
    return persons


def _facing(rng: Rng) -> float:
    """Mostly towards the camera, sometimes from the side or the back; radians."""
    kind = rng.random()
    if kind < 0.56:
        return float(rng.normal(0, 0.45))
    return float(rng.choice([-1, 1]) * (np.pi / 2 + rng.normal(0, 0.3) if kind < 0.76 else np.pi + rng.normal(0, 0.5)))


def _spot(grouping: str, number: int, count: int, rng: Rng) -> tuple[Floats, float]:
    """Where [2] and how turned the next of `count` others is."""
    side = 1 if number % 2 else -1
    rank = number // 2 + 1
    match grouping:
        case "row":
            return np.array([side * rank * rng.uniform(0.42, 0.7), rng.normal(0.18, 0.1)]), _facing(rng) * 0.6
        case "group":
            angle = rng.uniform(0.1, np.pi - 0.1)
            spot = np.array([np.cos(angle), 0.6 * np.sin(angle)]) * rng.uniform(0.6, 0.9 + 0.15 * count)
            return spot, float(np.arctan2(spot[0], 1.0) * -0.5 + rng.normal(0, 0.5))
        case "crowd":
            line, place = divmod(number + 2, 5)
            return np.array(
                [(place - 2 + rng.normal(0, 0.15)) * 0.62, 0.15 + 0.6 * line + rng.normal(0, 0.1)]
            ), _facing(rng)
        case "facing":
            return np.array([side * rank * rng.uniform(0.6, 0.9), rng.normal(0.1, 0.15)]), float(
                -side * rng.uniform(0.6, 1.6)
            )
        case _:
            depth = 0.5 + 12 * rng.random() ** 1.6
            facing = float(rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2]) + rng.normal(0, 0.3))
            return np.array([side * rng.uniform(0.3, 1.0 + 0.35 * depth), depth]), facing


def _turned(person: Person, spot: Floats, facing: float) -> Person:
    """The person at a spot; who lies lies across the view."""
    if person.lies:
        facing += np.pi / 2
    return person.placed(turn(2, facing), np.array([spot[0], spot[1], 0.0], np.float32))


def _apart(person: Person, spot: Floats, facing: float, persons: list[Person]) -> Person:
    """The person moved outwards and back until their box meets nobody's, arms aside."""
    step = np.array([0.16 if spot[0] > 0 else -0.16, 0.05], np.float32)
    placed = _turned(person, spot, facing)
    boxes = [other.footprint() for other in persons]
    for times in range(_STEPS):
        box = placed.footprint(step, times)
        if not any(_overlap(box, other) for other in boxes):
            return placed.shifted(step, times) if times else placed
    return placed.shifted(step, _STEPS)


def _overlap(one: Box, other: Box) -> bool:
    """Whether two ground boxes, a little shrunk, meet."""
    (low, high), (other_low, other_high) = one, other
    return bool((low < other_high).all() and (other_low < high).all())
