"""Whatever precision layers compute in, what is clipped and summed is float32, and within the bound."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import torch
from torch import Tensor, nn

from discreet.privacy import Clipper


@pytest.fixture
def careless() -> Generator[None]:
    """Somebody lets PyTorch round factors to ten bits and less."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


def precision() -> tuple[str, bool]:
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32


@pytest.mark.usefixtures("careless")
def test_norms_and_sums_are_full_float32_whatever_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []
    real = Clipper._add_clipped

    def watched(clipper: Clipper, *rest: object) -> None:
        seen.append(precision())
        real(clipper, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Clipper, "_add_clipped", watched)
    layer = nn.Linear(4, 3)
    layer.register_full_backward_hook(lambda *_: seen.append(precision()))
    with Clipper(layer, 1.0) as clipper:
        clipper.accumulate(layer(torch.randn(5, 4, requires_grad=True)).sum(1))
    assert len(seen) == 2
    assert set(seen) == {("highest", False)}
    assert precision() == ("medium", True), "and what was set is set again"


@pytest.mark.usefixtures("careless")
def test_what_was_set_is_set_again_after_an_error() -> None:
    layer = nn.Linear(4, 3)
    with Clipper(layer, 1.0) as clipper:
        layer(torch.randn(5, 4))
        with pytest.raises(RuntimeError, match="no"):
            clipper.accumulate(_Raising.apply(layer(torch.randn(5, 4)).sum(1)))
    assert precision() == ("medium", True)


class _Raising(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        raise RuntimeError("no")


@pytest.mark.parametrize("style", ["flat", "per_layer"])
def test_in_bfloat16_each_sample_stays_within_the_bound(style: str) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 16, 1), nn.Flatten(), nn.Linear(16 * 36, 5),
    )  # fmt: skip
    images = 30 * torch.randn(6, 3, 6, 6)

    def losses(rows: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return module(rows).float().square().sum(1)

    with Clipper(module, 1.0, style) as clipper:  # type: ignore[arg-type]
        alone = []
        for row in images:
            clipper.accumulate(losses(row[None]))
            alone.append(clipper.take())
        norms_B = clipper.accumulate(losses(images))
        together = clipper.take()
    assert bool((norms_B > 1).all()), "all are clipped, or nothing is shown"
    for sums in alone:
        assert {total.dtype for total in sums.values()} == {torch.float32}
        norm = float(torch.stack([total.double().square().sum() for total in sums.values()]).sum().sqrt())
        assert 0.5 < norm <= clipper.sensitivity
    for name, total in together.items():
        expected = torch.stack([sums[name] for sums in alone]).sum(0)
        # Products in bfloat16 round differently in a batch than alone.
        torch.testing.assert_close(total, expected, rtol=0.05, atol=0.01)
