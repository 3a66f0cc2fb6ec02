"""The loss of each picture, which depends on that picture alone.

The usual criterion divides by the masks and class weights of the whole batch: every gradient then
depends on the other pictures, and the sensitivity bound of clipping is gone. Here matching, points
and every divisor are a picture's own.

Shapes: B pictures, L outputs of the decoder, Q queries, C classes, K targets, M matched masks,
P points, h w cells of the mask logits.
Source: Cheng et al. 2021 (arXiv 2112.01527), section 3.3; points by Kirillov et al. 2019 (arXiv 1912.08193).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ConfigurationError
from discreet.m2fp.decisions import Decisions, PictureDecisions
from discreet.m2fp.matching import match
from discreet.m2fp.output import MASK_STRIDE, M2FPOutput
from discreet.m2fp.points import choose_points, draw, read_each, read_targets
from discreet.m2fp.targets import Targets


@dataclass(frozen=True)
class CriterionSettings:
    """Weights of the three losses, and how many points they look at. *Public*

    Args:
        class_weight, mask_weight, dice_weight: of cross-entropy, binary cross-entropy and dice.
        no_object_weight: of a query without a target, relative to one with.
        num_points: of each mask; never more than the mask logits have cells.
        oversample_ratio: candidates for a point.
        importance_share: of the points that go where the mask is least certain.
    """

    class_weight: float = 2.0
    mask_weight: float = 5.0
    dice_weight: float = 5.0
    no_object_weight: float = 0.1
    num_points: int = 12544
    oversample_ratio: float = 3.0
    importance_share: float = 0.75

    def __post_init__(self) -> None:
        if self.num_points < 1 or self.oversample_ratio < 1 or not 0 <= self.importance_share <= 1:
            raise ConfigurationError(
                f"num_points {self.num_points}, oversample_ratio {self.oversample_ratio}, importance_share "
                f"{self.importance_share}: use at least 1, at least 1, and 0 to 1"
            )


PUBLISHED = CriterionSettings()


def criterion(
    output: M2FPOutput,
    targets: Sequence[Targets],
    generators: Sequence[torch.Generator],
    settings: CriterionSettings = PUBLISHED,
    *,
    decisions: Decisions | None = None,
) -> Tensor:
    """Loss of each picture, [B]: of all outputs of the decoder together. See `losses_by_output`."""
    return losses_by_output(output, targets, generators, settings, decisions=decisions).sum(1)


def losses_by_output(
    output: M2FPOutput,
    targets: Sequence[Targets],
    generators: Sequence[torch.Generator],
    settings: CriterionSettings = PUBLISHED,
    *,
    decisions: Decisions | None = None,
) -> Tensor:
    """Loss of each picture and output of the decoder, [B, L]; the last output is the network's answer.

    **Guarantees** loss[b] is a function of output[b], targets[b] and generators[b]. A picture whose
    logits are not finite has the loss NaN, and touches no other.

    Args:
        output: of the model. *SENSITIVE*
        targets: one a picture. *SENSITIVE*
        generators: one a picture, on the CPU, for its points.
        settings: *Public*
        decisions: record or replay matches and points.

    Raises:
        ConfigurationError: not as many targets and generators as pictures, or targets of another size or
            with a label out of range.
    """
    _refuse_unequal(output, targets, generators)
    decisions = Decisions() if decisions is None else decisions
    if decisions.pictures:
        decisions.check_batch(len(targets))
    by_output = output.outputs()
    class_logits = torch.stack([classes for classes, _ in by_output], dim=1).unbind(0)
    mask_logits = list(zip(*(masks.unbind(0) for _, masks in by_output), strict=True))
    losses = []
    for b, (target, generator) in enumerate(zip(targets, generators, strict=True)):
        picture = _Picture(class_logits[b], mask_logits[b], target)
        choices = decisions.picture(b, lambda picture=picture, rng=generator: _decide(picture, rng, settings))
        losses.append(_loss(picture, choices, settings))
    return torch.stack(losses)


def _refuse_unequal(output: M2FPOutput, targets: Sequence[Targets], generators: Sequence[torch.Generator]) -> None:
    """One target and one generator a picture, of the pictures' size, with labels that the network has."""
    batch, _, num_logits = output.class_logits.shape
    if not len(targets) == len(generators) == batch:
        raise ConfigurationError(
            f"{batch} pictures, {len(targets)} targets, {len(generators)} generators; give one of each a picture"
        )
    cells = output.mask_logits.shape[2:]
    for target in targets:
        if tuple(-(-side // MASK_STRIDE) for side in target.valid.shape) != tuple(cells):
            raise ConfigurationError(
                f"a target of {tuple(target.valid.shape)} pixels does not fit masks of {tuple(cells)} cells; "
                f"give targets of the pictures' size ({MASK_STRIDE} pixels a cell)"
            )
    top_label = max((int(target.labels.max()) for target in targets if len(target.labels)), default=0)
    if top_label >= num_logits - 1:
        raise ConfigurationError(f"target label {top_label} is out of range; this model has 0 to {num_logits - 2}")


@dataclass(frozen=True)
class _Picture:
    """One picture's part of the output, and its targets."""

    class_logits: Tensor  # [L, Q, C+1]
    mask_logits: tuple[Tensor, ...]  # L times [Q, h, w]
    targets: Targets

    @cached_property
    def is_finite(self) -> bool:
        """Whether every logit is a number."""
        return all(bool(logits.detach().isfinite().all()) for logits in (self.class_logits, *self.mask_logits))

    def not_a_number(self) -> Tensor:
        """NaN for each output, with NaN gradients: what this picture asks for cannot be known."""
        unknown = self.class_logits.sum() + sum(masks.sum() for masks in self.mask_logits)
        return (unknown * torch.nan).expand(len(self.mask_logits))

    def num_points(self, settings: CriterionSettings) -> int:
        """More points than cells would only read the same cells again."""
        return min(settings.num_points, self.mask_logits[0][0].numel())


@torch.no_grad()
def _decide(picture: _Picture, generator: torch.Generator, settings: CriterionSettings) -> PictureDecisions | None:
    """Match queries with targets, and choose where the mask losses look; None if a logit is not finite."""
    if not picture.is_finite:
        return None
    num_points, num_outputs = picture.num_points(settings), len(picture.mask_logits)
    device = picture.class_logits.device
    places_LP2 = draw((num_outputs, num_points, 2), generator, device)
    weights = (settings.class_weight, settings.mask_weight, settings.dice_weight)
    queries_LM, targets_LM = match(
        picture.class_logits, torch.stack(picture.mask_logits), picture.targets, places_LP2, weights
    )
    points = choose_points(
        _matched_masks(picture, queries_LM),
        picture.targets.valid.shape,
        num_points,
        settings.oversample_ratio,
        settings.importance_share,
        generator,
    )
    return PictureDecisions(queries_LM, targets_LM, points)


def _matched_masks(picture: _Picture, queries_LM: Tensor) -> Tensor:
    """Mask logits of matched queries, [L, M, h, w]."""
    return torch.stack([masks[queries] for masks, queries in zip(picture.mask_logits, queries_LM, strict=True)])


def _loss(picture: _Picture, choices: PictureDecisions | None, settings: CriterionSettings) -> Tensor:
    """The weighted losses of each output, [L]; NaN where a logit is not finite."""
    if choices is None or not picture.is_finite:
        return picture.not_a_number()
    total = settings.class_weight * _class_loss(picture, choices, settings.no_object_weight)
    if choices.queries.numel() == 0:
        return total
    mask_loss, dice_loss = _mask_losses(picture, choices)
    return total + settings.mask_weight * mask_loss + settings.dice_weight * dice_loss


def _class_loss(picture: _Picture, choices: PictureDecisions, no_object_weight: float) -> Tensor:
    """Cross-entropy of each output, weighted by this picture's own queries; unmatched ones should say "no object"."""
    logits_LQC = picture.class_logits
    no_object = logits_LQC.shape[2] - 1
    wanted_LQ = logits_LQC.new_full(logits_LQC.shape[:2], no_object, dtype=torch.int64)
    wanted_LQ = wanted_LQ.scatter(1, choices.queries, picture.targets.labels.to(wanted_LQ.device)[choices.targets])
    weights_LQ = 1 - (1 - no_object_weight) * (wanted_LQ == no_object).to(logits_LQC.dtype)
    losses_LQ = F.cross_entropy(logits_LQC.transpose(1, 2), wanted_LQ, reduction="none")
    return (losses_LQ * weights_LQ).sum(1) / weights_LQ.sum(1)


def _mask_losses(picture: _Picture, choices: PictureDecisions) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy and dice of each output at the chosen points, divided by this picture's number of masks."""
    points = choices.points.to(picture.class_logits.dtype)
    size = picture.targets.valid.shape
    logits_LMP = read_each(_matched_masks(picture, choices.queries), points, size)
    wanted_LMP, valid_LMP = read_targets(picture.targets, choices.targets, points)
    entropy = F.binary_cross_entropy_with_logits(logits_LMP, wanted_LMP, reduction="none") * valid_LMP
    mask_loss = entropy.sum(2) / valid_LMP.sum(2).clamp(min=1)
    inside = logits_LMP.sigmoid() * valid_LMP
    dice_loss = 1 - (2 * (inside * wanted_LMP).sum(2) + 1) / (inside.sum(2) + wanted_LMP.sum(2) + 1)
    num_masks = len(picture.targets.labels)
    return mask_loss.sum(1) / num_masks, dice_loss.sum(1) / num_masks
