"""Multi-head attention with separate projections, batch first.

torch's own MultiheadAttention packs its projections into one bare parameter, which no per-layer
hook sees; here each is a Linear of its own.

Shapes: B pictures, Q queries, T tokens, D width.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class Attention(nn.Module):
    """Scaled dot-product attention of queries over tokens."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        for projection in (self.query, self.key, self.value):
            # As drawn for one packed (3·width, width) matrix, the way the published network starts.
            nn.init.xavier_uniform_(projection.weight, gain=math.sqrt(0.5))
            nn.init.zeros_(projection.bias)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, query_BQD: Tensor, key_BTD: Tensor, value_BTD: Tensor, hidden_BQT: Tensor | None = None
    ) -> Tensor:
        """Attend to every token that is not hidden.

        Args:
            query_BQD, key_BTD, value_BTD: float.
            hidden_BQT: bool, True where a query must not look; no row may be all True.
        """
        visible = None if hidden_BQT is None else ~hidden_BQT[:, None]
        attended = F.scaled_dot_product_attention(
            self._heads(self.query(query_BQD)),
            self._heads(self.key(key_BTD)),
            self._heads(self.value(value_BTD)),
            attn_mask=visible,
        )
        return self.output(attended.transpose(1, 2).flatten(2))

    def _heads(self, tokens_BTD: Tensor) -> Tensor:
        """[B, heads, T, D / heads]."""
        return tokens_BTD.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
