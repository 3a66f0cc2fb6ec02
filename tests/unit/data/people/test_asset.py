"""The shipped body: the file that was baked, and nothing broken in it."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np

from discreet.data.people.body import template

BODY_SHA256 = "633e8b9516a0e8dd9634a12ea44f1442084b87dd77dccbecfa36d66d86656188"


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
    gender, age = body.traits[:, 0], body.traits[:, 1]
    assert 0.4 < (gender < 0.5).mean() < 0.6
    assert age.min() >= 0.3
    assert np.ptp(age) > 0.6
