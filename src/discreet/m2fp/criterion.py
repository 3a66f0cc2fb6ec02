"""The loss of each picture, which depends on that picture alone.

The usual criterion divides by the masks and class weights of the whole batch: every gradient then
depends on the other pictures, and the sensitivity bound of clipping is gone. Here matching, points
and every divisor are a picture's own; only the arithmetic is done for all pictures at once.

Shapes: B pictures, L outputs of the decoder, Q queries, C classes, K targets, M matched masks of a picture,
N matched masks of all pictures and outputs (output by output, and there picture by picture),
P points, T pixels, h w cells of the mask logits.
Source: Cheng et al. 2021 (arXiv 2112.01527), section 3.3; points by Kirillov et al. 2019 (arXiv 1912.08193).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ConfigurationError
from discreet.m2fp.decisions import Decisions, PictureDecisions
from discreet.m2fp.matching import match
from discreet.m2fp.output import MASK_STRIDE, M2FPOutput
from discreet.m2fp.points import choose_points, draw, pixels, read_each
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

# Numbers that matching and the choice of points hold at once: pictures are taken together until then.
_PORTION = 2**24


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
        generators: one a picture, for its points; on the CPU, or where the output is.
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
    batch = _Batch.of(output, targets, generators)
    finite = batch.finite()
    choices = decisions.of_pictures(lambda: _decide(batch, finite, settings))
    sound = [b for b, choice in enumerate(choices) if choice is not None and finite[b]]
    if len(sound) == len(targets):
        return _losses(batch, [choice for choice in choices if choice is not None], settings)
    losses: list[Tensor] = [batch.not_a_number(b) for b in range(len(targets))]
    if sound:
        chosen = [choice for choice in map(choices.__getitem__, sound) if choice is not None]
        for b, of_picture in zip(sound, _losses(batch.select(sound), chosen, settings), strict=True):
            losses[b] = of_picture
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
class _Batch:
    """The output for some pictures, and their targets."""

    class_logits: Tensor  # [B, L, Q, C+1], float32 at least
    mask_logits: tuple[Tensor, ...]  # L times [B, Q, h, w]
    targets: Sequence[Targets]
    generators: Sequence[torch.Generator]

    @classmethod
    def of(cls, output: M2FPOutput, targets: Sequence[Targets], generators: Sequence[torch.Generator]) -> _Batch:
        """As the network has answered."""
        classes, masks = zip(*output.outputs(), strict=True)
        logits = torch.stack(classes, dim=1)
        return cls(logits.to(torch.promote_types(logits.dtype, torch.float32)), masks, targets, generators)

    @property
    def num_outputs(self) -> int:
        """L."""
        return len(self.mask_logits)

    @property
    def num_queries(self) -> int:
        """Q."""
        return self.class_logits.shape[2]

    @property
    def size(self) -> torch.Size:
        """(H, W) of a picture."""
        return self.targets[0].valid.shape

    def select(self, pictures: Sequence[int]) -> _Batch:
        """Some of the pictures."""
        rows = list(pictures)
        return _Batch(
            self.class_logits[rows],
            tuple(masks[rows] for masks in self.mask_logits),
            [self.targets[b] for b in rows],
            [self.generators[b] for b in rows],
        )

    def finite(self) -> list[bool]:
        """Whether every logit of a picture is a number."""
        all_logits = (self.class_logits, *self.mask_logits)
        return torch.stack([logits.detach().isfinite().flatten(1).all(1) for logits in all_logits]).all(0).tolist()

    def not_a_number(self, b: int) -> Tensor:
        """NaN for each output, with NaN gradients: what this picture asks for cannot be known."""
        unknown = self.class_logits[b].sum() + sum(masks[b].sum() for masks in self.mask_logits)
        return (unknown * torch.nan).expand(self.num_outputs)

    def num_points(self, settings: CriterionSettings) -> int:
        """More points than cells would only read the same cells again."""
        return min(settings.num_points, self.mask_logits[0].shape[2:].numel())

    def matched_masks(self, queries: Sequence[Tensor]) -> Tensor:
        """Mask logits of the queries [L, M] of each picture, [N, h, w]."""
        device, rows = self.class_logits.device, []
        for index, masks in enumerate(self.mask_logits):
            which = torch.cat([queries_LM[index] + b * self.num_queries for b, queries_LM in enumerate(queries)])
            rows.append(masks.flatten(0, 1)[which.to(device)])
        return torch.cat(rows).to(self.class_logits.dtype)


@torch.no_grad()
def _decide(batch: _Batch, finite: Sequence[bool], settings: CriterionSettings) -> list[PictureDecisions | None]:
    """Match queries with targets, and choose where the mask losses look; None if a logit is not finite."""
    choices: list[PictureDecisions | None] = [None] * len(finite)
    for pictures in _portions(batch, finite, settings):
        for b, choice in zip(pictures, _decide_portion(batch.select(pictures), settings), strict=True):
            choices[b] = choice
    return choices


def _portions(batch: _Batch, finite: Sequence[bool], settings: CriterionSettings) -> list[list[int]]:
    """Finite pictures, as many together as memory need not grow for."""
    a_mask = batch.num_outputs * batch.num_points(settings)
    portions: list[list[int]] = []
    room = 0.0
    for b, target in enumerate(batch.targets):
        if not finite[b]:
            continue
        # Every query is read where masks are compared, every target there and at two numbers a candidate.
        needed = a_mask * (batch.num_queries + (2 * settings.oversample_ratio + 1) * len(target.labels))
        if needed > room:
            portions.append([])
            room = _PORTION
        portions[-1].append(b)
        room -= needed
    return portions


def _decide_portion(batch: _Batch, settings: CriterionSettings) -> list[PictureDecisions]:
    """Choices for a few pictures."""
    num_outputs, num_points = batch.num_outputs, batch.num_points(settings)
    num_candidates = int(num_points * settings.oversample_ratio)
    num_uncertain = int(num_points * settings.importance_share)
    nums_masks = [min(batch.num_queries, len(target.labels)) for target in batch.targets]
    places, candidates, anywhere = [], [], []
    for generator, num_masks in zip(batch.generators, nums_masks, strict=True):
        places.append(draw((num_outputs, num_points, 2), generator))
        candidates.append(draw((num_outputs, num_masks, num_candidates, 2), generator))
        anywhere.append(draw((num_outputs, num_masks, num_points - num_uncertain, 2), generator))
    device = batch.class_logits.device
    matches = match(
        batch.class_logits,
        [masks.to(batch.class_logits.dtype) for masks in batch.mask_logits],
        batch.targets,
        torch.stack(places).to(device),
        (settings.class_weight, settings.mask_weight, settings.dice_weight),
    )
    masks = batch.matched_masks([queries for queries, _ in matches])
    points = choose_points(
        masks, batch.size, _by_output(candidates).to(device), num_uncertain, _by_output(anywhere).to(device)
    )
    by_output = [of_output.split(nums_masks) for of_output in points.split(sum(nums_masks))]
    return [
        PictureDecisions(queries, chosen, torch.stack([of_output[b] for of_output in by_output]))
        for b, (queries, chosen) in enumerate(matches)
    ]


def _by_output(of_pictures: Sequence[Tensor]) -> Tensor:
    """[L, M, …] of each picture as [N, …]."""
    return torch.cat([each[index] for index in range(len(of_pictures[0])) for each in of_pictures])


def _losses(batch: _Batch, choices: Sequence[PictureDecisions], settings: CriterionSettings) -> Tensor:
    """The weighted losses of each picture and output, [B, L]."""
    total = settings.class_weight * _class_loss(batch, choices, settings.no_object_weight)
    if any(choice.queries.numel() for choice in choices):
        mask_loss, dice_loss = _mask_losses(batch, choices)
        total = total + settings.mask_weight * mask_loss + settings.dice_weight * dice_loss
    return total


def _class_loss(batch: _Batch, choices: Sequence[PictureDecisions], no_object_weight: float) -> Tensor:
    """Cross-entropy of each output, weighted by a picture's own queries; unmatched ones should say "no object"."""
    logits_BLQC = batch.class_logits
    no_object = logits_BLQC.shape[3] - 1
    wanted_BLQ = torch.full(logits_BLQC.shape[:3], no_object)
    for wanted_LQ, choice, target in zip(wanted_BLQ, choices, batch.targets, strict=True):
        wanted_LQ.scatter_(1, choice.queries, target.labels[choice.targets])
    wanted_BLQ = wanted_BLQ.to(logits_BLQC.device)
    weights_BLQ = 1 - (1 - no_object_weight) * (wanted_BLQ == no_object).to(logits_BLQC.dtype)
    losses_BLQ = F.cross_entropy(logits_BLQC.movedim(3, 1), wanted_BLQ, reduction="none")
    return (losses_BLQ * weights_BLQ).sum(2) / weights_BLQ.sum(2)


def _mask_losses(batch: _Batch, choices: Sequence[PictureDecisions]) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy and dice of each output at the chosen points, [B, L] each; a picture's sum is divided by
    its own number of targets."""
    dtype, device = batch.class_logits.dtype, batch.class_logits.device
    points_NP2 = _by_output([choice.points for choice in choices]).to(dtype)
    logits_NP = read_each(batch.matched_masks([choice.queries for choice in choices]), points_NP2, batch.size)
    wanted_NP, valid_NP = _read_targets(batch, choices, points_NP2)
    entropy_NP = F.binary_cross_entropy_with_logits(logits_NP, wanted_NP, reduction="none") * valid_NP
    mask_loss_N = entropy_NP.sum(1) / valid_NP.sum(1).clamp(min=1)
    inside_NP = logits_NP.sigmoid() * valid_NP
    dice_loss_N = 1 - (2 * (inside_NP * wanted_NP).sum(1) + 1) / (inside_NP.sum(1) + wanted_NP.sum(1) + 1)
    lengths = torch.tensor([choice.queries.shape[1] for choice in choices] * batch.num_outputs, device=device)
    num_targets_B = torch.tensor([max(len(target.labels), 1) for target in batch.targets], device=device)

    def of_pictures(losses_N: Tensor) -> Tensor:
        # Each sum runs over its own rows alone, in their order, whatever stands beside them.
        sums = torch.segment_reduce(losses_N, "sum", lengths=lengths)
        return sums.unflatten(0, (batch.num_outputs, -1)).T / num_targets_B[:, None]

    return of_pictures(mask_loss_N), of_pictures(dice_loss_N)


def _read_targets(batch: _Batch, choices: Sequence[PictureDecisions], points_NP2: Tensor) -> tuple[Tensor, Tensor]:
    """Value of each matched target at its points, and where it is valid: both [N, P], 0 or 1."""
    dtype, device = points_NP2.dtype, points_NP2.device
    where_NP = pixels(points_NP2, batch.size)
    valid_BT = torch.stack([target.valid for target in batch.targets]).to(device).flatten(1)
    masks_KT = torch.cat([target.masks for target in batch.targets]).to(device).flatten(1)
    starts = [0, *accumulate(len(target.labels) for target in batch.targets)]
    which_N = _by_output([choice.targets + start for choice, start in zip(choices, starts, strict=False)])
    owner_N = _by_output([torch.full_like(choice.targets, b) for b, choice in enumerate(choices)])
    valid_NP = valid_BT[owner_N.to(device)[:, None], where_NP]
    inside_NP = masks_KT[which_N.to(device)[:, None], where_NP] & valid_NP
    return inside_NP.to(dtype), valid_NP.to(dtype)
