"""What the demo does, in order; every number in its report is computed here and now."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from discreet.data import open_spec
from discreet.data.samples import SampleSource
from discreet.demo.report import Picture, PictureRow, Report, report_html
from discreet.errors import ConfigurationError
from discreet.inference.parser import Parser
from discreet.labels import CIHP
from discreet.loading import load, model_folder, shipped_models
from discreet.parsing.overlay import overlay
from discreet.privacy.accountant import epsilon_curve
from discreet.toml_settings import checked
from discreet.training.evaluation import evaluate
from discreet.training.metrics import Metrics
from discreet.training.run import Outcome, make_plan, train
from discreet.training.run_folder import write_text
from discreet.training.settings import RunSettings
from discreet.training.surroundings import Progress, Surroundings

START = "m2fp-lite"
_BEST = "m2fp-lite-imagenet"
COLUMNS = ("model", "mIoU", "95 % interval", "pixel accuracy", "ε (δ = 1e-5)", "seconds")
_MARK = "demo.json"
_SHOWN = 6
_PHOTOGRAPH_SIDE_PX = 640

# Both runs see every picture about three times, with everything trained. Noise asks for few, large steps; without it,
# many small ones learn more.
_MODEL: dict[str, Any] = {"name": "m2fp-lite", "init": START, "trainable": "all"}
_COMMON: dict[str, Any] = {
    "epochs": 3,
    "micro_batch_size": 8,
    "backbone_learning_rate": 1.0,
    "weight_decay": 0.0,
    "image_size": 144,
    "augmentation": "light",
    "seed": 7,
}
_PRIVATE: dict[str, Any] = {
    "model": _MODEL,
    "privacy": {"epsilon": 8.0, "delta": 1e-5, "clipping": "automatic"},
    "training": {**_COMMON, "batch_size": 178, "learning_rate": 2.5e-4, "ema_decay": 0.5},
}
_ORDINARY: dict[str, Any] = {
    "model": _MODEL,
    "training": {**_COMMON, "batch_size": 8, "learning_rate": 5e-4, "ema_decay": 0.95},
}


@dataclass(frozen=True)
class Row:
    """One model of the table. ε is None where nothing is guaranteed, and 0 for the public start."""

    name: str
    parser: Parser
    metrics: Metrics
    epsilon: float | None
    seconds: float | None

    @property
    def miou(self) -> float:
        """In percent."""
        return 100 * (self.metrics.miou or 0.0)

    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        low, high = self.metrics.miou_interval or (math.nan, math.nan)
        spent = "no guarantee" if self.epsilon is None else f"{self.epsilon:.2f}"
        return (
            self.name,
            f"{self.miou:.1f}",
            f"{100 * low:.1f} … {100 * high:.1f}",
            f"{100 * (self.metrics.pixel_accuracy or 0.0):.1f}",
            spent,
            "–" if self.seconds is None else f"{self.seconds:.0f}",
        )


def tell(out: Path, photographs: Path | None, progress: Progress) -> list[Row]:
    """Run the demo into `out`; returns the table's rows.

    Args:
        out: a new or empty folder, or that of an earlier demo, which is replaced.
        photographs: folder with pictures to parse; None for none.
        progress: shows bars.

    Raises:
        ConfigurationError: the folder holds something else.
    """
    started = time.monotonic()
    make_room(out)
    train_spec, held_out_spec = unpack(out / "data")
    private, ordinary = (
        checked(RunSettings, {**recipe, "data": {"train": train_spec}}, "demo") for recipe in (_PRIVATE, _ORDINARY)
    )
    with tempfile.TemporaryDirectory(prefix="discreet-demo-") as state:
        around = Surroundings(state=Path(state), init=model_folder(START), progress=progress)
        with_privacy = train(private, out / "private", around)
        without = train(ordinary, out / "ordinary", around)
    held_out = open_spec(held_out_spec)
    rows = [
        _row("public start", START, held_out, 0.0, None, progress),
        _row("private", out / "private", held_out, with_privacy.epsilon, with_privacy, progress),
        _row("ordinary", out / "ordinary", held_out, None, without, progress),
    ]
    statement = json.loads((out / "private" / "statement.json").read_text(encoding="utf-8"))
    report = Report(
        columns=COLUMNS,
        rows=[row.cells() for row in rows],
        highlight="private",
        held_out=_held_out_rows(rows, held_out),
        photographs=_photograph_rows(photographs, out / "photographs"),
        curve=_curve(private, len(open_spec(train_spec))),
        sentences=[statement["sentence"]["en"], statement["sentence"]["zh"]],
        facts=_facts(statement),
        notes=[_reading(rows)],
        labels=CIHP,
    )
    write_text(out / "report.html", report_html(report))
    table = [dict(zip(COLUMNS, row.cells(), strict=True)) for row in rows]
    write_text(out / _MARK, json.dumps({"rows": table, "seconds": round(time.monotonic() - started)}, indent=1))
    return rows


def make_room(out: Path) -> None:
    """Use a new folder, or replace an earlier demo; never anything else."""
    if out.exists() and any(out.iterdir()):
        if not (out / _MARK).exists():
            raise ConfigurationError(f"{out} exists and is not an earlier demo; choose another folder")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / _MARK, "{}")


def unpack(folder: Path) -> tuple[str, str]:
    """The private and the held-out pictures, as SPECs."""
    with as_file(files("discreet") / "assets" / "demo" / "people.zip") as archive, zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return f"people:{folder}@train", f"people:{folder}@val"


def _row(
    name: str,
    model: str | Path,
    source: SampleSource,
    epsilon: float | None,
    outcome: Outcome | None,
    progress: Progress,
) -> Row:
    """Load and evaluate one model."""
    parser = load(model)
    with progress(f"evaluate: {name}", len(source)) as advance:
        metrics = evaluate(parser, source, advance=advance)
    return Row(name, parser, metrics, epsilon, outcome.seconds if outcome else None)


def _held_out_rows(rows: Sequence[Row], source: SampleSource) -> list[PictureRow]:
    """A few held-out pictures: as they are, as labelled, as each model parses them."""
    shown: list[PictureRow] = []
    for index in np.linspace(0, len(source) - 1, _SHOWN).astype(int):
        sample = source[int(index)]
        labelled = overlay(sample.image, sample.parts, source.label_set, opacity=0.6)
        pictures: list[tuple[str, Picture]] = [("picture", sample.image), ("labels", labelled)]
        pictures += [(row.name, row.parser.parse(sample.image).overlay(0.6)) for row in rows]
        shown.append(PictureRow(pictures))
    return shown


def _photograph_rows(photographs: Path | None, out: Path) -> list[PictureRow]:
    """Photographs, parsed by each of the networks that ship; the overlays of the best are also written as files.

    What the demo trains knows another world.
    """
    shown: list[PictureRow] = []
    if photographs is None or not photographs.is_dir():
        return shown
    out.mkdir(parents=True, exist_ok=True)
    parsers = {name: load(name) for name in shipped_models()}
    for path in sorted(photographs.iterdir()):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        picture.thumbnail((_PHOTOGRAPH_SIDE_PX, _PHOTOGRAPH_SIDE_PX))
        image = np.asarray(picture)
        overlays = {name: parser.parse(image).overlay(0.6) for name, parser in parsers.items()}
        Image.fromarray(overlays[_BEST]).save(out / f"{path.stem}.overlay.png")
        shown.append(PictureRow([(path.stem, image), *overlays.items()]))
    return shown


def _curve(settings: RunSettings, num_units: int) -> list[tuple[int, float]]:
    """(steps, ε), from nothing on."""
    plan = make_plan(settings, num_units)
    assert plan is not None
    return [(0, 0.0), *epsilon_curve(plan, points=24)]


def _facts(statement: Mapping[str, Any]) -> dict[str, str]:
    """The statement's main numbers, by name."""
    guarantee, mechanism = statement["guarantee"], statement["mechanism"]
    return {
        "unit": str(guarantee["unit"]),
        "neighbouring relation": str(guarantee["neighbouring_relation"]),
        "ε, δ": f"{guarantee['epsilon']:.4f}, {guarantee['delta']:g}",
        "noise multiplier": f"{mechanism['noise_multiplier']:g}",
        "sample rate": f"{mechanism['sample_rate']:.4f}",
        "steps": str(mechanism["num_steps"]),
        "clipping norm": f"{mechanism['max_grad_norm']:g} ({mechanism['clipping']})",
        "accountant": str(mechanism["accountant"]),
        "cross-check": str(mechanism["cross_check"]),
    }


def _reading(rows: Sequence[Row]) -> str:
    """How to read the table, from its own numbers."""
    start, private, ordinary = (row.miou for row in rows)
    gained, possible = private - start, ordinary - start
    return (
        "The private pictures are of a thermal camera, which the public start never saw. Fine-tuning without privacy "
        f"changes mIoU by {possible:+.1f} points over the public start, with ε = 8 by {gained:+.1f}. Noise shrinks "
        "with the number of pictures, so expect more from a larger data set, and less where the start is near already."
    )
