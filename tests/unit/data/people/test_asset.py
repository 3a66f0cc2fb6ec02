"""The shipped body: the file that was baked, and nothing broken in it."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np

from discreet.data.people.body import shape_body, template

BODY_SHA256 = "45b611771b108e4d5c4e1adee7e8c3ec32dcbcf0a89adb9ef76f2cd497f236a6"


def test_the_shipped_body_is_the_one_that_was_baked() -> None:
    content = (resources.files("discreet") / "assets" / "body.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == BODY_SHA256, "made anew by tools/bake_body.py? then pin its hash"


def test_the_body_is_whole() -> None:
    body = template()
    for values in (body.points, body.heads, body.basis, body.shapes, body.weights):
        assert np.isfinite(values).all()
    np.testing.assert_allclose(body.weights.sum(1), 1, atol=1e-5)
    assert body.weight_bones.max() < len(body.bones)
    assert all(parent < bone for bone, parent in enumerate(body.parents))
    for faces in body.meshes.values():
        assert 0 <= faces.min() <= faces.max() < len(body.points)


def test_sampled_bodies_are_of_both_sexes_and_all_ages_and_as_tall_as_people_are() -> None:
    body = template()
    gender, years, height = body.traits[:, 0], body.traits[:, 1], body.traits[:, 4]
    for male in (True, False):
        own = (gender < 0.5) == male
        counts = np.histogram(years[own], 10, (3, 90))[0]  # years are kept to a tenth or so
        assert counts.min() >= 44
        assert counts.max() <= 46
    men, women = ((gender < 0.5) == male for male in (True, False))
    grown, small = (years > 20) & (years < 80), years < 6
    assert 1.72 < np.median(height[men & grown]) < 1.86
    assert 1.57 < np.median(height[women & grown]) < 1.7
    assert 0.9 < np.median(height[small]) < 1.15


def test_shapes_are_as_tall_as_the_template_and_men_wider_at_the_shoulders() -> None:
    """Gender has the sense that it says: the sketch of this body once had it the other way round."""
    body, wide = template(), []
    skin = body.rows("skin")
    shoulders = skin[(body.arm[skin] > 0.3) & (body.arm[skin] < 0.7)]
    hips = skin[(np.abs(body.points[skin, 2]) < 0.02) & (body.arm[skin] < 0.1)]
    for shape in body.shapes:
        points, _ = shape_body(shape)
        assert abs(np.ptp(points[skin, 2]) / body.height - 1) < 0.02
        wide.append(np.ptp(points[shoulders, 0]) / np.ptp(points[hips, 0]))
    grown = body.traits[:, 1] > 20
    men, women = ((body.traits[:, 0] < 0.5) == male for male in (True, False))
    assert np.median(np.array(wide)[men & grown]) > 1.03 * np.median(np.array(wide)[women & grown])
