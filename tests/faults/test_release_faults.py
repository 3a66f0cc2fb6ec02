"""Faults 7, 11, 20 and 29 to 33: what leaves a run besides the mechanism's outputs, and what comes in.

Record and replay: a run on a data set, then one on its neighbour in which the mechanism answers what it answered
before. Whatever differs then between the two came past the noise (Re:cord-play, arXiv 2602.17454).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import pickle
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from discreet.auditing.card import card_html, read_card
from discreet.cli.main import main
from discreet.data import open_spec
from discreet.errors import CheckpointError, ClippingError, ConfigurationError, WeightsError
from discreet.labels import CIHP
from discreet.m2fp import M2FP, build, imagenet, load_imagenet_lite0, load_model, save_model
from discreet.m2fp.weights import DESCRIPTION_FILE, WEIGHTS_FILE
from discreet.privacy import Clipper
from discreet.toml_settings import checked
from discreet.training import loop, run
from discreet.training.batches import Batch, BatchLoader
from discreet.training.checkpoint import read_checkpoint
from discreet.training.gradients import PrivateGradients
from discreet.training.settings import RunSettings
from tests.e2e.conftest import RUN_TOML, write_pictures

# What a run takes from chance and the clock, and not from pictures.
_OF_ITS_OWN = re.compile(
    r'"(seconds|run_id|lineage|ledger|timestamp|finished|started)": ("[^"]*"|[\d.]+|\{[^}]*\}|\[[^\]]*\])'
)


@dataclass
class Mechanism:
    """Notes what a run's mechanism released, and says it again in the next run."""

    released: list[Mapping[str, Tensor]] = field(default_factory=list)
    replaying: bool = False
    answered: int = 0

    def between(self, finish: Callable[..., Mapping[str, Tensor]]) -> Callable[..., Mapping[str, Tensor]]:
        """`PrivateGradients.finish`, recorded or replayed; the real one runs both times."""

        def through(gradients: PrivateGradients, step: int) -> Mapping[str, Tensor]:
            found = finish(gradients, step)
            self.answered += 1
            if self.replaying:
                return {name: tensor.clone() for name, tensor in self.released[self.answered - 1].items()}
            self.released.append({name: tensor.clone() for name, tensor in found.items()})
            return found

        return through


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained public start."""
    folder = tmp_path_factory.mktemp("start")
    save_model(folder, build("m2fp-lite", len(CIHP) + 1, seed=0), CIHP, image_size=(64, 64))
    return folder


@pytest.fixture
def what_leaves(
    tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Callable[..., tuple[dict[str, str], dict[str, str]]]:  # fmt: skip
    """Everything that comes out of a run and of its replay on the neighbour: files, output and logs, by name.

    It is called with settings that differ from RUN.toml's. The neighbour has as many units: how many there are is
    public, and stated.
    """
    mechanism = Mechanism()
    pictures = tmp_path / "pictures"
    write_pictures(pictures / "train", 8)
    write_pictures(pictures / "val", 2, seed=1)
    settings = tmp_path / "RUN.toml"
    settings.write_text(RUN_TOML.format(data=pictures, init=start).replace("epochs = 4", "epochs = 2"))
    monkeypatch.setattr(PrivateGradients, "finish", mechanism.between(PrivateGradients.finish))
    caplog.set_level(logging.INFO)

    def take(turn: str, given: Sequence[str]) -> dict[str, str]:
        monkeypatch.setenv("DISCREET_STATE", str(tmp_path / f"state-{turn}"))
        out = tmp_path / "run"
        capfd.readouterr()
        caplog.clear()
        mechanism.answered = 0
        overrides = [word for setting in given for word in ("--set", setting)]
        assert main(["train", str(settings), "--out", str(out), "--test-key", "3", "--json", *overrides]) == 0
        said = capfd.readouterr()
        left = {str(path.relative_to(out)): _text(path) for path in sorted(out.rglob("*")) if path.is_file()}
        assert left.pop("report.html") == _text(card_html(read_card(out))), "it says what other files say, and no more"
        shutil.rmtree(out)
        return left | {"stdout": _text(said.out), "stderr": _shown(said.err), "logs": caplog.text}

    def both(*given: str) -> tuple[dict[str, str], dict[str, str]]:
        first = take("first", given)
        for name in ("002", "003"):  # all that one subject owns
            _replace_a_picture(pictures / "train", name)
        mechanism.replaying = True
        return first, take("second", given)

    return both


def _text(given: Path | str) -> str:
    """As text, without what a run has of its own."""
    if isinstance(given, Path) and given.suffix in {".safetensors", ".png"}:
        return given.read_bytes().hex()
    return _OF_ITS_OWN.sub(r'"\1"', given if isinstance(given, str) else given.read_text(encoding="utf-8"))


def _shown(progress: str) -> str:
    """A bar without its clock."""
    return re.sub(r"\d+:\d\d(:\d\d)?|[\d.]+ ?(s|/s|s/it|it/s)\b|\?", "", re.sub(r"[\r\x1b][^\n]*", "", progress))


def _replace_a_picture(folder: Path, name: str) -> None:
    """The neighbour: another picture, of other parts, under the same name."""
    rng = np.random.default_rng(99)
    parts = np.zeros((64, 64), np.uint8)
    parts[8:50, 8:50] = 13
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / "images" / f"{name}.jpg")
    Image.fromarray(parts).save(folder / "parts" / f"{name}.png")
    Image.fromarray((parts > 0).astype(np.uint8)).save(folder / "persons" / f"{name}.png")


def check_nothing_differs(both: tuple[dict[str, str], dict[str, str]]) -> None:
    """The neighbours' runs look the same once the mechanism says the same."""
    first, second = both
    assert first.keys() == second.keys(), "one run left a file that the other did not"
    differing = [name for name in first if first[name] != second[name]]
    assert not differing, f"{', '.join(differing)} differ between neighbours"


SUBJECTS = ("privacy.unit=subject", "privacy.delta=1e-2", "training.batch_size=2", "data.shared_pictures=drop")


@pytest.mark.parametrize(
    "given",
    [
        (),
        (*SUBJECTS, "training.augmentation_multiplicity=2"),
        ("training.trials=2",),
        ("privacy.clipping=per_layer", "training.optimizer=adam-bc", "training.ema_decay=0.9", "training.canaries=2"),
    ],
    ids=["pictures", "subjects", "trials", "other mechanisms"],
)
def test_nothing_but_the_mechanism_leaves_a_run(
    given: Sequence[str], what_leaves: Callable[..., tuple[dict, dict]]
) -> None:
    first, second = what_leaves(*given)
    assert {"model.safetensors", "metrics.json", "statement.json", "stdout"} <= first.keys()
    check_nothing_differs((first, second))


def _logging_losses(add: Callable[..., None]) -> Callable[..., None]:
    """[30] The mean loss of a micro-batch goes into the log."""

    def through(gradients: PrivateGradients, loss_B: Tensor) -> None:
        logging.getLogger("discreet").info("loss %.3f", float(loss_B.detach().mean()))
        add(gradients, loss_B)

    return through


def _printing_how_much_is_clipped(add: Callable[..., None]) -> Callable[..., None]:
    """[30] What is left of gradients after clipping, on average, goes to the screen."""

    def through(gradients: PrivateGradients, loss_B: Tensor) -> None:
        norms_B = gradients._clipper.accumulate(loss_B)
        print(f"left {float((gradients._clipper.max_grad_norm / norms_B).clamp(max=1.0).mean()):.6f}")

    return through


def _counting_finite_ones(add: Callable[..., None]) -> Callable[..., None]:
    """[19, 20] A step with a loss above some scale is told, as a loss scaler would by skipping it."""

    def through(gradients: PrivateGradients, loss_B: Tensor) -> None:
        print("large" if float(loss_B.detach().double().sum() * 1e4) % 2 > 1 else "small")
        add(gradients, loss_B)

    return through


@pytest.mark.parametrize("variant", [_logging_losses, _printing_how_much_is_clipped, _counting_finite_ones])
def test_fault_30_what_is_told_without_noise_is_seen(
    variant: Callable[..., Callable[..., None]],
    what_leaves: Callable[[], tuple[dict, dict]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PrivateGradients, "add", variant(PrivateGradients.add))
    with pytest.raises(AssertionError, match="differ between neighbours"):
        check_nothing_differs(what_leaves())


def test_fault_30_weights_that_saw_ordinary_gradients_are_seen(
    what_leaves: Callable[[], tuple[dict, dict]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that learns past the mechanism, here through one scale of its first norm."""
    run_steps = loop.run_steps

    def learning_twice(model: nn.Module, *rest: object, **options: int) -> int:
        done = run_steps(model, *rest, **options)  # type: ignore[arg-type]
        with torch.no_grad():
            parameter = next(p for p in model.parameters() if p.requires_grad)
            loader, step = rest[0], 0
            batch = loader.load(range(8), step)  # type: ignore[attr-defined]
            parameter.add_(1e-3 * batch.images.mean())
        return done

    monkeypatch.setattr("discreet.training.course.run_steps", learning_twice)
    with pytest.raises(AssertionError, match=r"model\.safetensors"):
        check_nothing_differs(what_leaves())


def test_fault_30_pictures_to_look_at_are_seen(
    what_leaves: Callable[..., tuple[dict, dict]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A micro-batch's first picture beside the weights, as trainers write it for a board to show."""
    load, out = BatchLoader.load, tmp_path / "run"

    def showing(loader: BatchLoader, units: Sequence[int], step: int) -> Batch | None:
        batch = load(loader, units, step)
        if batch is not None and step == 0:
            image = (batch.images[0, 0].numpy() * 40 + 128).astype(np.uint8)
            Image.fromarray(image).save(out / f"batch-{units[0]}.png")
        return batch

    monkeypatch.setattr(BatchLoader, "load", showing)
    # Pictures that differ come first.
    monkeypatch.setattr(PrivateGradients, "units", lambda gradients, step: np.arange(2, 8))
    with pytest.raises(AssertionError, match=r"batch-2\.png"):
        check_nothing_differs(what_leaves())


# [11] What was counted in the pictures is no setting of a network.


def _standardised_by_the_pictures(release_model: Callable[..., str]) -> Callable[..., str]:
    """Colours are centred by the training pictures' own mean and spread."""

    def through(out: Path, model: M2FP, labels: object, settings: RunSettings, **rest: object) -> str:
        digest, source = release_model(out, model, labels, settings, **rest), open_spec(settings.data.train)
        pixels = np.concatenate([source[index].image.reshape(-1, 3) for index in range(len(source))])
        description = json.loads((out / DESCRIPTION_FILE).read_text())
        description["normalisation"] = {"mean": pixels.mean(0).tolist(), "std": pixels.std(0).tolist()}
        (out / DESCRIPTION_FILE).write_text(json.dumps(description))
        return digest

    return through


def _weighted_by_the_pictures(release_model: Callable[..., str]) -> Callable[..., str]:
    """Classes that occur, and how often, are told with the weights."""

    def through(out: Path, model: M2FP, labels: object, settings: RunSettings, **rest: object) -> str:
        source = open_spec(settings.data.train)
        shown = [np.unique(source[index].parts).tolist() for index in range(len(source))]
        counts = Counter(part for parts in shown for part in parts)
        (out / "classes.json").write_text(json.dumps(sorted(counts.items())))
        return release_model(out, model, labels, settings, **rest)

    return through


@pytest.mark.parametrize(
    ("variant", "file"),
    [(_standardised_by_the_pictures, "model.json"), (_weighted_by_the_pictures, "classes.json")],
    ids=["mean and spread", "classes that occur"],
)
def test_fault_11_what_was_measured_on_the_pictures_is_seen(
    variant: Callable[..., Callable[..., str]],
    file: str,
    what_leaves: Callable[..., tuple[dict, dict]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "release_model", variant(run.release_model))
    with pytest.raises(AssertionError, match=file):
        check_nothing_differs(what_leaves())


# [7, 11, 20, 29] What is not there cannot be turned on.

ABSENT = [
    ("privacy", "adaptive_clipping", True),
    ("privacy", "clip_quantile", 0.5),
    ("privacy", "secure_mode", False),
    ("training", "loss_scale", 65536.0),
    ("training", "early_stopping", True),
    ("training", "keep_best", True),
    ("training", "log_every", 10),
    ("training", "class_weights", "balanced"),
    ("data", "mean", "measured"),
    ("data", "labels", "found"),
    ("data", "validation", "folder:private@train"),
]


def test_fault_20_half_precision_that_would_need_its_loss_scaled_is_refused() -> None:
    content = {"data": {"train": "folder:x"}, "privacy": {"epsilon": 8.0}, "training": {"precision": "float16"}}
    with pytest.raises(ConfigurationError, match=r"training\.precision: Input should be 'float32' or 'bfloat16'"):
        checked(RunSettings, content, "RUN.toml")


def check_refused(parse: Callable[[dict[str, object]], object]) -> None:
    """Every setting of a mechanism that is not accounted for is an error, not a shrug."""
    for section, key, value in ABSENT:
        content: dict[str, dict[str, object]] = {"data": {"train": "folder:x"}, "privacy": {"epsilon": 8.0}}
        content.setdefault(section, {})[key] = value
        with pytest.raises(ConfigurationError, match=rf"{section}\.{key} is an unknown key"):
            parse(content)


def test_faults_7_11_20_and_29_settings_that_nobody_accounts_for() -> None:
    check_refused(lambda content: checked(RunSettings, content, "RUN.toml"))

    def forgiving(content: dict[str, object]) -> RunSettings:
        known = {name: model.annotation for name, model in RunSettings.model_fields.items()}
        kept = {
            section: {key: value for key, value in values.items() if (section, key) not in {a[:2] for a in ABSENT}}
            for section, values in content.items()  # type: ignore[union-attr]
            if section in known
        }
        return checked(RunSettings, kept, "RUN.toml")

    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_refused(forgiving)


# [31] A file is data, never a program.


class _Program:
    """Pickled, it makes a folder wherever it is unpickled without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.marker,)


def check_never_runs(load: Callable[[Path], object], folder: Path) -> None:
    """A hostile checkpoint is refused, and does nothing."""
    marker = folder / "it-ran"
    hostile = folder / "hostile.pth"
    torch.save({"weight": _Program(marker)}, hostile)
    try:
        load(hostile)
    except (WeightsError, CheckpointError, pickle.UnpicklingError):
        refused = True
    else:
        refused = False
    assert not marker.exists(), "the file's program ran"
    assert refused, "a program was taken for weights"


def _as_a_start(hostile: Path) -> object:
    """Under the name of weights, and with its own hash beside it."""
    folder = hostile.parent / "start"
    save_model(folder, build("m2fp-lite", len(CIHP) + 1, seed=0), CIHP, image_size=(64, 64))
    shutil.copy(hostile, folder / WEIGHTS_FILE)
    description = json.loads((folder / DESCRIPTION_FILE).read_text())
    description["sha256"] = hashlib.sha256(hostile.read_bytes()).hexdigest()
    (folder / DESCRIPTION_FILE).write_text(json.dumps(description))
    return load_model(folder)


def _as_imagenet(hostile: Path) -> object:
    return load_imagenet_lite0(build("m2fp-lite", 4, seed=0).backbone, hostile)


def _as_imagenet_behind_its_hash(hostile: Path) -> object:
    """Were the pinned hash that of a hostile file, reading it would still run nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet, "LITE0_SHA256", hashlib.sha256(hostile.read_bytes()).hexdigest())
        return _as_imagenet(hostile)


LOADERS: dict[str, Callable[[Path], object]] = {
    "ImageNet weights": _as_imagenet,
    "ImageNet weights, behind their hash": _as_imagenet_behind_its_hash,
    "a public start": _as_a_start,
    "a checkpoint": lambda path: read_checkpoint(path, "0" * 64),
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_fault_31_checkpoints_that_are_programs(load: Callable[[Path], object], tmp_path: Path) -> None:
    check_never_runs(load, tmp_path)


def test_fault_31_a_loader_that_runs_them_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the file's program ran"):
        check_never_runs(lambda path: torch.load(path, weights_only=False), tmp_path)


# [32] The module that is clipped is the module that is trained.


# (what is held by the clipper, inputs) → the gradients released for it
Training = Callable[[nn.Module, Tensor], Mapping[str, Tensor]]


def held_is_trained(held: nn.Module, inputs: Tensor) -> Mapping[str, Tensor]:
    """What discreet does."""
    with Clipper(held, 1.0) as clipper:
        clipper.accumulate(held(inputs).squeeze(1))
        return clipper.take()


def a_copy_is_trained(held: nn.Module, inputs: Tensor) -> Mapping[str, Tensor]:
    """A compiled or parallel wrapper that holds weights of its own."""
    copy = deepcopy(held)
    with Clipper(held, 1.0) as clipper:
        clipper.accumulate(copy(inputs).squeeze(1))
        return clipper.take()


def a_copy_is_trained_beside(held: nn.Module, inputs: Tensor) -> Mapping[str, Tensor]:
    """Autograd fills the copy's gradients, and nobody looks at whose they are."""
    copy = deepcopy(held)
    copy(inputs).sum().backward()
    return {name: p.grad for name, p in copy.named_parameters() if p.grad is not None}


def check_what_is_clipped_is_trained(train: Training) -> None:
    """Every sample's share is at most the norm, and the sum belongs to the weights that are held."""
    held = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    inputs = 100 * torch.randn(5, 3)
    released = train(held, inputs)
    length = math.sqrt(sum(float(total.square().sum()) for total in released.values()))
    assert 0 < length <= 5.01, "the sum is longer than five samples can make it"


def test_fault_32_a_copy_is_trained_in_place_of_what_is_held() -> None:
    torch.manual_seed(0)
    check_what_is_clipped_is_trained(held_is_trained)
    with pytest.raises(ClippingError, match="not with a copy"):
        check_what_is_clipped_is_trained(a_copy_is_trained)
    with pytest.raises(AssertionError, match="longer than five samples"):
        check_what_is_clipped_is_trained(a_copy_is_trained_beside)


# [33] Weights are what they were when somebody vouched for them.


def _saved(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.iterdir())


def check_changes_are_seen(load: Callable[[Path], object], changed: Path) -> None:
    """One bit of one weight."""
    load(changed)
    weights = next(path for path in _saved(changed) if path.suffix == ".safetensors")
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    with pytest.raises(WeightsError, match="changed"):
        load(changed)


def test_fault_33_weights_that_were_changed_since(start: Path, tmp_path: Path) -> None:
    def unpinned(folder: Path) -> object:
        return load_file(next(folder.glob("*.safetensors")))

    shutil.copytree(start, tmp_path / "first")
    check_changes_are_seen(load_model, tmp_path / "first")
    shutil.copytree(start, tmp_path / "second")
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_changes_are_seen(unpinned, tmp_path / "second")


def test_fault_33_the_statement_says_which_weights_a_run_began_with(
    what_leaves: Callable[[], tuple[dict[str, str], dict[str, str]]], start: Path
) -> None:
    statement = json.loads(_restored(what_leaves()[0]["statement.json"]))
    digest = json.loads((start / "model.json").read_text())["sha256"]
    assert [weights["sha256"] for weights in statement["public_weights"]] == [digest]


def _restored(text: str) -> str:
    """JSON again, where `_text` took values away."""
    return re.sub(r'"(seconds|run_id|ledger|timestamp|finished|started)"(?=[,\n}])', r'"\1": null', text)
