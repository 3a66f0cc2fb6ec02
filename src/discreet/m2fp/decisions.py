"""Discrete choices of a forward pass and its loss, recorded once and replayed.

Attention masks at 0.5, matching and the choice of points are discontinuous: one rounding error
moves a gradient by O(1). Equality tests (batch against single pictures, float32 against float64)
therefore compare passes that made the same choices.

Shapes: B pictures, Q queries, T tokens, L outputs, M matched masks, P points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from discreet.errors import ConfigurationError


@dataclass(frozen=True)
class PictureDecisions:
    """Choices of the criterion for one picture. *SENSITIVE*

    Args:
        queries: int64 [L, M], matched query; on the CPU.
        targets: int64 [L, M], the target it is matched with; on the CPU.
        points: float32 [L, M, P, 2], (x, y) in 0–1 of the picture, where the mask losses look.
    """

    queries: Tensor
    targets: Tensor
    points: Tensor


@dataclass
class Decisions:
    """Empty, it records what a pass decides; filled, it decides what a pass does.

    `decisions = Decisions(); criterion(model(images, decisions), …, decisions=decisions)` records,
    the same call again replays. *SENSITIVE*

    Args:
        attention_masks: bool [B, Q, T], one a layer of the query decoder, True where hidden.
        pictures: of the criterion, one a picture; None where the logits were not finite.
    """

    attention_masks: list[Tensor] = field(default_factory=list)
    pictures: list[PictureDecisions | None] = field(default_factory=list)

    def attention_mask(self, layer: int, decide: Callable[[], Tensor]) -> Tensor:
        """The recorded mask of a layer, or the one decided now."""
        if layer == len(self.attention_masks):
            self.attention_masks.append(decide())
        return self.attention_masks[layer]

    def of_pictures(self, decide: Callable[[], Sequence[PictureDecisions | None]]) -> Sequence[PictureDecisions | None]:
        """The recorded choices for all pictures, or those made now."""
        if not self.pictures:
            self.pictures.extend(decide())
        return self.pictures

    def select(self, pictures: int | Sequence[int]) -> Decisions:
        """The choices for some of the pictures, in the given order."""
        chosen = [pictures] if isinstance(pictures, int) else list(pictures)
        masks = [mask[chosen] for mask in self.attention_masks]
        return Decisions(masks, [self.pictures[k] for k in chosen] if self.pictures else [])

    def check_batch(self, num_pictures: int) -> None:
        """Refuse to replay on a batch of another size.

        Raises:
            ConfigurationError: the recorded batch had another number of pictures.
        """
        recorded = {len(mask) for mask in self.attention_masks} | ({len(self.pictures)} if self.pictures else set())
        if recorded - {num_pictures}:
            raise ConfigurationError(
                f"decisions of {max(recorded)} pictures cannot be replayed on {num_pictures}; use Decisions.select"
            )
