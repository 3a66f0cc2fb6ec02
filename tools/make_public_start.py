"""Make the public start that the package ships: ImageNet backbone, then generated people, no private picture.

    python tools/make_public_start.py recipes/public-lite.toml --imagenet FILE.pth --out WEIGHTS [--work DIR]

Resumes from the checkpoint in --work. Writes half-precision weights and prints their SHA-256.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from discreet.data import open_spec
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import build, load_imagenet_lite0, save_model, set_trainable
from discreet.privacy.plan import num_steps_for
from discreet.training.batches import BatchLoader, units_of
from discreet.training.gradients import PlainGradients
from discreet.training.loop import LoopHooks, run_steps
from discreet.training.settings import read_settings

ORIGIN = "backbone: ImageNet photographs, without privacy; then generated people only"


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--imagenet", type=Path, required=True, help="efficientnet-lite0-57934424.pth")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/public-start"))
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    arguments = parser.parse_args()
    settings = read_settings(arguments.recipe, arguments.overrides, private=False)
    training = settings.training
    if training.threads is not None:
        torch.set_num_threads(training.threads)
    source = open_spec(settings.data.train)
    model = build(settings.model.name, len(source.label_set) + 1, seed=training.seed)
    load_imagenet_lite0(model.backbone, arguments.imagenet)
    set_trainable(model, settings.model.trainable)
    units = units_of(source, "image")
    num_steps = num_steps_for(training.epochs, len(units), training.batch_size)
    augmentation = AugmentSettings.of_strength(training.augmentation, training.canvas)
    loader = BatchLoader(source, units, augmentation, model, seed=training.seed)
    arguments.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def tell(step: int, n: int) -> None:
        if step % 20 == 0:
            elapsed = time.monotonic() - started
            print(f"step {step} of {num_steps}, {elapsed:.0f} s", flush=True)

    gradients = PlainGradients(model, len(units), training.batch_size, training.seed)
    hooks = LoopHooks(before_release=lambda step: None, after_step=tell)
    run_steps(model, loader, gradients, settings, num_steps, arguments.work, hooks)
    extra = {
        "data": "backbone: ImageNet photographs, without privacy; then generated people only",
        "recipe": arguments.recipe.name,
    }
    digest = save_model(
        arguments.out, model, source.label_set, image_size=training.canvas, dtype="float16", extra=extra
    )
    print(f"{arguments.out}: SHA-256 {digest}")


if __name__ == "__main__":
    main()
