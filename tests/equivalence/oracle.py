"""The slow truth: every sample by itself through plain autograd, clipped in a Python loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from discreet.privacy import Clipper

STYLES = ("flat", "per_layer", "automatic")

# indices of samples -> their losses, [len(indices)]
LossOf = Callable[[Sequence[int]], Tensor]
Gradients = dict[str, Tensor]


def single_gradients(module: nn.Module, loss_of: LossOf, num_samples: int) -> list[Gradients]:
    """The gradient of each sample, from a pass that saw no other; zeros where it reaches nothing."""
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    found = []
    for sample in range(num_samples):
        loss = loss_of([sample])
        assert loss.shape == (1,)
        loss[0].backward()
        found.append({name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in trainable.items()})
        for parameter in trainable.values():
            parameter.grad = None
    return found


def gradients_in_batch(module: nn.Module, losses_B: Tensor) -> list[Gradients]:
    """The gradient of each sample's loss, from one pass over all of them.

    In float32 a batch rounds otherwise than a single sample, and where a ReLU or a bilinear cell
    lies within that rounding of its kink, gradients jump; one pass has one set of kinks.
    """
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    found = []
    for loss in losses_B:
        gradients = torch.autograd.grad(loss, list(trainable.values()), retain_graph=True)
        found.append(dict(zip(trainable, gradients, strict=True)))
    return found


def norm(gradients: Iterable[Tensor]) -> float:
    """Euclidean norm over all of them together, in float64."""
    return sum(float(gradient.double().square().sum()) for gradient in gradients) ** 0.5


def clipped_sum(singles: Sequence[Gradients], max_grad_norm: float, style: str) -> Gradients:
    """What a clipper must return, in float64."""
    names = list(singles[0])
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    if style == "per_layer":
        groups = [[name for name in names if name.rpartition(".")[0] == layer] for layer in layers]
    else:
        groups = [names]
    bound = max_grad_norm / len(groups) ** 0.5
    total = {name: torch.zeros_like(singles[0][name], dtype=torch.float64) for name in names}
    for gradients in singles:
        for group in groups:
            size = norm(gradients[name] for name in group)
            factor = bound / (size + 0.01) if style == "automatic" else min(1.0, bound / (size or 1e-300))
            for name in group:
                total[name] += factor * gradients[name].double()
    return total


def differences(
    module: nn.Module, loss_of: LossOf, num_samples: int, style: str, singles: Sequence[Gradients]
) -> tuple[float, float]:
    """How far norms and clipped sum of one batch are from the loop's, relative to the largest number of each."""
    norms = torch.tensor([norm(gradients.values()) for gradients in singles], dtype=torch.float64)
    assert float(norms.min()) > 0, "a sample without a gradient tests nothing"
    # Some are clipped, some are not; a single one is.
    max_grad_norm = float(norms.median()) * (1.01 if num_samples > 1 else 0.7)
    with Clipper(module, max_grad_norm, style) as clipper:
        found_norms = clipper.accumulate(loss_of(range(num_samples)))
        found = clipper.take()
    expected = clipped_sum(singles, max_grad_norm, style)
    assert list(found) == list(expected)
    largest = max(float(total.abs().max()) for total in expected.values())
    worst = max(float((found[name].double() - expected[name]).abs().max()) for name in expected)
    return float((found_norms - norms).abs().max()) / float(norms.max()), worst / largest


def assert_equivalent(
    module: nn.Module,
    loss_of: LossOf,
    num_samples: int,
    *,
    tolerance: float,
    styles: Sequence[str] = STYLES,
    singles: Sequence[Gradients] | None = None,
) -> None:
    """Norms and clipped sums of one batch are those of the loop."""
    singles = single_gradients(module, loss_of, num_samples) if singles is None else singles
    for style in styles:
        assert max(differences(module, loss_of, num_samples, style, singles)) <= tolerance, style
