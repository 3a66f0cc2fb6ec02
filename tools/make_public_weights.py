"""Make the public weights that the package ships, from a recipe: generated people, no private picture.

    python tools/make_public_weights.py recipes/public-lite.toml --out WEIGHTS [--work DIR] [--imagenet FILE.pth]

Makes the recipe's pictures where they are missing, trains stage after stage, evaluates, writes half-precision
weights and prints their SHA-256. Stopped at any moment, the same command goes on from the last checkpoint.

With `--minutes`, stages share that time as they share epochs: their pace is tried first, and the epochs that fit are
printed, to be written into the recipe. That is for a machine that is lent.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import tempfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from public_pictures import Pictures, Section, picture_weights, pictures, replace_masks, training_pictures
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import discreet
from discreet.data.joined import Joined
from discreet.data.transforms import AugmentSettings
from discreet.inference.parser import Parser
from discreet.labels import IGNORED
from discreet.m2fp import M2FP, build, load_imagenet_lite0, load_model, save_model, set_trainable
from discreet.m2fp.layers import FrozenBatchNorm2d
from discreet.m2fp.output import MASK_STRIDE
from discreet.m2fp.pixel_decoder import PixelFeatures
from discreet.m2fp.targets import Targets
from discreet.m2fp.torch_backend import TorchBackend
from discreet.privacy.plan import num_steps_for
from discreet.training.batches import Batch, BatchLoader
from discreet.training.devices import Precision, find_device, num_reading_processes
from discreet.training.evaluation import evaluate
from discreet.training.gradients import PlainGradients
from discreet.training.loop import LoopHooks, picture_losses, run_steps
from discreet.training.settings import RunSettings, TrainingSettings
from discreet.training.units import units_of

_SHIPPED = Path(discreet.__file__).parent / "assets" / "weights"
_PEOPLE = "generated people, some of them before photographs of places"
ORIGINS = {"nothing": _PEOPLE, "imagenet": f"backbone: ImageNet photographs, without privacy; then {_PEOPLE}"}
PICTURES_FOR_STATISTICS = 1024
# Steps that say what a step takes, after those in which kernels are chosen; and of the time so much is planned for.
_WARMING, _TIMED, _SAFETY = 5, 20, 0.9


class Stage(Section):
    """A training of its own, from the average of the one before. `norms`: "live" statistics, or "frozen".
    `dense_weight`: of `DenseLosses`."""

    name: str
    norms: Literal["live", "frozen"]
    dense_weight: float = 0.0
    settings: TrainingSettings


class Recipe(Section):
    """Everything that makes the weights. `generator`: version of the pictures; `backbone`: what it ever learned from;
    `start`: shipped, to begin with; `start_sha256`: where it must be what shipped once; `before_places`: every picture
    a second time, before a photograph of a place (`tools/places.py`)."""

    name: Literal["m2fp-lite"]
    generator: int
    backbone: Literal["nothing", "imagenet"]
    start: str | None = None
    start_sha256: str | None = None
    before_places: bool = False
    train: tuple[Pictures, ...]
    evaluate: tuple[Pictures, ...]
    stages: tuple[Stage, ...]


class RarePartsOften(PlainGradients):
    """Batches in which a picture with a rare part comes more often: weight 1/√(share of pictures with it)."""

    def __init__(self, model: M2FP, weights: NDArray[np.float64], batch_size: int, seed: int) -> None:
        super().__init__(model, len(weights), batch_size, seed)
        self._weights = weights / weights.sum()
        self._seed = seed

    def units(self, step: int) -> NDArray[np.int64]:
        """Drawn without replacement, anew each step."""
        rng = np.random.default_rng([self._seed, step])
        return rng.choice(len(self._weights), self._batch_size, replace=False, p=self._weights)


def with_live_norms(model: M2FP) -> M2FP:
    """Replace frozen statistics by those of each batch, in place; weights and state keys stay."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, FrozenBatchNorm2d):
                live = nn.BatchNorm2d(child.num_features, eps=child.eps)
                live.load_state_dict(child.state_dict())
                module.add_module(name, live)
    return model


def measure_statistics(model: M2FP, loader: BatchLoader, num_pictures: int) -> None:
    """Fill the running statistics of live norms with means over pictures, for the weights as they are."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    model.train()
    with torch.no_grad():
        for start in range(0, min(num_pictures, PICTURES_FOR_STATISTICS), 32):
            batch = loader.load(range(start, min(start + 32, num_pictures)), 0)
            if batch is not None:
                model(batch.images)


class DenseLosses:
    """The criterion's losses, and a cross-entropy of every cell's part, told by a linear layer on the mask features.

    Queries find their masks late; until then backbone and pixel decoder learn little from them. The layer trains
    with the network, as `model.dense`, and is left out of what is saved.
    """

    def __init__(self, model: M2FP, weight: float, precision: Precision, seed: int) -> None:
        self._weight = weight
        self._precision: Precision = precision
        self._features: Tensor | None = None
        with torch.random.fork_rng(devices=[]):  # the same whether or not this process trained the stage before
            torch.manual_seed(seed)
            model.add_module("dense", nn.Conv2d(model.shape.width, model.num_classes - 1, 1))
        model.pixel_decoder.register_forward_hook(self._keep)

    def _keep(self, decoder: nn.Module, inputs: object, features: PixelFeatures) -> None:
        self._features = features.mask_features

    def __call__(self, model: M2FP, batch: Batch) -> Tensor:
        """Of each picture, [B]."""
        losses_B = picture_losses(model, batch, self._precision)
        assert self._features is not None
        logits_BPHW = model.get_submodule("dense")(self._features.float())
        parts_BHW = torch.stack([cells_of(targets, model.num_classes - 1) for targets in batch.targets])
        known_BHW = parts_BHW != IGNORED
        surprise_BHW = F.cross_entropy(logits_BPHW, parts_BHW, ignore_index=IGNORED, reduction="none")
        return losses_B + self._weight * surprise_BHW.sum((1, 2)) / known_BHW.sum((1, 2)).clamp(min=1)


def cells_of(targets: Targets, num_parts: int) -> Tensor:
    """The part in the middle of each cell of the mask features, int64 [H/4, W/4]; whole persons are no part."""
    middle = slice(MASK_STRIDE // 2, None, MASK_STRIDE)
    num_masks = int((targets.labels < num_parts).sum())  # persons come last
    masks, labels = targets.masks[:num_masks, middle, middle], targets.labels[:num_masks].to(targets.masks.device)
    # Every labelled pixel is in exactly one of them.
    return torch.where(targets.valid[middle, middle], (masks * labels[:, None, None]).sum(0), IGNORED)


@dataclass(frozen=True)
class Lessons:
    """What a network learns from.

    Args:
        source: the pictures.
        often: how often each comes, by number.
        work: folder of checkpoints.
        readers: processes that read, for an accelerator; as many as the machine has room for by default.
    """

    source: Joined
    often: NDArray[np.float64]
    work: Path
    readers: int | None = None


class Pace:
    """Prints the time left now and then. `ends`: when each step that was taken now ended, in seconds of the clock."""

    def __init__(self, name: str, num_steps: int) -> None:
        self.ends: list[float] = []
        self._name = name
        self._num_steps = num_steps
        self._started = time.monotonic()
        self._first = -1

    def __call__(self, step: int, num_taken: int) -> None:
        """A step ended."""
        self.ends.append(time.monotonic())
        if self._first < 0 and num_taken == 1:  # those before were taken by an earlier process
            self._first = step - 1
        if step % 50 == 0 and self._first >= 0:
            pace = (time.monotonic() - self._started) / max(step - self._first, 1)
            left = pace * (self._num_steps - step) / 3600
            print(f"{self._name}: step {step} of {self._num_steps}, {left:.1f} h left", flush=True)


def train_stage(stage: Stage, model: M2FP, lessons: Lessons) -> list[float]:
    """One stage, from its checkpoint where there is one; leaves the average in the model.

    Returns:
        when each step that was taken now ended, in seconds of the clock.
    """
    training, source = stage.settings, lessons.source
    settings = RunSettings.model_validate({"data": {"train": source.spec}, "training": training})
    folder = lessons.work / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    network = with_live_norms(model) if stage.norms == "live" else model
    device = find_device(training.device)
    losses = None
    if stage.dense_weight:
        losses = DenseLosses(network, stage.dense_weight, training.precision, training.seed)
    network.to(device)
    network.to(memory_format=torch.channels_last)
    augmentation = AugmentSettings.of_strength(training.augmentation, training.canvas)
    readers = num_reading_processes(device) if lessons.readers is None else lessons.readers
    loader = BatchLoader(
        source, units_of(source, "image"), augmentation, network, seed=training.seed, num_processes=readers
    )
    num_steps = num_steps_for(training.epochs, len(source), training.batch_size)
    pace = Pace(stage.name, num_steps)
    gradients = RarePartsOften(network, lessons.often, training.batch_size, training.seed)
    hooks = LoopHooks(lambda step: None, pace)
    run_steps(network, loader, gradients, settings, num_steps, folder, hooks, losses=losses)
    if stage.norms == "live":
        measure_statistics(network, loader, len(source))
    loader.close()
    network.to("cpu")
    return pace.ends


def fitted(stage: Stage, model: M2FP, lessons: Lessons, seconds: float) -> Stage:
    """The stage with as many epochs as fit into some seconds, by the pace of its first steps; kept for going on."""
    known = lessons.work / f"{stage.name}-epochs.json"
    if not known.exists():
        lessons.work.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(_epochs_that_fit(stage, model, lessons, seconds)))
    training = stage.settings.model_copy(update={"epochs": json.loads(known.read_text())})
    return stage.model_copy(update={"settings": training})


def _epochs_that_fit(stage: Stage, model: M2FP, lessons: Lessons, seconds: float) -> float:
    """A few steps on a copy say what a step takes."""
    tried = copy.deepcopy(model)
    set_trainable(tried, "all")
    steps = _WARMING + _TIMED
    num_pictures = len(lessons.source)
    epochs = (steps + 0.5) * stage.settings.batch_size / num_pictures
    with tempfile.TemporaryDirectory(dir=lessons.work) as folder:
        trial = stage.model_copy(update={"settings": stage.settings.model_copy(update={"epochs": epochs})})
        ends = train_stage(trial, tried, replace(lessons, work=Path(folder)))
    pace = (ends[-1] - ends[_WARMING - 1]) / _TIMED
    spent = ends[-1] - ends[0]
    epochs = max(_SAFETY * (seconds - spent) / pace, 1.0) * stage.settings.batch_size / num_pictures
    print(f"{stage.name}: {pace:.3f} s a step, so {epochs:.2f} epochs in {seconds:.0f} s", flush=True)
    return epochs


def save_stage(trained: M2FP, path: Path) -> None:
    """What the next stage begins with, in half precision as it ships; a dense layer is left behind."""
    kept = build(trained.name, trained.num_classes).state_dict()
    weights = trained.state_dict()
    save_file({key: weights[key].half().contiguous() for key in kept}, path)


def quality(model: M2FP, held_out: Mapping[str, Joined], image_size: tuple[int, int]) -> dict[str, Any]:
    """Metrics on pictures that were not trained on, clear and masked."""
    found: dict[str, Any] = {}
    for name, source in held_out.items():
        parser = Parser(TorchBackend(model), labels=source.label_set, human=model.human, image_size=image_size)
        found[name] = evaluate(parser, source).to_json()
    return found


def first_network(recipe: Recipe, num_classes: int, imagenet: Path | None, start: Path | None) -> M2FP:
    """What the first stage begins with: random weights, ImageNet's backbone, or those of a folder or shipped ones."""
    model = build(recipe.name, num_classes, seed=1)
    set_trainable(model, "all")
    if recipe.start is not None:
        folder = start or _SHIPPED / recipe.start
        found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        if recipe.start_sha256 not in (None, found):
            raise SystemExit(
                f"{folder} has SHA-256 {found}, the recipe begins with {recipe.start_sha256}; "
                "fetch it from this repository's history, see the recipe, and name its folder with --start"
            )
        model.load_state_dict(load_model(folder)[0].state_dict())
    elif recipe.backbone == "imagenet":
        load_imagenet_lite0(model.backbone, imagenet)
    return model


def tell_quality(
    name: str, work: Path, model: M2FP, held_out: Mapping[str, Joined], image_size: tuple[int, int]
) -> None:
    """Measure once, keep it in the work folder, and print it."""
    verdict = work / f"{name}.json"
    if not verdict.exists():
        verdict.write_text(json.dumps(quality(model, held_out, image_size), ensure_ascii=False))
    print(f"{name}: {verdict.read_text()}", flush=True)


def main() -> None:
    """Make pictures, train, evaluate, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--imagenet", type=Path, help="efficientnet-lite0-57934424.pth, where the recipe asks for it")
    parser.add_argument("--start", type=Path, help="folder of the weights to begin with, where they no longer ship")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/public"))
    parser.add_argument("--places", type=Path, default=Path(".cache/places"), help="where tools/places.py put them")
    parser.add_argument("--threads", type=int, default=2, help="of training")
    parser.add_argument("--workers", type=int, default=2, help="processes that make pictures")
    parser.add_argument("--readers", type=int, help="processes that read pictures, beside an accelerator")
    parser.add_argument("--minutes", type=float, help="of training: epochs are made to fit")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = Recipe.model_validate(tomllib.loads(arguments.recipe.read_text(encoding="utf-8")))
    work, workers, generator = arguments.work, arguments.workers, recipe.generator
    source = training_pictures(
        recipe.train, work, workers, generator, arguments.places, before_places=recipe.before_places
    )
    held_out = {
        name: pictures([replace_masks(wanted, share) for wanted in recipe.evaluate], work, workers, generator)
        for name, share in (("clear", 0.0), ("masked", 1.0))
    }
    work = arguments.work / arguments.recipe.stem
    work.mkdir(parents=True, exist_ok=True)
    often = picture_weights(source, work / "picture-weights.npy")
    lessons = Lessons(source, often, work, arguments.readers)
    model = first_network(recipe, len(source.label_set) + 1, arguments.imagenet, arguments.start)
    canvas = recipe.stages[-1].settings.canvas
    if recipe.start is not None:
        tell_quality("start", work, model, held_out, canvas)
    done = [number for number, stage in enumerate(recipe.stages) if (work / f"{stage.name}.safetensors").exists()]
    epochs = sum(stage.settings.epochs for stage in recipe.stages)
    for stage in recipe.stages[max(done, default=0) :]:
        finished = work / f"{stage.name}.safetensors"
        if not finished.exists():
            trained = build(recipe.name, model.num_classes)
            trained.load_state_dict(model.state_dict())
            if arguments.minutes is not None:
                seconds = 60 * arguments.minutes * stage.settings.epochs / epochs
                stage = fitted(stage, trained, lessons, seconds)
            set_trainable(trained, "all")
            train_stage(stage, trained, lessons)
            save_stage(trained, finished)
        model.load_state_dict(load_file(finished))
        tell_quality(stage.name, work, model, held_out, stage.settings.canvas)
    extra = {"data": ORIGINS[recipe.backbone], "recipe": arguments.recipe.name}
    digest = save_model(arguments.out, model, source.label_set, image_size=canvas, dtype="float16", extra=extra)
    print(f"{arguments.out}: SHA-256 {digest}")


if __name__ == "__main__":
    main()
