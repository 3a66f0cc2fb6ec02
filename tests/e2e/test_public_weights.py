"""The tool that makes public weights, from pictures to the file that ships, killed on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from discreet.data.people.data_set import GENERATOR_VERSION
from discreet.m2fp import load_model

ROOT = Path(__file__).parents[2]
RECIPE = f"""
name = "m2fp-lite"
generator = {GENERATOR_VERSION}
backbone = "nothing"
[[train]]
style = "street"
count = 6
size = 96
seed = 1
face_masks = 0.33
[[evaluate]]
style = "home"
count = 2
size = 96
seed = 2
face_masks = 0.0
[[stages]]
name = "small"
norms = "live"
settings = {{ epochs = 1, batch_size = 2, micro_batch_size = 2, image_size = 64, checkpoint_every = 1, seed = 1 }}
[[stages]]
name = "dense"
norms = "frozen"
dense_weight = 2.0
settings = {{ epochs = 1, batch_size = 2, micro_batch_size = 2, image_size = 64, checkpoint_every = 1, seed = 2 }}
"""


def command(folder: Path, name: str, *options: str) -> list[str]:
    """The tool, with an out folder of that name; what it draws follows the path of its pictures."""
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    tool = [sys.executable, "-u", str(ROOT / "tools" / "make_public_weights.py"), str(recipe)]
    folders = ["--work", str(folder / "work"), "--out", str(folder / name)]
    return [*tool, *folders, "--threads", "1", "--workers", "1", *options]


@pytest.mark.slow
def test_weights_are_the_same_when_the_tool_was_killed_between_stages(tmp_path: Path) -> None:
    subprocess.run(command(tmp_path, "whole"), check=True, capture_output=True)
    (tmp_path / "work").rename(tmp_path / "earlier")
    with subprocess.Popen(command(tmp_path, "killed"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(line.startswith("small: {") for line in process.stdout), "the first stage has a verdict"
        process.kill()
    assert not (tmp_path / "killed").exists()
    subprocess.run(command(tmp_path, "killed"), check=True, capture_output=True)
    whole, killed = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed"))
    assert killed == whole
    model, info = load_model(tmp_path / "killed")
    assert model.name == "m2fp-lite"
    assert info.image_size == (64, 64)


@pytest.mark.slow
def test_on_a_lent_machine_epochs_are_made_to_fit(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path, "fitted", "--minutes", "0.3"), check=True, capture_output=True, text=True)
    assert "s a step, so" in done.stdout
    for stage in ("small", "dense"):
        assert float((tmp_path / "work" / "recipe" / f"{stage}-epochs.json").read_text()) > 0
    assert (tmp_path / "fitted" / "model.safetensors").exists()


def test_pictures_of_another_generator_are_not_made(tmp_path: Path) -> None:
    made, words = command(tmp_path, "never"), f"generator version {GENERATOR_VERSION - 1}, not {GENERATOR_VERSION};"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace(f"generator = {GENERATOR_VERSION}", f"generator = {GENERATOR_VERSION - 1}"))
    done = subprocess.run(made, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "work").exists()
