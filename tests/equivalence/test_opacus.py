"""A second oracle: Opacus' hooks, on a small network with everything the clipper knows."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.privacy import Clipper
from tests.equivalence.oracle import clipped_sum, norm


class Network(nn.Module):
    """Convolutions, then queries from a table that look at the picture; a head that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False)
        self.norm = nn.GroupNorm(2, 8)
        self.table = nn.Embedding(4, 8)
        self.project = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.after = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        features = F.relu(self.norm(self.grouped(F.relu(self.stem(images)))))
        tokens = features.flatten(2).transpose(1, 2)
        queries = self.table(torch.arange(4).expand(len(images), -1))
        query, key, value = (layer(x) for layer, x in zip(self.project[:3], (queries, tokens, tokens), strict=True))
        seen = self.after(queries + self.project[3](F.scaled_dot_product_attention(query, key, value)))
        return self.head(queries).tanh() + self.head(seen)


def losses(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(network(images).flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape).sum(1)


@pytest.mark.parametrize("style", ["flat", "per_layer", "automatic"])
def test_agrees_with_opacus(style: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Opacus' own making
        from opacus import GradSampleModule

        network = Network().double()
        images, labels = torch.randn(5, 3, 9, 10, dtype=torch.float64), torch.randint(3, (5, 4))
        hooked = GradSampleModule(network, loss_reduction="sum")
        losses(hooked, images, labels).sum().backward()
        by_sample = {name: p.grad_sample.detach().clone() for name, p in network.named_parameters()}
        hooked.remove_hooks()
        hooked.del_grad_sample()
    network.zero_grad()
    singles = [{name: gradient[b] for name, gradient in by_sample.items()} for b in range(5)]
    with Clipper(network, 0.5, style) as clipper:
        found = clipper.accumulate(losses(network, images, labels))
        sums = clipper.take()
    expected_norms = torch.tensor([norm(single.values()) for single in singles], dtype=torch.float64)
    torch.testing.assert_close(found, expected_norms, rtol=1e-9, atol=0)
    for name, total in clipped_sum(singles, 0.5, style).items():
        torch.testing.assert_close(sums[name], total, rtol=1e-9, atol=1e-12)
