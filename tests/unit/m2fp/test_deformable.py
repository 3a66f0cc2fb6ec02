import math

import torch
from torch import Tensor

from discreet.m2fp.deformable import DeformableAttention, cell_places, read_points
from m2fp.support import fill

SIZES = ((2, 3), (4, 5))
NUM_TOKENS = 26


def bilinear(map_hwD: Tensor, x: float, y: float) -> Tensor:
    """A read at (x, y) in 0–1; cells outside count as zero."""
    height, width = map_hwD.shape[:2]
    column, row = x * width - 0.5, y * height - 0.5
    total = torch.zeros(map_hwD.shape[2], dtype=map_hwD.dtype)
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < height and 0 <= c < width:
                total = total + (1 - abs(row - r)) * (1 - abs(column - c)) * map_hwD[r, c]
    return total


def test_reads_equal_a_loop():
    batch, heads, points, width = 2, 3, 2, 4
    values = torch.randn(batch, NUM_TOKENS, heads, width, dtype=torch.float64)
    places = torch.rand(batch, 5, heads, len(SIZES), points, 2, dtype=torch.float64) * 1.6 - 0.3  # some lie outside
    weights = torch.rand(batch, 5, heads, len(SIZES), points, dtype=torch.float64)
    found = read_points(values, SIZES, places, weights).unflatten(2, (heads, width))
    maps = [part.unflatten(1, size) for part, size in zip(values.split([6, 20], dim=1), SIZES, strict=True)]
    for b, t, m in torch.cartesian_prod(torch.arange(batch), torch.arange(5), torch.arange(heads)).tolist():
        expected = sum(
            weights[b, t, m, k, p] * bilinear(maps[k][b, :, :, m], *places[b, t, m, k, p].tolist())
            for k in range(len(SIZES))
            for p in range(points)
        )
        torch.testing.assert_close(found[b, t, m], expected)


def test_attention_moves_by_cells_and_weighs_to_one():
    """Constant offsets of one cell to the right read the right neighbour."""
    attention = DeformableAttention(4, num_heads=1, num_levels=1, num_points=1).double()
    with torch.no_grad():
        attention.sampling_offsets.bias.copy_(torch.tensor([1.0, 0.0]))
        for layer in (attention.value_proj, attention.output_proj):
            layer.weight.copy_(torch.eye(4))
    sizes = ((2, 3),)
    tokens = torch.randn(1, 6, 4, dtype=torch.float64)
    found = attention(tokens, cell_places(sizes, tokens), tokens, sizes).unflatten(1, (2, 3))
    torch.testing.assert_close(found[:, :, :2], tokens.unflatten(1, (2, 3))[:, :, 1:])
    torch.testing.assert_close(found[:, :, 2], torch.zeros_like(found[:, :, 2]))


def test_starts_looking_into_every_direction():
    attention = DeformableAttention(64, num_heads=8, num_levels=3, num_points=4)
    offsets = attention.sampling_offsets.bias.detach().unflatten(0, (8, 3, 4, 2))
    assert not attention.sampling_offsets.weight.any()
    assert not attention.attention_weights.weight.any()
    for point in range(4):  # the farther, the higher its number; along the longer side of a square
        torch.testing.assert_close(offsets[:, :, point].abs().amax(-1), torch.full((8, 3), point + 1.0))
    torch.testing.assert_close(offsets[1, 0, 0], torch.tensor([1.0, 1.0]))
    torch.testing.assert_close(offsets[4, 2, 1], torch.tensor([-2.0, 0.0]), atol=1e-5, rtol=0)


def test_pictures_do_not_meet():
    attention = fill(DeformableAttention(8, num_heads=2, num_levels=2, num_points=2).double())
    tokens = torch.randn(3, NUM_TOKENS, 8, dtype=torch.float64)
    places = cell_places(SIZES, tokens)
    together = attention(tokens, places, tokens, SIZES)
    for b in range(3):
        one = tokens[b : b + 1]
        torch.testing.assert_close(attention(one, places, one, SIZES), together[b : b + 1], rtol=1e-13, atol=1e-13)
