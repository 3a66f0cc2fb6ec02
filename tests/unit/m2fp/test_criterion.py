import sys
from dataclasses import replace
from itertools import permutations
from math import exp, log

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ConfigurationError
from discreet.m2fp import CriterionSettings, Decisions, M2FPOutput, Targets, criterion
from discreet.m2fp.matching import match
from discreet.m2fp.points import choose_points, draw, pixels, read_logits
from m2fp.support import NUM_PARTS, generators, scene_targets

HEIGHT, WIDTH = 72, 56
SETTINGS = CriterionSettings(num_points=64)
# The package has a function of the same name.
criterion_module = sys.modules[criterion.__module__]


def random_output(batch: int, num_queries: int = 14, layers: int = 2, seed: int = 0) -> M2FPOutput:
    """Logits of the scenes' size, float64, that require gradients."""
    rng = torch.Generator().manual_seed(seed)

    def tensor(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_()

    pairs = [(tensor(batch, num_queries, NUM_PARTS + 2), tensor(batch, num_queries, 18, 14)) for _ in range(layers)]
    return M2FPOutput(*pairs[-1], auxiliary=pairs[:-1])


def part_of(output: M2FPOutput, pictures: list[int]) -> M2FPOutput:
    *auxiliary, final = [(classes[pictures], masks[pictures]) for classes, masks in output.outputs()]
    return M2FPOutput(*final, auxiliary=auxiliary)


def whole_picture(label: int, side: int = 8) -> Targets:
    everywhere = torch.ones(side, side, dtype=torch.bool)
    return Targets(torch.tensor([label]), everywhere[None], everywhere)


def test_by_hand():
    """Three queries, one target that fills the picture: query 1 has it, the others should say nothing."""
    mask_logits = torch.tensor([-1.0, 2.0, -3.0], dtype=torch.float64)[None, :, None, None].expand(1, 3, 2, 2)
    class_logits = torch.tensor([[[0.0, 0, 1], [0, 1, 0], [0, 0, 0]]], dtype=torch.float64)
    loss = criterion(M2FPOutput(class_logits, mask_logits), [whole_picture(1)], generators(0))
    say_nothing = log(2 + exp(1)) - 1
    say_one = log(2 + exp(1)) - 1
    class_loss = (say_one + 0.1 * say_nothing + 0.1 * log(3)) / 1.2
    inside, num_points = 1 / (1 + exp(-2)), 4  # not more points than cells
    dice = 1 - (2 * num_points * inside + 1) / (num_points * inside + num_points + 1)
    assert float(loss[0]) == pytest.approx(2 * class_loss + 5 * -log(inside) + 5 * dice, rel=1e-12)
    twice = M2FPOutput(class_logits, mask_logits, auxiliary=[(class_logits, mask_logits)])
    assert float(criterion(twice, [whole_picture(1)], generators(0))[0]) == pytest.approx(2 * float(loss[0]), rel=1e-12)


def test_no_target_is_a_class_loss_alone():
    output = random_output(1)
    empty = Targets(torch.zeros(0, dtype=torch.int64), torch.zeros(0, HEIGHT, WIDTH, dtype=torch.bool), valid())
    loss = criterion(output, [empty], generators(0), SETTINGS)
    expected = sum(-2 * classes[0].log_softmax(1)[:, -1].mean() for classes, _ in output.outputs())
    torch.testing.assert_close(loss[0], expected)


def valid() -> Tensor:
    return torch.ones(HEIGHT, WIDTH, dtype=torch.bool)


def test_more_targets_than_queries():
    output, target = random_output(1, num_queries=3), scene_targets(3)
    assert len(target.labels) > 3
    decisions = Decisions()
    loss = criterion(output, [target], generators(0), SETTINGS, decisions=decisions)
    assert bool(loss.isfinite().all())
    assert sorted(decisions.pictures[0].queries[0].tolist()) == [0, 1, 2]


def test_masks_are_averaged_over_the_pictures_own():
    """Without class and dice, doubling every target leaves the mask loss, if queries are plenty and equal."""
    output = random_output(1, num_queries=40)
    logits = output.mask_logits[:, :1].expand(-1, 40, -1, -1)
    output = M2FPOutput(torch.zeros_like(output.class_logits), logits)
    target = scene_targets(1)
    double = Targets(target.labels.repeat(2), target.masks.repeat(2, 1, 1), target.valid)
    only_masks = CriterionSettings(class_weight=0, dice_weight=0, num_points=252, importance_share=0)
    many = [criterion(output, [t], generators(k), only_masks) for k in range(200) for t in (target, double)]
    single, doubled = torch.stack(many).unflatten(0, (-1, 2)).mean(0).flatten()
    assert float(doubled.detach()) == pytest.approx(float(single.detach()), rel=0.01)


def test_loss_is_the_pictures_own():
    """Alone, in company, and beside another company: bit for bit the same."""
    output, targets = random_output(3), [scene_targets(k) for k in range(3)]
    together = criterion(output, targets, generators(0, 1, 2), SETTINGS)
    without = criterion(part_of(output, [0, 2]), [targets[0], targets[2]], generators(0, 2), SETTINGS)
    assert torch.equal(without, together[[0, 2]])
    changed = [targets[0], scene_targets(4), targets[2]]
    assert torch.equal(criterion(output, changed, generators(0, 9, 2), SETTINGS)[[0, 2]], together[[0, 2]])
    gradient = torch.autograd.grad(together[1], output.mask_logits)[0]
    assert bool(gradient[1].any())
    assert not gradient[[0, 2]].any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["class_logits", "mask_logits"])
def test_a_picture_that_is_not_finite_is_alone(value: float, where: str):
    output, targets = random_output(3), [scene_targets(k) for k in range(3)]
    before = criterion(output, targets, generators(0, 1, 2), SETTINGS)
    broken = getattr(output, where).detach().clone()
    broken[1, 0, 0] = value
    decisions, broken_output = Decisions(), replace(output, **{where: broken.requires_grad_()})
    for _ in range(2):  # recorded, then replayed
        loss = criterion(broken_output, targets, generators(0, 1, 2), SETTINGS, decisions=decisions)
        assert bool(loss[1].isnan())
        assert torch.equal(loss[[0, 2]], before[[0, 2]])
    gradient = torch.autograd.grad(loss.sum(), broken_output.class_logits)[0]
    assert bool(gradient[[0, 2]].isfinite().all())
    assert bool(gradient[1].isnan().all())


def test_a_picture_whose_costs_overflow_is_alone():
    """Its logits are finite, their sums are not; nobody may see that it was there."""
    output, targets = random_output(3), [scene_targets(k) for k in range(3)]
    before = criterion(output, targets, generators(0, 1, 2), SETTINGS)
    huge = output.mask_logits.detach().clone()
    huge[1] *= 1e307
    broken = replace(output, mask_logits=huge.requires_grad_())
    assert bool(broken.mask_logits.isfinite().all())
    loss = criterion(broken, targets, generators(0, 1, 2), SETTINGS)
    assert torch.equal(loss[[0, 2]], before[[0, 2]])
    gradient = torch.autograd.grad(loss.sum(), broken.class_logits)[0]
    assert bool(gradient[[0, 2]].isfinite().all())


def test_ignored_pixels_carry_no_loss():
    """Logits that only ignored pixels read have no gradient, and the target below them says nothing."""
    output, target = random_output(1), scene_targets(2)
    ignoring = Targets(target.labels, target.masks.clone(), target.valid.clone())
    ignoring.valid[:, 28:] = False
    decisions = Decisions()
    loss = criterion(output, [ignoring], generators(0), SETTINGS, decisions=decisions)
    gradient = torch.autograd.grad(loss[0], output.mask_logits)[0]
    assert bool(gradient[..., :7].any())
    assert not gradient[..., 8:].any()
    ignoring.masks[:, :, 28:] ^= True
    assert torch.equal(criterion(output, [ignoring], generators(0), SETTINGS, decisions=decisions), loss)


def test_precisions_choose_the_same_points():
    output, targets = random_output(2), [scene_targets(1), scene_targets(2)]
    decisions = Decisions()
    wide = criterion(output, targets, generators(0, 1), SETTINGS, decisions=decisions)
    *auxiliary, final = [(classes.float(), masks.float()) for classes, masks in output.outputs()]
    narrow = criterion(
        M2FPOutput(*final, auxiliary=auxiliary), targets, generators(7, 7), SETTINGS, decisions=decisions
    )
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow.double(), wide, rtol=1e-5, atol=0)
    assert torch.equal(draw((5,), *generators(3)), draw((5,), *generators(3)))


def test_matching_is_the_cheapest_of_all():
    output, target = random_output(1, num_queries=5, layers=1), scene_targets(1)
    target = Targets(target.labels[:3], target.masks[:3], target.valid)
    points = torch.rand(1, 50, 2)
    classes, masks = output.class_logits.detach(), output.mask_logits.detach()
    # Beside a picture with more targets, whose padding must not be matched.
    both = match(
        classes[:, None].expand(2, -1, -1, -1), [masks.expand(2, -1, -1, -1)], [target, scene_targets(2)],
        points[:, None].expand(2, -1, -1, -1), (2.0, 5.0, 5.0),
    )  # fmt: skip
    queries, chosen = both[0]
    logits = read_logits(masks, points.double(), (HEIGHT, WIDTH))[0]
    cost = torch.zeros(5, 3, dtype=torch.float64)
    for q in range(5):
        for k in range(3):
            where = pixels(points[0], (HEIGHT, WIDTH))
            counts = target.valid.flatten()[where].double()
            wanted = target.masks[k].flatten()[where] * counts
            inside = logits[q].sigmoid() * counts
            entropy = F.binary_cross_entropy_with_logits(logits[q], wanted, counts, reduction="sum")
            dice = 1 - (2 * (inside * wanted).sum() + 1) / (inside.sum() + wanted.sum() + 1)
            probability = classes[0, q].softmax(0)[target.labels[k]]
            cost[q, k] = 5 * entropy / counts.sum() + 5 * dice - 2 * probability
    best = min(float(sum(cost[q, k] for k, q in enumerate(order))) for order in permutations(range(5), 3))
    assert float(cost[queries[0], chosen[0]].sum()) == pytest.approx(best, rel=1e-12)
    assert sorted(chosen[0].tolist()) == [0, 1, 2]


def test_points_go_where_a_mask_is_uncertain():
    masks = torch.randn(2, 18, 14, dtype=torch.float64)
    candidates, anywhere = torch.rand(2, 120, 2), torch.rand(2, 10, 2)
    points = choose_points(masks, (HEIGHT, WIDTH), candidates, 30, anywhere)
    assert torch.equal(points[:, 30:], anywhere)
    for m in range(2):
        doubt = read_logits(masks[m : m + 1, None], candidates[m : m + 1].double(), (HEIGHT, WIDTH))[0, 0].abs()
        expected = candidates[m][doubt.argsort()[:30]]
        assert {tuple(p) for p in points[m, :30].tolist()} == {tuple(p) for p in expected.tolist()}


def test_logits_are_read_at_the_pictures_own_scale():
    """Where a side is no multiple of 4, the last cell reaches beyond the picture."""
    ramp = torch.arange(3, dtype=torch.float64).expand(1, 1, 2, 3)  # 8×12 pixels of cells under a 6×10 picture
    x_px = torch.tensor([2.0, 5.0, 6.0, 9.0], dtype=torch.float64)
    points = torch.stack((x_px / 10, torch.full_like(x_px, 0.5)), dim=1)[None]
    assert read_logits(ramp, points, (6, 10)).flatten().tolist() == pytest.approx([0, 0.75, 1, 1.75])


def test_bad_requests():
    output = random_output(2)
    with pytest.raises(ConfigurationError, match="2 pictures, 1 targets, 2 generators"):
        criterion(output, [scene_targets(1)], generators(0, 1))
    with pytest.raises(ConfigurationError, match="target label 6 is out of range; this model has 0 to 5"):
        criterion(output, [replace(scene_targets(1), labels=torch.tensor([0, 6]))] * 2, generators(0, 1))
    with pytest.raises(ConfigurationError, match=r"a target of \(8, 8\) pixels does not fit masks of \(18, 14\) cells"):
        criterion(output, [whole_picture(1)] * 2, generators(0, 1))
    with pytest.raises(ConfigurationError, match="num_points 0"):
        CriterionSettings(num_points=0)
    decisions, targets = Decisions(), [scene_targets(1), scene_targets(2)]
    criterion(output, targets, generators(0, 1), SETTINGS, decisions=decisions)
    with pytest.raises(ConfigurationError, match="decisions of 2 pictures cannot be replayed on 1"):
        criterion(part_of(output, [0]), targets[:1], generators(0), SETTINGS, decisions=decisions)


@pytest.mark.parametrize("people", [0, 3])
def test_pictures_are_taken_together_only_as_far_as_memory_stays_bounded(people: int, monkeypatch: pytest.MonkeyPatch):
    """Few targets, or many: what all queries and targets are read at, in numbers, is never more than one portion."""
    output, targets = random_output(6), [scene_targets(people)] * 6
    batch = criterion_module._Batch.of(output, targets, generators(*range(6)))
    logits, wanted = 2 * 64 * 14, 2 * 64 * len(targets[0].labels) * 7
    monkeypatch.setattr(criterion_module, "_PORTION", 2 * (logits + wanted))
    assert criterion_module._portions(batch, [True] * 6, SETTINGS) == [[0, 1], [2, 3], [4, 5]]
    assert criterion_module._portions(batch, [True, False] * 3, SETTINGS) == [[0, 2], [4]]
    monkeypatch.setattr(criterion_module, "_PORTION", 1)
    assert criterion_module._portions(batch, [True] * 6, SETTINGS) == [[number] for number in range(6)]
