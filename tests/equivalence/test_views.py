"""Several views of a sample are one sample: their gradients are added up before anything is measured or clipped."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from discreet.errors import ClippingError
from discreet.privacy import Clipper
from discreet.privacy.clipping import shortcuts
from tests.equivalence.oracle import STYLES, clipped_sum, norm, single_gradients

NUM_SAMPLES, VIEWS = 3, 4


class Small(nn.Module):
    """A layer of every kind, one of them called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 5)
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, groups=6)
        self.norm = nn.GroupNorm(2, 6)
        self.wide = nn.Linear(6, 40)
        self.twice = nn.Linear(40, 40)
        self.last = nn.LayerNorm(40)

    def forward(self, images: Tensor) -> Tensor:
        rows = torch.arange(6).expand(len(images), 6)
        grown = self.norm(self.depthwise(self.first(images)).tanh()).mean((2, 3))
        tokens = self.wide(grown + self.embed(rows).sum((1, 2))[:, None])
        return self.last(self.twice(self.twice(tokens).tanh()))


@pytest.fixture
def module() -> nn.Module:
    return Small().double()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(NUM_SAMPLES, VIEWS, 3, 7, 7, dtype=torch.float64) * torch.tensor([0.1, 1.0, 3.0]).reshape(
        -1, 1, 1, 1, 1
    )


def losses(module: nn.Module, images: Tensor, samples: Sequence[int]) -> Tensor:
    """The mean over the views of each sample."""
    rows = images[list(samples)].flatten(0, 1)
    return module(rows).square().mul(torch.linspace(0, 1, 40)).sum(1).reshape(len(samples), VIEWS).mean(1)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("by_norm_alone", [True, False])
def test_views_are_clipped_as_one(
    module: nn.Module, images: Tensor, style: str, by_norm_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_norm(layer: nn.Module, *_: object) -> bool:
        return by_norm_alone and (isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1))

    monkeypatch.setattr(shortcuts, "prefers_norm_alone", by_norm)
    singles = single_gradients(module, lambda samples: losses(module, images, samples), NUM_SAMPLES)
    norms = torch.tensor([norm(gradients.values()) for gradients in singles], dtype=torch.float64)
    max_grad_norm = float(norms.median()) * 1.01
    with Clipper(module, max_grad_norm, style, views=VIEWS) as clipper:  # type: ignore[arg-type]
        found_norms = clipper.accumulate(losses(module, images, range(NUM_SAMPLES)))
        found = clipper.take()
    assert float((found_norms - norms).abs().max()) <= 1e-9 * float(norms.max())
    for name, expected in clipped_sum(singles, max_grad_norm, style).items():
        torch.testing.assert_close(found[name], expected, rtol=1e-8, atol=1e-9 * max_grad_norm)


def test_one_view_that_is_not_finite_takes_its_sample_along_and_no_other(module: nn.Module, images: Tensor) -> None:
    damaged = images.clone()
    damaged[1, 2] = float("nan")
    sums = []
    for shown, samples in ((damaged, range(NUM_SAMPLES)), (images, [0, 2])):
        with Clipper(module, 1.0, views=VIEWS) as clipper:
            clipper.accumulate(losses(module, shown, samples))
            sums.append(clipper.take())
    for name, total in sums[0].items():
        torch.testing.assert_close(total, sums[1][name])


def test_views_that_were_not_announced_are_refused(module: nn.Module, images: Tensor) -> None:
    """Each clipped by itself, K views would move the sum K times as far."""
    with Clipper(module, 1.0) as clipper, pytest.raises(ClippingError, match="the loss has 3 samples"):
        clipper.accumulate(losses(module, images, range(NUM_SAMPLES)))
    with Clipper(module, 1.0, views=2) as clipper, pytest.raises(ClippingError, match="samples of 2 views"):
        clipper.accumulate(losses(module, images, range(NUM_SAMPLES)))
    with pytest.raises(ClippingError, match="at least one"):
        Clipper(module, 1.0, views=0)
