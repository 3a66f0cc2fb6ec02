"""One row of a comparison with one seed: train, measure, attack; what is finished is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.auditing.attacks import chosen_attacks
from discreet.auditing.audit import AuditPlan, audit
from discreet.auditing.audited import Audited
from discreet.auditing.audited_run import read_audited_run, run_settings
from discreet.auditing.card import AUDIT_FILE
from discreet.auditing.inversion import InversionPlan
from discreet.auditing.report import audit_html
from discreet.data import open_spec
from discreet.defences.distillation import forget_labels, label_by_teacher
from discreet.defences.output_noise import BlurredM2FP
from discreet.defences.settings import CompareSettings
from discreet.errors import ConfigurationError
from discreet.inference.models import start_folder
from discreet.inference.parser import Parser
from discreet.labels import LabelSet
from discreet.m2fp import M2FP, load_model
from discreet.m2fp.torch_backend import TorchBackend
from discreet.privacy.ledger import Ledger
from discreet.training.evaluation import accumulate
from discreet.training.private_data import picture_bytes
from discreet.training.run import LEDGER_FILE, train
from discreet.training.run_folder import RUN_FILE, read_record, write_text
from discreet.training.settings import RunSettings
from discreet.training.starts import lineage_of
from discreet.training.surroundings import Progress, Surroundings

START = "public-start"
_CELL_FILE, _PIXELS_FILE = "cell.json", "pixels.npy"


@dataclass(frozen=True)
class Bench:
    """What all rows share.

    Args:
        settings: of the comparison.
        out: its folder.
        state: the state folder, with the ledger.
        specs: of train, evaluate and perhaps public.
    """

    settings: CompareSettings
    out: Path
    state: Path
    specs: dict[str, str]

    def folder(self, row: str, seed: int) -> Path:
        """Of one row and seed."""
        return self.out / "rows" / f"{row}-{seed}"

    def run_folder(self, row: str, seed: int) -> Path:
        """Of the run whose weights a row uses."""
        wanted = self.settings.rows[row]
        if wanted.run is not None:
            return Path(wanted.run)
        if wanted.defence == "output-noise" and wanted.of is not None:
            return self.run_folder(wanted.of, seed)
        return self.folder(row, seed) / "run"

    @property
    def start(self) -> Path | None:
        """Folder of the public start of the row without a defence."""
        return start_folder(self.reference_run.model.init)

    @property
    def reference_run(self) -> RunSettings:
        """Settings of the row without a defence."""
        reference = self.settings.reference
        assert reference is not None
        if (finished := self.settings.rows[reference].run) is not None:
            return run_settings(Path(finished))
        return self.settings.run_settings(reference, self.settings.seeds_of(reference)[0], self.specs["train"])


@dataclass(frozen=True)
class Cell:
    """What was measured of one row and seed. Un-noised: for the owner of the pictures.

    Args:
        pixels: int [N, 3, P] of each picture: right, labelled, predicted.
        pixel_accuracy: over all of them.
        train_seconds: of this row's own training, and of labelling for students; 0 where nothing trains here.
        epsilon, delta: that are guaranteed to those in data.train; None where nothing is.
        audit: as in audit.json; None where none was asked for.
    """

    pixels: NDArray[np.int64]
    pixel_accuracy: float
    train_seconds: float
    epsilon: float | None
    delta: float | None
    audit: dict[str, Any] | None


def measured(bench: Bench, row: str, seed: int, progress: Progress) -> Cell:
    """Train, measure and attack, or go on where an earlier call was stopped."""
    folder = bench.folder(row, seed)
    if not (folder / _CELL_FILE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        if bench.settings.rows[row].defence != "output-noise":
            _train(bench, row, seed, progress)
        audited = _audited(bench, row, seed)
        pixels, accuracy = _evaluated(bench, audited.model, audited.labels, audited.canvas, row, progress)
        if bench.settings.audit is not None and seed == bench.settings.seeds_of(row)[0]:
            _attack(bench, audited, row, folder, progress)
        _keep(folder, pixels, {"pixel_accuracy": accuracy, "epsilon": audited.epsilon, "delta": _delta(audited)})
    return _read(folder)


def measured_start(bench: Bench, progress: Progress) -> Cell | None:
    """The public start, as it is; None without one, and where it tells other parts apart."""
    if bench.start is None:
        return None
    folder = bench.out / "rows" / START
    if not (folder / _CELL_FILE).exists():
        model, info = load_model(bench.start)
        if info.labels.names != open_spec(bench.specs["evaluate"]).label_set.names:
            return None
        canvas = bench.reference_run.training.canvas
        folder.mkdir(parents=True, exist_ok=True)
        pixels, accuracy = _evaluated(bench, model, info.labels, canvas, START, progress)
        _keep(folder, pixels, {"pixel_accuracy": accuracy, "epsilon": None, "delta": None})
    return _read(folder)


def parser_of(bench: Bench, row: str, seed: int) -> Parser:
    """The defended model of a finished row."""
    audited = _audited(bench, row, seed)
    return _parser(audited.model, audited.labels, audited.canvas)


def _train(bench: Bench, row: str, seed: int, progress: Progress) -> None:
    """The row's run, or the rest of it."""
    folder, run = bench.folder(row, seed), bench.run_folder(row, seed)
    if bench.settings.rows[row].run is not None:
        _check_finished(bench, row, run)
        return
    begun = (run / RUN_FILE).exists()
    if begun and read_record(run / RUN_FILE).complete:
        return
    wanted, spec, teachers = bench.settings.rows[row], bench.specs["train"], ()
    with _clock(folder):
        if wanted.defence == "distillation":
            assert wanted.of is not None
            teachers = lineage_of(bench.run_folder(wanted.of, seed))
            pictures = open_spec(bench.specs["public"])
            with progress(f"{row}: {wanted.of} labels public pictures", len(pictures)) as advance:
                spec = label_by_teacher(
                    parser_of(bench, wanted.of, seed), pictures, folder / "labelled", advance=advance
                )
        settings = bench.settings.run_settings(row, seed, spec)
        around = Surroundings(
            state=bench.state,
            init=start_folder(settings.model.init),
            teachers=teachers,
            progress=lambda description, total, done=0: progress(f"{row}: {description}", total, done),
        )
        train(settings, run, around, resume=begun)
    forget_labels(folder / "labelled")


def _check_finished(bench: Bench, row: str, run: Path) -> None:
    """That a run which is there can stand in the table.

    Raises:
        ConfigurationError: it is not complete, is no run of the row's defence, or learned from other pictures.
    """
    settings = run_settings(run)
    if not (run / RUN_FILE).exists() or not read_record(run / RUN_FILE).complete:
        raise ConfigurationError(f"row {row}: {run} is not finished; go on with `discreet train --resume {run}`")
    if (settings.privacy is None) != (bench.settings.rows[row].defence == "none"):
        kind = "an ordinary run (none)" if settings.privacy is None else "a private run (dp-sgd)"
        raise ConfigurationError(f"row {row}: {run} is {kind}; name its defence so")
    if settings.data.train != bench.specs["train"]:
        raise ConfigurationError(
            f"row {row}: {run} learned from {settings.data.train}, and data.train is {bench.specs['train']}; attacks "
            "ask who of the same people was learned from: give data.train as that run has it"
        )


@contextmanager
def _clock(folder: Path) -> Generator[None]:
    """Adds up seconds over calls that were stopped."""
    started, spent = time.monotonic(), _spent(folder)
    try:
        yield
    finally:
        write_text(folder / "seconds", f"{spent + time.monotonic() - started:.1f}\n")


def _spent(folder: Path) -> float:
    try:
        return float((folder / "seconds").read_text())
    except FileNotFoundError:
        return 0.0


def _audited(bench: Bench, row: str, seed: int) -> Audited:
    """The defended model, beside the start of its own run, and what it guarantees to those in data.train.

    Blurring and distilling are post-processing: they keep a guarantee that was there, and add none.
    """
    wanted = bench.settings.rows[row]
    run = bench.run_folder(row, seed)
    found = read_audited_run(run, start_folder(run_settings(run).model.init))
    if wanted.defence == "output-noise":
        return replace(found, model=BlurredM2FP(found.model, wanted.noise(), seed))
    if wanted.defence == "distillation":
        assert wanted.of is not None
        teacher = _audited(bench, wanted.of, seed)
        return replace(found, epsilon=teacher.epsilon, delta=teacher.delta, unit=teacher.unit)
    return found


def _parser(model: M2FP, labels: LabelSet, canvas: tuple[int, int]) -> Parser:
    return Parser(TorchBackend(model), labels=labels, human=model.human, image_size=canvas)


def _evaluated(
    bench: Bench, model: M2FP, labels: LabelSet, canvas: tuple[int, int], row: str, progress: Progress
) -> tuple[NDArray[np.int64], float]:
    """Counts of every held-out picture, and the share of right pixels."""
    source = open_spec(bench.specs["evaluate"])
    note_access(bench, "evaluate")
    with progress(f"{row}: evaluate", len(source)) as advance:
        found = accumulate(_parser(model, labels, canvas), source, advance=advance)
    return found.pixels, float(found.result().pixel_accuracy or 0.0)


def _attack(bench: Bench, audited: Audited, row: str, folder: Path, progress: Progress) -> None:
    """The same attacks for every row; audit.json and audit.html."""
    how = bench.settings.audit
    assert how is not None
    for split in ("train", "evaluate"):
        note_access(bench, split)
    plan = AuditPlan(
        attacks=chosen_attacks(",".join(how.attacks) if how.attacks else None),
        at_most=how.pictures,
        answers=how.answers,
        inverting=InversionPlan(how.inversion) if how.inversion else None,
        confidence=how.confidence,
    )
    found = audit(
        audited,
        open_spec(bench.specs["train"], subject_pattern=bench.settings.data.subject_pattern),
        open_spec(bench.specs["evaluate"], subject_pattern=bench.settings.data.subject_pattern),
        plan,
        progress=lambda description, total, done=0: progress(f"{row}: {description}", total, done),
    ).without_pictures()
    write_text(folder / AUDIT_FILE, json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "audit.html", audit_html(row, found))


def note_access(bench: Bench, split: str) -> None:
    """These pictures are read without noise: the ledger knows first."""
    source = open_spec(bench.specs[split])
    with Ledger.open(bench.state / LEDGER_FILE) as ledger:
        ledger.record_evaluation(ledger.fingerprint(picture_bytes(source)), source.spec)


def _delta(audited: Audited) -> float | None:
    """At which the ε holds."""
    return None if audited.epsilon is None else audited.delta


def _keep(folder: Path, pixels: NDArray[np.int64], told: dict[str, Any]) -> None:
    """cell.json last: it says that all is there."""
    with (folder / _PIXELS_FILE).open("wb") as stream:
        np.save(stream, pixels)
    write_text(folder / _CELL_FILE, json.dumps({**told, "train_seconds": _spent(folder)}) + "\n")


def _read(folder: Path) -> Cell:
    told = json.loads((folder / _CELL_FILE).read_text(encoding="utf-8"))
    audit_file = folder / AUDIT_FILE
    found = json.loads(audit_file.read_text(encoding="utf-8")) if audit_file.exists() else None
    return Cell(np.load(folder / _PIXELS_FILE), audit=found, **told)
