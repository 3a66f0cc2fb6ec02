"""Faults that let one picture into another's gradient, planted one by one.

Two checks hold for M2FP and its criterion, and fail on each variant: one looks at the gradients of
neighbours directly, the other is the check that every private run makes before step 0. Numbers in
brackets are those of the project's catalogue of faults in differentially private training.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ClippingError, IsolationError
from discreet.m2fp import M2FP, CriterionSettings, Targets, criterion, layers, make_targets, set_trainable
from discreet.m2fp.layers import FrozenBatchNorm2d
from discreet.m2fp.output import M2FPOutput
from discreet.m2fp.presets import Architecture, preset
from discreet.privacy import Clipper
from discreet.privacy.isolation import check_isolation

NUM_PARTS, SIZE_PX = 4, 32
SETTINGS = CriterionSettings(num_points=32)


@dataclass
class Batch:
    """Some pictures."""

    images: Tensor
    targets: list[Targets]
    generators: list[torch.Generator]


Loss = Callable[[M2FPOutput, Batch], Tensor]


class SmallBackbone(nn.Module):
    """Stands in for EfficientNet-Lite0, which only takes time: the same four strides and widths."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.norm = FrozenBatchNorm2d(8)
        self.levels = nn.ModuleList(nn.Conv2d(8, width, 1) for width in channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = F.relu6(self.norm(self.stem(images)))
        return [level(F.avg_pool2d(features, 2**k)) for k, level in enumerate(self.levels)]


def small_architecture() -> Architecture:
    return replace(
        preset("m2fp-lite", NUM_PARTS + 1), num_queries=6, decoder_layers=2, decoder_hidden=16, encoder_hidden=16
    )


@cache
def prototype() -> M2FP:
    """m2fp-lite with its own decoders, in float64; nothing is zero."""
    torch.manual_seed(1)
    model = M2FP(small_architecture())
    model.backbone = SmallBackbone(model.backbone.channels)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    set_trainable(model, "norms-and-biases")
    return model.double().train()


def network() -> M2FP:
    return copy.deepcopy(prototype())


def pictures(chosen: Sequence[int]) -> Batch:
    """Made-up pictures; each has another number of persons, parts and ignored pixels."""
    images, targets = [], []
    for index in chosen:
        rng = np.random.default_rng(index)
        parts = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
        parts[4:28, 4 : 10 + 4 * (index % 4)] = rng.integers(1, NUM_PARTS, (24, 1))
        parts[: 1 + index % 4] = 255
        persons = ((parts > 0) & (parts < 255)).astype(np.uint8) * (1 + (np.arange(SIZE_PX) > 8) * (index % 2))
        images.append(torch.from_numpy(rng.normal(size=(3, SIZE_PX, SIZE_PX))))
        targets.append(make_targets(parts, persons.astype(np.uint8), num_parts=NUM_PARTS, human=True))
    return Batch(torch.stack(images), targets, [torch.Generator().manual_seed(index) for index in chosen])


def own_loss(output: M2FPOutput, batch: Batch) -> Tensor:
    """What discreet does."""
    return criterion(output, batch.targets, batch.generators, SETTINGS)


def check_neighbours(make: Callable[[], nn.Module], loss: Loss) -> None:
    """Another picture in the first place changes neither loss nor gradient of the second and third, nor any state."""
    model = make()
    trainable = [p for p in model.parameters() if p.requires_grad]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = []
    for first in (0, 3, None):
        batch = pictures([first or 0, 1, 2])
        if first is None:
            batch.images[0] = math.nan
        losses = loss(model(batch.images), batch)
        found.append([losses[1:].detach()])
        for mine in losses[1:] if first is not None else []:
            gradients = torch.autograd.grad(mine, trainable, retain_graph=True, allow_unused=True)
            found[-1] += [gradient for gradient in gradients if gradient is not None]
    for other in found[1:]:
        for mine, theirs in zip(found[0], other, strict=False):
            assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-12), "a neighbour changes a gradient"
    assert all(torch.equal(t, state[name]) for name, t in model.state_dict().items()), "a picture stays in the state"


def check_start(make: Callable[[], nn.Module], loss: Loss) -> None:
    """What every private run does before its first step."""

    def probe_loss(model: nn.Module, probes: Sequence[int]) -> Tensor:
        batch = pictures(probes)
        return loss(model(batch.images), batch)

    check_isolation(make(), probe_loss, max_grad_norm=1.0)


# [8] batch norm in any disguise


def swap_norm(make_norm: Callable[[], nn.Module]) -> M2FP:
    """The network with another norm in its backbone."""
    model = network()
    model.backbone.norm = make_norm().double()
    return model


class MovingStatistics(nn.BatchNorm2d):
    """Frozen scale and shift, never in training mode, and statistics that move all the same."""

    def __init__(self) -> None:
        super().__init__(8)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> MovingStatistics:
        return super().train(False)

    def forward(self, features: Tensor) -> Tensor:
        output = super().forward(features)
        self.running_mean.data.lerp_(features.detach().mean((0, 2, 3)).nan_to_num(), 0.1)
        return output


class BatchNormByHand(nn.Module):
    """Statistics of the batch, without a norm layer."""

    def forward(self, features: Tensor) -> Tensor:
        return F.batch_norm(features, None, None, training=True)


class GroupsOverTheBatch(nn.Module):
    """A GroupNorm that takes the batch for its channels."""

    def forward(self, features: Tensor) -> Tensor:
        return F.group_norm(features.transpose(0, 1), 1).transpose(0, 1)


def training_batch_norm() -> nn.Module:
    return nn.BatchNorm2d(8)


def forgetful_batch_norm() -> nn.Module:
    return nn.BatchNorm2d(8, affine=False, track_running_stats=False)


# [9] operations across samples


def hooked(hook: Callable[[Tensor], Tensor], layer: str) -> M2FP:
    """The network with something done to the output of one of its layers."""
    model = network()
    model.get_submodule(layer).register_forward_hook(lambda module, inputs, output: hook(output))
    return model


def minus_mean(features: Tensor) -> Tensor:
    return features - features.mean(0)


def minus_detached_mean(features: Tensor) -> Tensor:
    return features - features.mean(0).detach()


def over_largest(features: Tensor) -> Tensor:
    return features / features.detach().abs().amax()


def shifted(features: Tensor) -> Tensor:
    return torch.cat((features[..., :1].roll(1, 0), features[..., 1:]), dim=-1)


def of_the_batch(images: Tensor) -> Tensor:
    """Pictures are standardised with the batch's mean and deviation."""
    return (images - images.mean()) / images.std()


class Standardised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = network()

    def forward(self, images: Tensor) -> M2FPOutput:
        return self.model(of_the_batch(images))


# [10] losses normalised over the batch


def by_masks_of_the_batch(output: M2FPOutput, batch: Batch) -> Tensor:
    """The published criterion: divided by the number of masks of the whole batch."""
    counts = torch.tensor([len(targets.labels) for targets in batch.targets], dtype=torch.float64)
    return own_loss(output, batch) * counts / counts.sum()


def by_class_weights_of_the_batch(output: M2FPOutput, batch: Batch) -> Tensor:
    """`cross_entropy` with weights divides by the weights of all targets it is given."""
    weights = torch.ones(NUM_PARTS + 2, dtype=torch.float64)
    weights[-1] = 0.1
    wanted = torch.full(output.class_logits.shape[:2], NUM_PARTS + 1)
    for row, targets in zip(wanted, batch.targets, strict=True):
        row[: len(targets.labels)] = targets.labels[: len(row)]
    losses = F.cross_entropy(output.class_logits.transpose(1, 2), wanted, weights, reduction="none")
    return losses.sum(1) / weights[wanted].sum() + own_loss(output, batch)


def by_labelled_pixels_of_the_batch(output: M2FPOutput, batch: Batch) -> Tensor:
    """`ignore_index` with reduction "mean", as everybody writes it."""
    valid = torch.stack([F.avg_pool2d(t.valid[None, None].double(), 4)[0, 0] for t in batch.targets])
    energy = output.mask_logits.square().mean(1) * valid
    return energy.sum((1, 2)) / valid.sum() + own_loss(output, batch)


def by_rare_classes_of_the_batch(output: M2FPOutput, batch: Batch) -> Tensor:
    """Classes that are rare in the batch weigh more."""
    labels = torch.cat([targets.labels for targets in batch.targets])
    rarity = len(labels) / torch.bincount(labels, minlength=NUM_PARTS + 1).clamp(min=1)
    factors = torch.stack([rarity[targets.labels].mean() for targets in batch.targets])
    return own_loss(output, batch) * factors


def one_generator_for_all(output: M2FPOutput, batch: Batch) -> Tensor:
    """Whoever comes earlier in the batch shifts the random points of all that follow."""
    torch.manual_seed(sum(generator.initial_seed() for generator in batch.generators))
    shared = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
    return criterion(output, batch.targets, [shared] * len(batch.targets), SETTINGS)


def nobody_when_one_is_not_finite(output: M2FPOutput, batch: Batch) -> Tensor:
    """`isfinite(...).all()` over a batch, and a size that belongs to it."""
    losses = own_loss(output, batch)
    return losses * float(losses.isfinite().all()) + losses.detach().mean() * losses * 1e-3


FAULTS: dict[str, tuple[Callable[[], nn.Module], Loss]] = {
    "[8] batch norm in training mode": (partial(swap_norm, training_batch_norm), own_loss),
    "[8] batch norm without statistics": (partial(swap_norm, forgetful_batch_norm), own_loss),
    "[8] frozen scale, moving statistics": (partial(swap_norm, MovingStatistics), own_loss),
    "[8] batch norm by hand": (partial(swap_norm, BatchNormByHand), own_loss),
    "[8] group norm over the batch": (partial(swap_norm, GroupsOverTheBatch), own_loss),
    "[9] minus the mean": (partial(hooked, minus_mean, "query_decoder.decoder_norm"), own_loss),
    "[9] minus the detached mean": (partial(hooked, minus_detached_mean, "query_decoder.decoder_norm"), own_loss),
    "[9] over the largest": (partial(hooked, over_largest, "pixel_decoder.mask_features"), own_loss),
    "[9] shifted along the batch": (partial(hooked, shifted, "query_decoder.decoder_norm"), own_loss),
    "[9] standardised by the batch": (Standardised, own_loss),
    "[10] masks of the batch": (network, by_masks_of_the_batch),
    "[10] class weights of the batch": (network, by_class_weights_of_the_batch),
    "[10] labelled pixels of the batch": (network, by_labelled_pixels_of_the_batch),
    "[10] rare classes of the batch": (network, by_rare_classes_of_the_batch),
    "[10] one generator for all": (network, one_generator_for_all),
    "[10] nobody when one is not finite": (network, nobody_when_one_is_not_finite),
}


def test_right_network_and_criterion():
    check_neighbours(network, own_loss)
    check_start(network, own_loss)


def test_right_network_with_its_own_backbone():
    check_start(lambda: M2FP(small_architecture()), own_loss)


def test_fault_in_its_own_backbone():
    """[8] One norm of many is an ordinary one, as the backbones of other libraries have it."""
    model = M2FP(small_architecture()).train()
    parent, name = next(
        (module, name)
        for module in model.backbone.modules()
        for name, child in module.named_children()
        if isinstance(child, FrozenBatchNorm2d)
    )
    setattr(parent, name, nn.BatchNorm2d(getattr(parent, name).num_features))
    with pytest.raises(IsolationError, match="statistics over the batch"):
        check_start(lambda: model, own_loss)


@pytest.mark.parametrize(("make", "loss"), FAULTS.values(), ids=FAULTS)
def test_faults_change_a_neighbour(make: Callable[[], nn.Module], loss: Loss):
    with pytest.raises(AssertionError, match=r"a neighbour changes a gradient|a picture stays in the state"):
        check_neighbours(make, loss)


@pytest.mark.parametrize(("make", "loss"), FAULTS.values(), ids=FAULTS)
def test_faults_are_refused_before_the_first_step(make: Callable[[], nn.Module], loss: Loss):
    with pytest.raises(IsolationError, match=r"other samples of the batch|statistics over the batch|changes in the"):
        check_start(make, loss)


def test_queries_without_a_picture_axis_are_refused(monkeypatch: pytest.MonkeyPatch):
    """[5] The published network looks its queries up once for the whole batch."""

    def once(table: nn.Embedding, num_pictures: int) -> Tensor:
        return table(torch.arange(table.num_embeddings)).expand(num_pictures, -1, -1)

    for module in (layers, "discreet.m2fp.query_decoder", "discreet.m2fp.pixel_decoder"):
        place = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{place}.look_up_all", once, raising=False)

    def make() -> M2FP:
        model = network()
        set_trainable(model, "decoder")
        return model

    with pytest.raises(ClippingError, match=r"layer query_decoder\.query_\w+ was .* put the sample first"):
        check_start(make, own_loss)


@pytest.mark.parametrize("over_the_batch", [False, True])
def test_the_norm_of_a_picture_under_a_batch_mean(over_the_batch: bool):
    """[10] As seen in practice: picture 0's norm follows the labels of picture 1, though nothing of it changed."""
    head = nn.Conv2d(3, NUM_PARTS, 1).double()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    labels = torch.randint(NUM_PARTS, (2, 8, 8))
    norms = []
    for num_labelled_rows in (1, 4, 8):
        wanted = labels.clone()
        wanted[1, num_labelled_rows:] = 255
        with Clipper(head, 1.0) as clipper:
            losses = F.cross_entropy(head(images), wanted, ignore_index=255, reduction="none").sum((1, 2))
            labelled = (wanted != 255).sum((1, 2))
            norms.append(float(clipper.accumulate(losses / (labelled.sum() if over_the_batch else labelled))[0]))
    if over_the_batch:
        assert norms == pytest.approx([norms[0], norms[0] * 9 / 12, norms[0] * 9 / 16], rel=1e-9)
    else:
        assert norms == pytest.approx([norms[0]] * 3, rel=1e-12)
