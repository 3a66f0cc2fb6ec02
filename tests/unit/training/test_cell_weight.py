"""The loss in every cell as part of a run: tried before anything is learned, and off unless asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from discreet.errors import IsolationError
from discreet.m2fp import M2FP, build, make_targets
from discreet.m2fp.cells import cell_losses
from discreet.m2fp.output import M2FPOutput
from discreet.m2fp.targets import Targets
from discreet.privacy import PrivacyPlan
from discreet.training import loop
from discreet.training.batches import Batch, probe_picture
from discreet.training.run import try_isolation

PLAN = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=100, expected_batch_size=10, num_steps=1, delta=1e-3)


@pytest.fixture(scope="module")
def model() -> M2FP:
    return build("m2fp-lite", 21, seed=0)


def test_pictures_stay_apart_in_it(model: M2FP) -> None:
    try_isolation(model, PLAN, 20, cell_weight=10.0)


def test_one_that_looks_at_the_batch_is_found(model: M2FP, monkeypatch: pytest.MonkeyPatch) -> None:
    def coupled(output: M2FPOutput, targets: Sequence[Targets], num_parts: int) -> Tensor:
        losses_B = cell_losses(output, targets, num_parts)
        return losses_B / losses_B.mean()

    monkeypatch.setattr(loop, "cell_losses", coupled)
    try_isolation(model, PLAN, 20)
    with pytest.raises(IsolationError):
        try_isolation(model, PLAN, 20, cell_weight=10.0)


def test_it_is_added_with_its_weight(model: M2FP) -> None:
    pictures = [probe_picture(index, 64, 20) for index in range(2)]
    batch = Batch(
        model.batch([model.normalise(image) for image, _ in pictures]),
        [make_targets(parts, None, num_parts=20, human=True) for _, parts in pictures],
        [],
    )

    def losses(weight: float) -> Tensor:
        batch.generators[:] = [torch.Generator().manual_seed(index) for index in range(2)]
        return loop.picture_losses(model, batch, cell_weight=weight)

    with torch.no_grad():
        added = cell_losses(model(batch.images), batch.targets, 20)
        torch.testing.assert_close(losses(3.0), losses(0.0) + 3.0 * added, rtol=1e-5, atol=1e-5)
    assert bool((added > 0).all())
