"""Nobody stands in what somebody else sits on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from discreet.data.people.composition import place_people
from discreet.data.people.identity import draw_identity
from discreet.data.people.materials import Solid
from discreet.data.people.mesh import box, solid
from discreet.data.people.person import Person
from discreet.data.people.styles import find_style

GREY = Solid((0.5, 0.5, 0.5))


def test_a_footprint_covers_the_seat_and_moves_with_it() -> None:
    sitter = solid(*box((-0.2, -0.3, 0.0), (0.2, 0.2, 1.2)), 5, GREY)
    bench = solid(*box((-0.8, -0.2, 0.0), (0.8, 0.3, 0.45)), 0, GREY)
    low, high = Person("somebody", (sitter,), (bench,), 1.2).footprint()
    assert (low <= (-0.8, -0.2)).all()
    assert (high >= (0.8, 0.3)).all()
    step = np.array([0.25, 0.5], np.float32)
    moved_low, moved_high = Person("somebody", (sitter,), (bench,), 1.2).footprint(step, 2)
    np.testing.assert_allclose(moved_low, low + 2 * step, atol=1e-5)
    np.testing.assert_allclose(moved_high, high + 2 * step, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_nobody_reaches_through_the_seat_of_somebody_else(seed: int) -> None:
    style, rng = replace(find_style("home"), supports=(0.0, 1.0, 0.0)), np.random.default_rng(seed)
    names = [draw_identity(str(number), rng) for number in range(6)]
    persons = place_people(style, names[0], names[1:], rng)
    assert any(person.seat for person in persons)
    for sitter in persons:
        for other in persons:
            if other is not sitter:
                points = np.concatenate([layer.vertices for layer in other.layers])
                for layer in sitter.seat:
                    low, high = layer.vertices.min(0), layer.vertices.max(0)
                    assert ((points > low) & (points < high)).all(1).mean() < 0.01
