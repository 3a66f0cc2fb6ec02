"""The loss in every cell: what all queries together say of its part."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from discreet.labels import IGNORED
from discreet.m2fp import make_targets
from discreet.m2fp.cells import cell_losses, cells_of
from discreet.m2fp.output import M2FPOutput
from discreet.m2fp.targets import Targets

PARTS, SIDE = 4, 16


def halves(other: int = 2, ignored: int = 0) -> Targets:
    """Background on the left, a part on the right, and some rows that are not labelled."""
    parts = np.zeros((SIDE, SIDE), np.uint8)
    parts[:, SIDE // 2 :] = other
    parts[:ignored] = IGNORED
    return make_targets(parts, None, num_parts=PARTS, human=True)


def says(parts_hw: Tensor, queries: int = 6, certainty: float = 20.0) -> M2FPOutput:
    """One query for each part and for "no object", each certain of its class and of its mask."""
    classes = torch.full((1, queries, PARTS + 2), -certainty)
    masks = torch.full((1, queries, *parts_hw.shape), -certainty)
    for query in range(queries):
        classes[0, query, min(query, PARTS + 1)] = certainty
        masks[0, query][parts_hw == query] = certainty
    return M2FPOutput(classes.requires_grad_(), masks.requires_grad_())


def test_a_cell_is_what_its_middle_is() -> None:
    cells = cells_of(halves(ignored=4), PARTS)
    assert cells.tolist() == [[IGNORED] * 4, *[[0, 0, 2, 2]] * 3]


def test_a_right_answer_costs_nothing_and_a_wrong_one_much() -> None:
    right = says(cells_of(halves(), PARTS))
    assert cell_losses(right, [halves()], PARTS).item() < 1e-2
    wrong = says(cells_of(halves(other=3), PARTS))
    loss = cell_losses(wrong, [halves()], PARTS).item()
    assert math.isclose(loss, -0.5 * math.log(1e-4), rel_tol=0.01), "half of the parts, at the floor"


def test_a_small_part_counts_as_much_as_a_large_one() -> None:
    parts = np.zeros((SIDE, SIDE), np.uint8)
    parts[:4, :4] = 2
    small = make_targets(parts, None, num_parts=PARTS, human=True)
    answer = says(torch.zeros(4, 4, dtype=torch.int64))
    assert math.isclose(cell_losses(answer, [small], PARTS).item(), -0.5 * math.log(1e-4), rel_tol=0.01)


def test_what_is_not_labelled_says_nothing() -> None:
    answer = says(cells_of(halves(), PARTS))
    cell_losses(answer, [halves(ignored=8)], PARTS).sum().backward()
    told = answer.mask_logits.grad
    assert told is not None
    assert float(told[..., :2, :].abs().sum()) == 0
    nothing = halves(ignored=SIDE)
    assert cell_losses(answer, [nothing], PARTS).item() == 0


def test_every_query_is_told_and_no_other_picture() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 6, PARTS + 2, requires_grad=True), torch.randn(2, 6, 4, 4, requires_grad=True)
    losses = cell_losses(M2FPOutput(*logits), [halves(), halves(other=1)], PARTS)
    losses[0].backward()
    for tensor in logits:
        assert tensor.grad is not None
        assert bool((tensor.grad[0].flatten(1).abs().sum(1) > 0).all())
        assert float(tensor.grad[1].abs().sum()) == 0
    spoilt = [tensor.detach().clone() for tensor in logits]
    spoilt[0][1], spoilt[1][1] = torch.nan, torch.nan
    again = cell_losses(M2FPOutput(spoilt[0], spoilt[1]), [halves(), halves(other=1)], PARTS)
    assert torch.equal(again[0], losses[0])
    assert bool(again[1].isnan())
