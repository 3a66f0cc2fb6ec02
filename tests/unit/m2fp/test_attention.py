import torch
from torch import nn

from discreet.m2fp.attention import Attention
from m2fp.support import fill


def test_equals_packed_attention_of_torch():
    split = fill(Attention(16, 4).double())
    packed = nn.MultiheadAttention(16, 4, batch_first=True).double()
    with torch.no_grad():
        for kind in ("weight", "bias"):
            parts = [getattr(layer, kind) for layer in (split.query, split.key, split.value)]
            getattr(packed, f"in_proj_{kind}").copy_(torch.cat(parts))
            getattr(packed.out_proj, kind).copy_(getattr(split.output, kind))
    query, key, value = (torch.randn(3, length, 16, dtype=torch.float64) for length in (5, 7, 7))
    hidden = torch.rand(3, 5, 7) < 0.5
    hidden[:, :, 2] = False
    for mask in (None, hidden):
        blocked = None if mask is None else mask.repeat_interleave(4, dim=0)
        expected, _ = packed(query, key, value, attn_mask=blocked)
        torch.testing.assert_close(split(query, key, value, mask), expected, rtol=1e-12, atol=1e-12)


def test_starts_as_packed_attention_does():
    """Drawn with the bound of one (3·width, width) matrix."""
    bound = (6 / (4 * 64)) ** 0.5
    for layer in (Attention(64, 4).query, Attention(64, 4).value):
        largest = float(layer.weight.detach().abs().max())
        assert 0.95 * bound < largest <= bound
        assert not layer.bias.any()
