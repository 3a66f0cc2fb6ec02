"""Blurred answers differ each time, around the truth; contours are smoothed."""

from __future__ import annotations

import math

import pytest
import torch

from discreet.defences.output_noise import BlurredM2FP, OutputNoise
from discreet.errors import ConfigurationError
from discreet.m2fp import M2FP, build

PICTURE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def model() -> M2FP:
    return build("m2fp-lite", 21, seed=1).eval()


@torch.inference_mode()
def test_noise_has_the_scale_that_was_asked_for_and_averages_away(model: M2FP) -> None:
    classes, masks = model.infer(PICTURE)
    blurred = BlurredM2FP(model, OutputNoise(class_noise=2.0, mask_noise=3.0)).eval()
    answers = [blurred.infer(PICTURE) for _ in range(40)]
    for index, (true, scale) in enumerate(((classes, 2.0), (masks, 3.0))):
        noise = torch.stack([answer[index] for answer in answers]) - true
        assert noise.std().item() == pytest.approx(scale, rel=0.05)
        assert noise.mean(0).std().item() == pytest.approx(scale / 40**0.5, rel=0.1), (
            "forty answers tell six times more"
        )


@torch.inference_mode()
def test_every_layer_is_blurred(model: M2FP) -> None:
    blurred = BlurredM2FP(model, OutputNoise(class_noise=1.0)).eval()
    for (classes, _), (true, _) in zip(blurred(PICTURE).outputs(), model(PICTURE).outputs(), strict=True):
        assert (classes - true).std().item() == pytest.approx(1.0, rel=0.1)


@torch.inference_mode()
def test_smoothing_averages_over_cells_and_nothing_else(model: M2FP) -> None:
    blurred = BlurredM2FP(model, OutputNoise(smooth_cells=1)).eval()
    (classes, masks), (true_classes, true_masks) = blurred.infer(PICTURE), model.infer(PICTURE)
    assert torch.equal(classes, true_classes)
    assert masks[0, 0, 5, 7].item() == pytest.approx(true_masks[0, 0, 4:7, 6:9].mean().item(), abs=1e-4)
    assert masks.shape == true_masks.shape


def test_a_seed_repeats_a_measurement(model: M2FP) -> None:
    with torch.inference_mode():
        one, same, other = (
            BlurredM2FP(model, OutputNoise(class_noise=1.0), seed).eval().infer(PICTURE)[0] for seed in (1, 1, 2)
        )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "changes nothing"),
        ({"mask_noise": -1.0}, "0 or more"),
        ({"class_noise": 1.0, "mask_noise": math.nan}, "finite"),
        ({"class_noise": math.inf}, "finite"),
    ],
)
def test_what_blurs_nothing_is_refused(kwargs: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        OutputNoise(**kwargs)
