"""Muon: which steps become orthogonal, how long they are, and what stays Adam's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from discreet.m2fp import build
from discreet.training.muon import Muon, orthogonal
from discreet.training.optimization import Optimization
from discreet.training.settings import TrainingSettings


def noise(shape: Sequence[int], seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(48, 16), (16, 48), (32, 32)])
def test_singular_vectors_stay_and_values_become_alike(shape: tuple[int, int]) -> None:
    left, _, right = torch.linalg.svd(noise(shape, seed=1), full_matrices=False)
    values = torch.logspace(0, -1.5, min(shape))
    found = left.T @ orthogonal(7.0 * left * values @ right) @ right.T
    assert float((found - torch.diag(found.diagonal())).abs().max()) < 1e-4
    assert float(found.diagonal().min()) > 0.6, "the smallest was a thirtieth of the largest"
    assert float(found.diagonal().max()) < 1.3


def test_what_has_no_gradient_stays() -> None:
    assert not orthogonal(torch.zeros(4, 6)).any()


def settings(optimizer: str, **changes: float) -> TrainingSettings:
    given = {"learning_rate": 0.01, "weight_decay": 0.0, "optimizer": optimizer}
    return TrainingSettings.model_validate(given | changes)


@pytest.mark.parametrize("size", [1e-6, 1e3])
def test_a_step_is_as_long_as_adams_whatever_the_gradient(size: float) -> None:
    layer = nn.Linear(96, 64, bias=False)
    before = layer.weight.detach().clone()
    Optimization(layer, settings("muon"), num_steps=10).step({"weight": size * noise((64, 96), seed=2)}, 0)
    moved = (layer.weight.detach() - before).square().mean().sqrt()
    assert float(moved) == pytest.approx(0.2 * 0.01, rel=0.15)


def test_a_kernel_is_the_matrix_of_its_outputs() -> None:
    kernel, matrix = nn.Conv2d(3, 8, 3, bias=False), nn.Linear(27, 8, bias=False)
    kernel = kernel.to(memory_format=torch.channels_last)
    matrix.weight.data.copy_(kernel.weight.flatten(1))
    gradient = noise((8, 3, 3, 3), seed=3)
    for module, given in ((kernel, gradient), (matrix, gradient.flatten(1))):
        module.weight.grad = given
        Muon([{"params": [module.weight], "weight_decay": 0.1, "orthogonal": True}], 0.01).step()
    torch.testing.assert_close(kernel.weight.flatten(1), matrix.weight)


def test_weights_decay_as_adams_do() -> None:
    layer = nn.Linear(4, 4, bias=False)
    before = layer.weight.detach().clone()
    Optimization(layer, settings("muon", weight_decay=0.5), num_steps=10).step({}, 0)
    torch.testing.assert_close(layer.weight.detach(), before * (1 - 0.01 * 0.5))


def test_in_m2fp_tables_heads_norms_and_depthwise_kernels_stay_adams() -> None:
    moved = {}
    for optimizer in ("adam", "muon"):
        model = build("m2fp-lite", num_classes=21, seed=1)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        optimization = Optimization(model, settings(optimizer), num_steps=10)
        optimization.step({name: noise(p.shape, seed=3) for name, p in model.named_parameters()}, 0)
        moved[optimizer] = {name: p.detach() - before[name] for name, p in model.named_parameters()}
    turned = {name for name in moved["adam"] if not torch.allclose(moved["adam"][name], moved["muon"][name], rtol=1e-3)}
    kept = set(moved["adam"]) - turned
    assert "query_decoder.cross_attention.0.attention.query.weight" in turned
    assert "pixel_decoder.mask_features.weight" in turned
    assert {name for name in turned if moved["adam"][name].dim() == 1} == set()
    for name in ("query_feat.weight", "query_embed.weight", "class_embed.weight"):
        assert f"query_decoder.{name}" in kept
    assert "pixel_decoder.steps.0.spread.conv.weight" in kept, "depthwise"
    numbers = {name: change.numel() for name, change in moved["adam"].items()}
    assert sum(numbers[name] for name in turned) > 0.9 * sum(numbers.values())
