"""What is exported for the released M2FP runs in ModelScope's own network, and answers the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from discreet.export.released import PTH_FILE, export_released
from discreet.labels import label_set
from discreet.m2fp import M2FP, build, load_model, save_model

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
    judge = Path(__file__).with_name("modelscope_m2fp.py")
    answers = tmp_path / "answers.npz"
    command = [sys.executable, str(judge), str(tmp_path / "out" / PTH_FILE), str(depth), str(NUM_CLASSES)]
    environment = {**os.environ, "HOME": str(tmp_path), "MODELSCOPE_CACHE": str(tmp_path / "cache")}
    subprocess.run([*command, str(tmp_path / "images.npy"), str(answers)], env=environment, cwd=tmp_path, check=True)
    model = load_model(tmp_path / "run")[0].eval()
    with torch.inference_mode():
        ours = model(images)
    theirs = np.load(answers)
    for mine, other in ((ours.class_logits, theirs["classes"]), (ours.mask_logits, theirs["masks"])):
        assert float(np.abs(other).max()) > 0.5, "says something"
        np.testing.assert_allclose(mine.numpy(), other, atol=1e-4)
