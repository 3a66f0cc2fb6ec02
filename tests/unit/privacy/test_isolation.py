"""The start-up check: right networks pass, coupled ones are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ClippingError, IsolationError
from discreet.privacy import Clipper
from discreet.privacy.clipping import gradients
from discreet.privacy.isolation import NUM_PROBES, check_isolation

IGNORED = 255


class Segmenter(nn.Module):
    """A small network that predicts a class a pixel; `between` is what a test puts in its middle."""

    def __init__(self, between: Callable[[nn.Module, Tensor], Tensor] = lambda module, x: x) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.GroupNorm(2, 6)
        self.head = nn.Conv2d(6, 4, 1)
        self.between = between
        self.register_buffer("memory", torch.zeros(6))
        self.frozen = nn.Parameter(torch.zeros(6), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.between(self, F.relu(self.norm(self.stem(images)))))


def probe(index: int) -> tuple[Tensor, Tensor]:
    """A made-up picture and its labels; each has another number of ignored pixels."""
    generator = torch.Generator().manual_seed(index)
    image = torch.randn(3, 6, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (6, 6), generator=generator)
    labels[: index + 1] = IGNORED
    return image, labels


def batch(probes: Sequence[int]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*(probe(index) for index in probes), strict=True)
    return torch.stack(images), torch.stack(labels)


def per_picture(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """Divided by each picture's own number of labelled pixels."""
    images, labels = batch(probes)
    losses = F.cross_entropy(network(images), labels, ignore_index=IGNORED, reduction="none")
    return losses.sum((1, 2)) / (labels != IGNORED).sum((1, 2))


@pytest.mark.parametrize("style", ["flat", "per_layer", "automatic"])
@pytest.mark.parametrize("max_grad_norm", [1e-3, 1e6])
def test_a_right_network_passes_and_is_left_alone(style: str, max_grad_norm: float):
    network = Segmenter()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    check_isolation(network, per_picture, max_grad_norm=max_grad_norm, style=style)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert next(network.parameters()).dtype == torch.float32
    assert all(p.grad is None for p in network.parameters())
    assert not network._forward_hooks
    assert not network.stem._forward_hooks


@pytest.mark.parametrize("style", ["flat", "per_layer", "automatic"])
def test_a_layer_whose_rule_is_wrong_is_found(style: str, monkeypatch: pytest.MonkeyPatch):
    """A picture alone has autograd's gradient."""
    right = gradients._RULES[nn.Conv2d]

    def wrong(layer: nn.Module, layer_input: Tensor, output_gradient: Tensor) -> dict[str, Callable[[], Tensor]]:
        return right(layer, layer_input, output_gradient * (1 + 1e-6))

    monkeypatch.setitem(gradients._RULES, nn.Conv2d, wrong)
    with pytest.raises(IsolationError, match="gradient"):
        check_isolation(Segmenter(), per_picture, max_grad_norm=1.0, style=style)


def test_a_module_that_a_clipper_holds_can_be_checked():
    network = Segmenter()
    with Clipper(network, 1.0):
        check_isolation(network, per_picture, max_grad_norm=1.0)


def over_the_batch(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """`ignore_index` as everybody writes it: the divisor is the batch's."""
    images, labels = batch(probes)
    losses = F.cross_entropy(network(images), labels, ignore_index=IGNORED, reduction="none")
    return losses.sum((1, 2)) / (labels != IGNORED).sum()


def class_weights(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """Rare classes of the batch weigh more."""
    images, labels = batch(probes)
    counts = torch.bincount(labels[labels != IGNORED].flatten(), minlength=4).double()
    losses = F.cross_entropy(
        network(images), labels, counts.sum() / counts.clamp(min=1), ignore_index=IGNORED, reduction="none"
    )
    return losses.mean((1, 2))


def hard_pixels(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """Only the hardest pixels of the whole batch count."""
    images, labels = batch(probes)
    losses = F.cross_entropy(network(images), labels, ignore_index=IGNORED, reduction="none")
    return (losses * (losses >= losses.flatten().median())).sum((1, 2))


def shared_points(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """One generator for all: a picture's points depend on how many come before it."""
    generator = torch.Generator().manual_seed(0)
    images, labels = batch(probes)
    losses = F.cross_entropy(network(images), labels, ignore_index=IGNORED, reduction="none").flatten(1)
    chosen = torch.stack([torch.randperm(losses.shape[1], generator=generator)[:9] for _ in probes])
    return losses.gather(1, chosen).sum(1)


def skip_when_not_finite(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """By position, not by picture."""
    return per_picture(network, probes) * torch.linspace(1, 2, len(probes), dtype=torch.float64)


def contrast(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """Losses that agree, gradients that do not: the others come in with their value taken out again."""
    losses = per_picture(network, probes)
    return losses + (losses.sum() - losses.sum().detach())


def value_of_the_others(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """Gradients agree, losses do not: one that is not a number would take all with it."""
    losses = per_picture(network, probes)
    return losses + losses.sum().detach()


def turned_round_in_company(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """Losses and norms agree, gradients do not."""
    losses = per_picture(network, probes)
    return losses if len(probes) == 1 else 2 * losses.detach() - losses


@pytest.mark.parametrize(
    "loss",
    [
        value_of_the_others,
        turned_round_in_company,
        over_the_batch,
        class_weights,
        hard_pixels,
        shared_points,
        skip_when_not_finite,
        contrast,
    ],
)
def test_losses_that_couple_pictures(loss: Callable[[nn.Module, Sequence[int]], Tensor]):
    with pytest.raises(IsolationError, match="depends on the other samples of the batch") as error:
        check_isolation(Segmenter(), loss, max_grad_norm=1.0)
    assert "\n" not in str(error.value)


def remember(module: nn.Module, features: Tensor) -> Tensor:
    module.memory.lerp_(features.mean((0, 2, 3)), 0.1)
    return features


def remember_in_a_parameter(module: nn.Module, features: Tensor) -> Tensor:
    module.frozen.data.lerp_(features.detach().mean((0, 2, 3)), 0.1)
    return features


def use_what_it_remembers(module: nn.Module, features: Tensor) -> Tensor:
    """A statistic in a plain attribute: neither parameter nor buffer."""
    module.kept = 0.9 * getattr(module, "kept", 0.0) + features.detach().mean((0, 2, 3))
    return features - module.kept[:, None, None]


def batch_norm_by_hand(module: nn.Module, features: Tensor) -> Tensor:
    return F.batch_norm(features, None, None, training=True)


def centre(module: nn.Module, features: Tensor) -> Tensor:
    return features - features.mean(0)


def detached_centre(module: nn.Module, features: Tensor) -> Tensor:
    return features - features.mean(0).detach()


def scale_by_the_largest(module: nn.Module, features: Tensor) -> Tensor:
    return features / features.abs().max()


def attend_to_each_other(module: nn.Module, features: Tensor) -> Tensor:
    flat = features.flatten(1)
    return features + (F.softmax(flat @ flat.T / flat.shape[1], dim=1) @ flat).view_as(features)


def roll(module: nn.Module, features: Tensor) -> Tensor:
    """A neighbour's channel, as temporal shift modules do."""
    return torch.cat((features[:, :1].roll(1, 0), features[:, 1:]), dim=1)


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (remember, "memory changes in the forward pass"),
        (remember_in_a_parameter, "frozen changes in the forward pass"),
        (use_what_it_remembers, "depends on the other samples"),
        (batch_norm_by_hand, "depends on the other samples"),
        (centre, "depends on the other samples|proves nothing"),
        (detached_centre, "depends on the other samples|proves nothing"),
        (scale_by_the_largest, "depends on the other samples"),
        (attend_to_each_other, "depends on the other samples"),
        (roll, "depends on the other samples"),
    ],
)
def test_networks_that_couple_pictures(between: Callable[[nn.Module, Tensor], Tensor], message: str):
    with pytest.raises(IsolationError, match=message):
        check_isolation(Segmenter(between), per_picture, max_grad_norm=1.0)


def test_a_coupling_that_a_zero_weight_hides_at_the_start():
    """A branch that starts at nothing (zero-initialised, as many are) and meets the batch later."""

    class Branch(Segmenter):
        def __init__(self) -> None:
            super().__init__(lambda module, x: x + module.gate(x - x.mean(0)))
            self.gate = nn.Conv2d(6, 6, 1)
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)
            self.gate.requires_grad_(False)

    with pytest.raises(IsolationError, match="depends on the other samples"):
        check_isolation(Branch(), per_picture, max_grad_norm=1.0)


def test_batch_norm():
    network = Segmenter()
    network.norm = nn.BatchNorm2d(6)
    with pytest.raises(IsolationError, match="BatchNorm2d computes statistics over the batch"):
        check_isolation(network, per_picture, max_grad_norm=1.0)
    network.norm.eval()
    check_isolation(network, per_picture, max_grad_norm=1.0)


def test_frozen_batch_norm_that_still_counts():
    """Scale and shift are frozen, evaluation mode is claimed, and statistics move all the same."""

    class Frozen(nn.BatchNorm2d):
        def forward(self, features: Tensor) -> Tensor:
            output = super().forward(features)
            self.running_mean.data.lerp_(features.detach().mean((0, 2, 3)), 0.1)
            return output

    network = Segmenter()
    network.norm = Frozen(6).requires_grad_(False).eval()
    with pytest.raises(IsolationError, match=r"norm\.running_mean changes|depends on the other samples"):
        check_isolation(network, per_picture, max_grad_norm=1.0)


def windows(network: nn.Module, probes: Sequence[int]) -> Tensor:
    """Four windows a picture, each with a loss of its own: one picture is clipped four times."""
    images, labels = batch(probes)
    cut = images.unfold(2, 3, 3).unfold(3, 3, 3).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 3, 3)
    wanted = labels.clamp(max=3).unfold(1, 3, 3).unfold(2, 3, 3).reshape(-1, 3, 3)
    return F.cross_entropy(network(cut), wanted, reduction="none").sum((1, 2))


def windows_with_one_loss_a_picture(network: nn.Module, probes: Sequence[int]) -> Tensor:
    return windows(network, probes).reshape(len(probes), -1).sum(1)


def test_windows_are_not_samples():
    with pytest.raises(IsolationError, match=r"loss of 1 samples has shape \[4\]; give one number a sample"):
        check_isolation(Segmenter(), windows, max_grad_norm=1e6)
    with pytest.raises(ClippingError, match="put the sample first"):
        check_isolation(Segmenter(), windows_with_one_loss_a_picture, max_grad_norm=1.0)


@pytest.mark.parametrize("rows", [1, NUM_PROBES - 1, NUM_PROBES])
def test_a_table_that_is_not_called_by_sample(rows: int):
    """As many rows as samples would pass for one batch size; two sizes are tried."""

    class Queries(Segmenter):
        def __init__(self) -> None:
            super().__init__(lambda module, x: x + module.table(torch.arange(rows)).mean(0)[:, None, None])
            self.table = nn.Embedding(rows, 6)

    with pytest.raises(ClippingError, match="layer table"):
        check_isolation(Queries(), per_picture, max_grad_norm=1.0)


@pytest.mark.parametrize("factor", [0.0, float("nan"), float("inf")])
def test_probes_that_prove_nothing(factor: float):
    with pytest.raises(IsolationError, match=r"probe 0 has gradient norm .* proves nothing"):
        check_isolation(Segmenter(), lambda n, p: per_picture(n, p) * factor, max_grad_norm=1.0)


def test_unknown_layers_are_refused():
    network = Segmenter()
    network.head = nn.Sequential(nn.PReLU(), network.head)
    with pytest.raises(ClippingError, match="PReLU"):
        check_isolation(network, per_picture, max_grad_norm=1.0)
