"""A tiny private data set and a tiny run, as a user would have them, for tests of whole verbs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NUM_PICTURES = 12
SIZE_PX = 64

RUN_TOML = """
[data]
train = "folder:{data}@train"
evaluate = "folder:{data}@val"
[model]
name = "m2fp-lite"
init = "{init}"
trainable = "norms-and-biases"
[privacy]
noise_multiplier = 1.0
delta = 1e-3
clipping = "flat"
[training]
learning_rate = 4e-4
backbone_learning_rate = 0.1
weight_decay = 0.05
augmentation = "full"
epochs = 4
batch_size = 4
micro_batch_size = 4
image_size = 64
checkpoint_every = 3
threads = 1
"""


def write_pictures(folder: Path, count: int, seed: int = 0, subjects: bool = True) -> Path:
    """A data set in the folder format: coloured rectangles named as parts of one person."""
    rng = np.random.default_rng(seed)
    for kind in ("images", "parts", "persons"):
        (folder / kind).mkdir(parents=True)
    for index in range(count):
        parts = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
        for part in rng.choice(np.arange(1, 20), 3, replace=False):
            top, left = rng.integers(4, 36, 2)
            parts[top : top + 24, left : left + 20] = part
        image = (rng.integers(0, 60, (SIZE_PX, SIZE_PX, 3)) + parts[..., None] * np.array([9, 5, 2])).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{index:03d}.jpg", quality=95)
        Image.fromarray(parts).save(folder / "parts" / f"{index:03d}.png")
        Image.fromarray((parts > 0).astype(np.uint8)).save(folder / "persons" / f"{index:03d}.png")
    (folder / "labels.json").write_text(json.dumps("cihp"))
    if subjects:
        rows = "".join(f"{index:03d},person-{index // 2}\n" for index in range(count))
        (folder / "subjects.csv").write_text("name,subject\n" + rows)
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with a training and a held-out split."""
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder / "train", NUM_PICTURES)
    write_pictures(folder / "val", 3, seed=1)
    return folder


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained public start."""
    from discreet.labels import CIHP
    from discreet.m2fp import build, save_model

    folder = tmp_path_factory.mktemp("start")
    save_model(folder, build("m2fp-lite", len(CIHP) + 1, seed=0), CIHP, image_size=(SIZE_PX, SIZE_PX))
    return folder


@pytest.fixture
def run_toml(tmp_path: Path, pictures: Path, start: Path) -> Path:
    """Settings of a run of twelve private steps."""
    path = tmp_path / "RUN.toml"
    path.write_text(RUN_TOML.format(data=pictures, init=start))
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder of the test's own."""
    return tmp_path / "state"


Discreet = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def discreet(state: Path) -> Discreet:
    """Run the real command in a process of its own."""

    def run(*words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "discreet", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment(state),
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


def environment(state: Path) -> dict[str, str]:
    """The environment of a verb under test: its own state folder, one thread."""
    return {**os.environ, "DISCREET_STATE": str(state), "OMP_NUM_THREADS": "1"}
