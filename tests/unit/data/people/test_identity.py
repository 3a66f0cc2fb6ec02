"""Who people are: of every age and sex alike, with the face, hair and height that go with it."""

import numpy as np

from discreet.data.people.body import shape_body, template
from discreet.data.people.identity import Identity, draw_identity
from discreet.data.people.person import make_person
from discreet.data.people.styles import find_style

PEOPLE = [draw_identity(str(number), np.random.default_rng([3, number])) for number in range(1500)]
GREYS = {(0.32, 0.31, 0.31), (0.58, 0.57, 0.56), (0.82, 0.81, 0.79)}


def share(people: list[Identity], wanted: object) -> float:
    """Of some people, for whom something holds."""
    assert callable(wanted)
    return float(np.mean([bool(wanted(identity)) for identity in people]))


def test_ages_are_evenly_spread() -> None:
    counts = np.histogram([identity.years for identity in PEOPLE], 6, (3, 90))[0]
    assert counts.min() > 0.8 * len(PEOPLE) / 6
    assert counts.max() < 1.2 * len(PEOPLE) / 6


def test_women_dress_as_women_on_the_bodies_of_women() -> None:
    """But for the one in fourteen who does not; men are taller and wider at the shoulders."""
    grown = [identity for identity in PEOPLE if identity.years > 20]
    feminine = [identity for identity in grown if identity.feminine]
    masculine = [identity for identity in grown if not identity.feminine]
    assert 0.45 < len(feminine) / len(grown) < 0.55
    assert np.median([i.height for i in masculine]) > 1.06 * np.median([i.height for i in feminine])
    assert np.median([_shoulders(i) for i in masculine]) > 1.03 * np.median([_shoulders(i) for i in feminine])


def _shoulders(identity: Identity) -> float:
    """How much wider somebody is at the shoulders than at the hips."""
    body, (points, _) = template(), shape_body(identity.shape)
    skin = body.rows("skin")
    shoulders = skin[(body.arm[skin] > 0.3) & (body.arm[skin] < 0.7)]
    hips = skin[(np.abs(body.points[skin, 2]) < 0.02) & (body.arm[skin] < 0.1)]
    return float(np.ptp(points[shoulders, 0]) / np.ptp(points[hips, 0]))


def test_children_grow_have_no_beards_and_the_old_are_grey() -> None:
    ages = [[i for i in PEOPLE if low <= i.years < low + 4] for low in (3, 7, 11, 15)]
    heights = [float(np.median([i.height for i in people])) for people in ages]
    assert heights == sorted(heights)
    assert heights[0] < 1.2
    children, old = ([i for i in PEOPLE if wanted(i.years)] for wanted in (lambda y: y < 18, lambda y: y > 75))
    assert share(children, lambda i: i.beard or i.hair in GREYS or i.hair_style in ("bald", "balding")) == 0
    assert share(old, lambda i: i.hair in GREYS) > 0.7
    assert share(old, lambda i: i.hair_style in ("bald", "balding")) > 0.05


def test_light_eyes_are_hardly_ever_in_dark_faces() -> None:
    brown = (0.3, 0.18, 0.08)
    dark, light = ([i for i in PEOPLE if wanted(np.mean(i.skin))] for wanted in (lambda s: s < 0.4, lambda s: s > 0.65))
    assert len(dark) > 100
    assert share(dark, lambda i: i.iris != brown) < 0.06
    assert 0.3 < share(light, lambda i: i.iris != brown) < 0.6


def test_a_person_is_as_tall_as_the_identity() -> None:
    for identity in (min(PEOPLE, key=lambda i: i.height), max(PEOPLE, key=lambda i: i.height)):
        tops = [make_person(identity, find_style("studio"), np.random.default_rng(seed)).top for seed in range(8)]
        assert 0.95 * identity.height < max(tops) < 1.25 * identity.height
        assert min(tops) > 0.4 * identity.height
