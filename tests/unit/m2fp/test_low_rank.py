"""Adapters train in place of their layers, and vanish into them."""

from __future__ import annotations

import pytest
import torch

from discreet.m2fp import M2FP, build, merge_adapters, set_trainable
from discreet.m2fp.low_rank import RANK
from discreet.privacy import Clipper


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def adapted(name: str = "m2fp-lite") -> M2FP:
    model = build(name, 6, seed=0).double()
    set_trainable(model, "low-rank")
    return model


def outputs(model: M2FP, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return model.infer(images)


@pytest.mark.parametrize("name", ["m2fp-lite", "m2fp-r50"])
def test_at_first_they_change_nothing_and_few_numbers_train(name: str, images: torch.Tensor) -> None:
    plain, model = build(name, 6, seed=0).double(), adapted(name)
    for found, expected in zip(outputs(model, images), outputs(plain, images), strict=True):
        torch.testing.assert_close(found, expected)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert 0 < trained < 0.1 * sum(p.numel() for p in plain.parameters())


def test_merged_they_compute_the_same_under_the_old_names(images: torch.Tensor) -> None:
    plain, model = build("m2fp-lite", 6, seed=0).double(), adapted()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                assert parameter.shape[0] == RANK or parameter.shape[-1] == RANK or "class_embed" in name, name
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name))))
    before = outputs(model, images)
    assert not torch.allclose(before[0], outputs(plain, images)[0]), "they do change something now"
    merge_adapters(model)
    for found, expected in zip(outputs(model, images), before, strict=True):
        torch.testing.assert_close(found, expected)
    assert model.state_dict().keys() == plain.state_dict().keys()
    merge_adapters(model)  # nothing is left to merge


def test_they_are_the_same_each_time() -> None:
    one, other = adapted().state_dict(), adapted().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_their_gradients_are_clipped_and_those_of_their_layers_are_not_computed(images: torch.Tensor) -> None:
    model = adapted()
    with Clipper(model, 1.0) as clipper:
        output = model(images)
        losses_B = output.class_logits.square().sum((1, 2)) + output.mask_logits.square().mean((1, 2, 3))
        norms_B = clipper.accumulate(losses_B)
        sums = clipper.take()
    assert bool((norms_B > 0).all())
    assert all(name.endswith((".down.weight", ".up.weight")) or "class_embed" in name for name in sums)
    assert any(bool(total.any()) for name, total in sums.items() if name.endswith(".up.weight"))
