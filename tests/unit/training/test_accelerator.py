"""The same numbers on an accelerator, up to rounding. Run these where there is one: `pytest tests/unit/training`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from discreet.m2fp import Decisions, build, criterion, make_targets
from discreet.m2fp.decisions import PictureDecisions
from discreet.privacy import Clipper
from discreet.training.batches import probe_picture

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator here")
NUM_PARTS, SIZE_PX = 20, 96


def step(
    name: str,
    style: str,
    num_pictures: int,
    device: str,
    dtype: torch.dtype,
    precision: torch.dtype | None,
    decisions: list[Decisions],
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Norms and clipped sums of one batch, in float64 on the CPU."""
    model = build(name, NUM_PARTS + 1, seed=0).train().to(device, dtype)
    pictures = [probe_picture(index, SIZE_PX, NUM_PARTS) for index in range(num_pictures)]
    images = model.batch_of([image for image, _ in pictures], device).to(dtype)
    targets = [make_targets(parts, None, num_parts=NUM_PARTS, human=True) for _, parts in pictures]
    generators = [torch.Generator().manual_seed(index) for index in range(num_pictures)]
    with Clipper(model, 1.0, style) as clipper:  # type: ignore[arg-type]
        with torch.autocast(device, precision, enabled=precision is not None):
            output = model(images, decisions[0])
        norms_B = clipper.accumulate(criterion(output, targets, generators, decisions=decisions[1]))
        return norms_B.double().cpu(), {key: total.double().cpu() for key, total in clipper.take().items()}


def moved(decisions: list[Decisions]) -> list[Decisions]:
    """Made on the CPU, replayed on the accelerator."""
    masks, pictures = decisions[0].attention_masks, decisions[1].pictures
    chosen = [None if p is None else PictureDecisions(p.queries, p.targets, p.points.cuda()) for p in pictures]
    return [Decisions([mask.cuda() for mask in masks]), Decisions([], chosen)]


@pytest.mark.parametrize("num_pictures", [1, 3])  # one alone is clipped another way
@pytest.mark.parametrize("style", ["flat", "per_layer"])
@pytest.mark.parametrize("name", ["m2fp-lite", "m2fp-r50"])
def test_clipped_sums_are_those_of_the_processor(name: str, style: str, num_pictures: int) -> None:
    decisions = [Decisions(), Decisions()]
    norms, sums = step(name, style, num_pictures, "cpu", torch.float64, None, decisions)
    for precision, tolerance in ((None, 1e-2), (torch.bfloat16, 0.3)):
        found_norms, found = step(name, style, num_pictures, "cuda", torch.float32, precision, moved(decisions))
        torch.testing.assert_close(found_norms, norms, rtol=tolerance, atol=0)
        gap = torch.stack([(found[key] - sums[key]).square().sum() for key in sums]).sum().sqrt()
        assert float(gap) < tolerance * float(
            torch.stack([total.square().sum() for total in sums.values()]).sum().sqrt()
        )


def test_a_private_run_on_the_accelerator_is_whole(tmp_path: Path) -> None:
    from discreet.data.people import generate_people
    from discreet.toml_settings import checked
    from discreet.training.run import train
    from discreet.training.settings import RunSettings
    from discreet.training.surroundings import Surroundings

    generate_people(tmp_path / "people", style="studio", count=24, size_px=96, seed=1)
    content = {
        "data": {"train": f"people:{tmp_path / 'people'}"},
        "privacy": {"epsilon": 8.0},
        "training": {
            "device": "cuda", "precision": "bfloat16", "epochs": 2, "batch_size": 12, "micro_batch_size": "auto",
            "image_size": 96,
        },
    }  # fmt: skip
    outcome = train(checked(RunSettings, content, "test"), tmp_path / "run", Surroundings(tmp_path / "state"))
    assert outcome.complete
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
