import pytest
import torch

from discreet.errors import ConfigurationError
from discreet.m2fp import CriterionSettings, Decisions, criterion
from discreet.m2fp.query_decoder import hidden_cells
from m2fp.support import generators, scene_targets, small_model

SETTINGS = CriterionSettings(num_points=32)


def test_recorded_choices_are_replayed():
    """The same weights moved a little: the attention masks and matches stay as they were recorded."""
    model, targets = small_model("m2fp-lite"), [scene_targets(1), scene_targets(2)]
    images = torch.randn(2, 3, 72, 56, dtype=torch.float64)
    with torch.no_grad():
        decisions = Decisions()
        first = criterion(model(images, decisions), targets, generators(0, 1), SETTINGS, decisions=decisions)
        masks = [mask.clone() for mask in decisions.attention_masks]
        assert [mask.shape for mask in masks] == [(2, 12, 6), (2, 12, 24), (2, 12, 96)]
        assert len(decisions.pictures) == 2
        again = criterion(model(images, decisions), targets, generators(5, 6), SETTINGS, decisions=decisions)
        assert torch.equal(again, first)
        model.query_decoder.query_feat.weight.mul_(-1)
        moved = model(images, decisions)
    assert all(torch.equal(mask, now) for mask, now in zip(masks, decisions.attention_masks, strict=True))
    fresh = Decisions()
    with torch.no_grad():
        free = model(images, fresh)
    assert any(not torch.equal(mask, now) for mask, now in zip(masks, fresh.attention_masks, strict=True))
    assert not torch.equal(free.mask_logits, moved.mask_logits)


def test_single_pictures_with_the_choices_of_the_batch():
    model, targets = small_model("m2fp-r50"), [scene_targets(k) for k in range(3)]
    images = torch.randn(3, 3, 72, 56, dtype=torch.float64)
    with torch.no_grad():
        decisions = Decisions()
        together = criterion(model(images, decisions), targets, generators(0, 1, 2), SETTINGS, decisions=decisions)
        for chosen in ([0], [2, 1]):
            own = decisions.select(chosen)
            output = model(images[chosen], own)
            some = criterion(output, [targets[k] for k in chosen], generators(*chosen), SETTINGS, decisions=own)
            torch.testing.assert_close(some, together[chosen], rtol=1e-12, atol=0)


def test_replaying_on_another_batch_is_refused():
    model, decisions = small_model("m2fp-lite"), Decisions()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        model(images, decisions)
        with pytest.raises(ConfigurationError, match="decisions of 2 pictures cannot be replayed on 1; use Decisions"):
            model(images[:1], decisions)


def test_a_query_that_sees_nothing_sees_all():
    masks = torch.tensor([-1.0, 1.0]).repeat(8, 4)[None, None].repeat(1, 3, 1, 1)
    masks[:, 1] = -1
    masks[:, 2, :, :4] = -9
    hidden = hidden_cells(masks, torch.Size((2, 2)))
    assert hidden[0].tolist() == [[False] * 4, [False] * 4, [True, False, True, False]]
