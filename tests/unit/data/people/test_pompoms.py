"""Pompoms are sewn onto hats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from discreet.data.people.body import pose_body, template
from discreet.data.people.headwear import dress_head
from discreet.data.people.identity import draw_identity
from discreet.data.people.materials import Hair
from discreet.data.people.styles import find_style

HAT = 1


def test_a_pompom_sits_in_the_wool_of_its_hat() -> None:
    style = replace(find_style("winter"), hats=1.0)
    bald = replace(draw_identity("x", np.random.default_rng(0)), feminine=False, hair_style="bald")
    num_pompoms = 0
    for seed in range(60):
        figure = pose_body(template().shapes[seed], {})
        layers = dress_head(figure, bald, style, 1.0, np.random.default_rng(seed))
        hat = [layer for layer in layers if (layer.labels == HAT).all()]
        if len(hat) == 2 and isinstance(hat[1].material, Hair):
            num_pompoms += 1
            shell, pompom = hat
            middle = (pompom.vertices.min(0) + pompom.vertices.max(0)) / 2
            nearest = np.linalg.norm(shell.vertices - middle, axis=1).min()
            radius = np.ptp(pompom.vertices[:, 2]) / 2
            assert 0.1 * radius < nearest < 0.4 * radius
            assert middle[2] > shell.vertices[:, 2].max()
    assert num_pompoms > 3
