"""What is exported for the released M2FP, and for ModelScope's hub, runs in ModelScope's own network, and answers the
same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from discreet.export.hubs import export_hub
from discreet.export.released import PTH_FILE, export_released
from discreet.labels import label_set
from discreet.m2fp import M2FP, build, load_model, save_model
from discreet.m2fp.presets import PIXEL_MEAN, PIXEL_STD

NUM_CLASSES = 21


def shaken(name: str) -> M2FP:
    """A network of which no weight or statistic is what a fresh one has: zeros and ones hide mistakes."""
    model = build(name, NUM_CLASSES, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(0.7 + 0.6 * noise if key.endswith("running_var") else tensor + 0.06 * (noise - 0.5))
    return model


@pytest.mark.parametrize(("name", "depth"), [("m2fp-r50", 50), ("m2fp-r101", 101)])
def test_modelscope_answers_the_same(name: str, depth: int, tmp_path: Path) -> None:
    save_model(tmp_path / "run", shaken(name), label_set("cihp"), image_size=(96, 128))
    export_released(tmp_path / "run", tmp_path / "out", name="shaken")
    images = torch.randn(2, 3, 96, 160, generator=torch.Generator().manual_seed(2))
    np.save(tmp_path / "images.npy", images.numpy())
    theirs = judged(tmp_path, str(tmp_path / "out" / PTH_FILE), str(depth), str(NUM_CLASSES))
    compare(load_model(tmp_path / "run")[0], images, theirs)


@pytest.mark.parametrize("name", ["m2fp-r50", "m2fp-r101"])
def test_a_folder_for_the_hub_is_what_modelscope_loads(name: str, tmp_path: Path) -> None:
    save_model(tmp_path / "run", shaken(name), label_set("cihp"), image_size=(96, 128))
    export_hub(tmp_path / "run", tmp_path / "out", "modelscope", name="shaken")
    pixels = torch.randint(0, 256, (2, 3, 96, 160), generator=torch.Generator().manual_seed(2)).float()
    np.save(tmp_path / "images.npy", pixels.numpy())
    theirs = judged(tmp_path, str(tmp_path / "out"))
    model = load_model(tmp_path / "run")[0]
    compare(model, (pixels - torch.tensor(PIXEL_MEAN).view(3, 1, 1)) / torch.tensor(PIXEL_STD).view(3, 1, 1), theirs)
    assert list(theirs["names"]) == [*label_set("cihp").names, "Human"]


def judged(place: Path, *what: str) -> Any:
    """Answers of ModelScope's network, in a process of its own."""
    judge = Path(__file__).with_name("modelscope_m2fp.py")
    environment = {**os.environ, "HOME": str(place), "MODELSCOPE_CACHE": str(place / "cache")}
    command = [sys.executable, str(judge), *what, str(place / "images.npy"), str(place / "answers.npz")]
    subprocess.run(command, env=environment, cwd=place, check=True)
    return np.load(place / "answers.npz")


def compare(model: M2FP, images: torch.Tensor, theirs: Any) -> None:
    """Ours and theirs, on normalised images."""
    with torch.inference_mode():
        ours = model.eval()(images)
    for mine, other in ((ours.class_logits, theirs["classes"]), (ours.mask_logits, theirs["masks"])):
        assert float(np.abs(other).max()) > 0.5, "says something"
        np.testing.assert_allclose(mine.numpy(), other, atol=1e-4)
