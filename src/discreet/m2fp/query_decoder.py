"""The query decoder: learned queries look at the picture through their own masks.

Shapes: B pictures, Q queries, T tokens of one level, D width, C classes.
Source: Cheng et al. 2021 (arXiv 2112.01527), section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from discreet.m2fp.attention import Attention
from discreet.m2fp.decisions import Decisions
from discreet.m2fp.layers import MLP, FeedForward, flatten_cells, look_up_all, resize, sine_positions
from discreet.m2fp.pixel_decoder import NUM_LEVELS, PixelFeatures


class AttentionBlock(nn.Module):
    """Attention with a residual connection and a norm after it."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, num_heads)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, queries_BQD: Tensor, placed_BQD: Tensor, key_BTD: Tensor, value_BTD: Tensor, hidden: Tensor | None = None
    ) -> Tensor:
        return self.norm(queries_BQD + self.attention(placed_BQD, key_BTD, value_BTD, hidden))


class QueryDecoder(nn.Module):
    """Masked cross-attention, self-attention, feed-forward; one level of features a layer, in turn."""

    def __init__(
        self, width: int, num_queries: int, num_layers: int, num_heads: int, width_hidden: int, num_classes: int
    ) -> None:
        super().__init__()
        self.self_attention = nn.ModuleList(AttentionBlock(width, num_heads) for _ in range(num_layers))
        self.cross_attention = nn.ModuleList(AttentionBlock(width, num_heads) for _ in range(num_layers))
        self.feed_forward = nn.ModuleList(FeedForward(width, width_hidden) for _ in range(num_layers))
        self.decoder_norm = nn.LayerNorm(width)
        self.query_feat = nn.Embedding(num_queries, width)
        self.query_embed = nn.Embedding(num_queries, width)
        self.level_embed = nn.Embedding(NUM_LEVELS, width)
        self.class_embed = nn.Linear(width, num_classes + 1)
        self.mask_embed = MLP(width, width, width, num_layers=3)

    def forward(self, features: PixelFeatures, decisions: Decisions | None = None) -> list[tuple[Tensor, Tensor]]:
        """(class_logits [B, Q, C+1], mask_logits [B, Q, H/4, W/4]) before the first layer and after each."""
        decisions = Decisions() if decisions is None else decisions
        memory = self._memory(features)
        batch = features.mask_features.shape[0]
        queries = look_up_all(self.query_feat, batch)
        places = look_up_all(self.query_embed, batch)
        outputs = [self._predict(queries, features.mask_features)]
        for index, feed_forward in enumerate(self.feed_forward):
            level = index % NUM_LEVELS
            value, key = memory[level]
            size, masks = features.levels[level].shape[2:], outputs[-1][1]
            hidden = decisions.attention_mask(index, lambda masks=masks, size=size: hidden_cells(masks, size))
            queries = self.cross_attention[index](queries, queries + places, key, value, hidden)
            placed = queries + places
            queries = self.self_attention[index](queries, placed, placed, queries)
            queries = feed_forward(queries)
            outputs.append(self._predict(queries, features.mask_features))
        return outputs

    def final(self, features: PixelFeatures) -> tuple[Tensor, Tensor]:
        """What `forward` says after its last layer, without what it says before: for inference.

        Masks that only guide attention are computed as coarse as they are used. Shrinking is linear, so a mask of
        shrunken features is the shrunken mask, up to rounding.
        """
        memory = self._memory(features)
        shrunken = [resize(features.mask_features, level.shape[2:]) for level in features.levels]
        batch = features.mask_features.shape[0]
        queries = look_up_all(self.query_feat, batch)
        places = look_up_all(self.query_embed, batch)
        for index, feed_forward in enumerate(self.feed_forward):
            level = index % NUM_LEVELS
            value, key = memory[level]
            masks = self._masks(self.decoder_norm(queries), shrunken[level])
            hidden = outside(masks)
            queries = self.cross_attention[index](queries, queries + places, key, value, hidden)
            placed = queries + places
            queries = feed_forward(self.self_attention[index](queries, placed, placed, queries))
        return self._predict(queries, features.mask_features)

    def _memory(self, features: PixelFeatures) -> list[tuple[Tensor, Tensor]]:
        """Each level's tokens, without and with their positions."""
        level_BLD = look_up_all(self.level_embed, features.mask_features.shape[0])
        memory = []
        for index, level in enumerate(features.levels):
            value = flatten_cells(level) + level_BLD[:, index, None]
            positions = sine_positions(level.shape[2], level.shape[3], level.shape[1], level)
            memory.append((value, value + positions))
        return memory

    def _predict(self, queries_BQD: Tensor, mask_features_BDHW: Tensor) -> tuple[Tensor, Tensor]:
        """Class and mask of every query."""
        normed = self.decoder_norm(queries_BQD)
        return self.class_embed(normed), self._masks(normed, mask_features_BDHW)

    def _masks(self, normed_BQD: Tensor, features_BDHW: Tensor) -> Tensor:
        """Mask logits of every query."""
        masks_BQT = self.mask_embed(normed_BQD) @ features_BDHW.flatten(2)
        return masks_BQT.unflatten(2, features_BDHW.shape[2:])


@torch.no_grad()
def hidden_cells(mask_logits_BQHW: Tensor, size: torch.Size) -> Tensor:
    """Cells outside a query's own mask (probability below ½), bool [B, Q, T]; a query that sees nothing sees all."""
    return outside(resize(mask_logits_BQHW, size))


def outside(mask_logits_BQHW: Tensor) -> Tensor:
    """`hidden_cells` of masks that have the level's size already."""
    hidden = (mask_logits_BQHW.sigmoid() < 0.5).flatten(2)
    return hidden & ~hidden.all(dim=2, keepdim=True)
