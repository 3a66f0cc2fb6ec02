"""What leaves a run: weights, statement, metrics. Nothing else is ever written into its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from discreet.data import open_spec
from discreet.inference.parser import Parser
from discreet.labels import LabelSet
from discreet.m2fp import M2FP, save_model
from discreet.m2fp.torch_backend import TorchBackend
from discreet.m2fp.weights import DESCRIPTION_FILE
from discreet.privacy.ledger import Ledger
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.statement import PublicWeights, RunFacts, build_statement
from discreet.training.evaluation import evaluate
from discreet.training.metrics import Metrics
from discreet.training.private_data import picture_bytes
from discreet.training.run_folder import write_text
from discreet.training.settings import RunSettings
from discreet.training.starts import lineage_of

STATEMENT_FILE = "statement.json"
METRICS_FILE = "metrics.json"

# How many pictures of several subjects there were is private: nothing here says it.
_SHARED_PICTURES = {
    "drop": "pictures of several subjects were left out, by subjects.csv; how many is not told",
    "assign": "pictures of several subjects count as the first one's; the others on them are not protected as subjects",
}

Bar = Callable[[str, int], AbstractContextManager[Callable[..., None]]]


def release_model(
    out: Path, model: M2FP, labels: LabelSet, settings: RunSettings, *, private: bool, lineage: Sequence[str]
) -> str:
    """Write the weights and their description; returns the weights' SHA-256.

    Args:
        lineage: run ids that the weights come from, this run's last. *Public*
    """
    extra = {
        "private": private,
        "config_hash": settings.digest(),
        "init": Path(settings.model.init or "none").name,
        "lineage": list(lineage),
    }
    return save_model(out, model, labels, image_size=settings.training.canvas, extra=extra)


def note_leaving(folder: Path, ledger: Ledger) -> None:
    """Before weights of a run's folder leave: runs without privacy that they come from count as released from now on.

    Raises:
        BudgetError: a cap forbids it.
    """
    lineage = lineage_of(folder)
    for entry in ledger.entries():
        if entry.run_id in lineage:
            ledger.release(entry.run_id)


def release_statement(
    out: Path, settings: RunSettings, plan: PrivacyPlan | None, facts: RunFacts, init: Path | None
) -> None:
    """Write what is guaranteed, after the ledger has closed the run."""
    touches = list(facts.data_touches)
    if settings.privacy is not None and settings.privacy.unit == "subject":
        touches += [said for policy, said in _SHARED_PICTURES.items() if policy == settings.data.shared_pictures]
    if settings.data.evaluate is not None:
        touches.append(f"metrics on {settings.data.evaluate}, computed and shown without noise")
    if settings.training.trials > 1:
        touches.append(f"the best of {settings.training.trials} trials, chosen by those metrics; ε covers all trials")
    weights = [] if init is None else [_public_weights(settings.model.init or "", init)]
    facts = replace(facts, data_touches=touches, public_weights=weights)
    write_text(out / STATEMENT_FILE, build_statement(plan, facts).to_json())


def release_metrics(
    out: Path, model: M2FP, labels: LabelSet, settings: RunSettings, ledger: Ledger, run_id: str, bar: Bar
) -> None:
    """Evaluate where the settings ask for it; the ledger notes first that these pictures are read without noise."""
    if settings.data.evaluate is None:
        return
    note_evaluation(settings.data.evaluate, ledger, run_id)
    metrics = evaluated(model, labels, settings, settings.data.evaluate, bar)
    write_text(out / METRICS_FILE, json.dumps(metrics.to_json(), indent=1, ensure_ascii=False) + "\n")


def note_evaluation(spec: str, ledger: Ledger, run_id: str) -> None:
    """Write down that these pictures are read without noise."""
    source = open_spec(spec)
    ledger.record_evaluation(ledger.fingerprint(picture_bytes(source)), source.spec, run_id=run_id)


def evaluated(model: M2FP, labels: LabelSet, settings: RunSettings, spec: str, bar: Bar) -> Metrics:
    """How good a model is on some pictures; the ledger must know already."""
    source = open_spec(spec)
    parser = Parser(TorchBackend(model), labels=labels, human=model.human, image_size=settings.training.canvas)
    with bar("evaluate", len(source)) as advance:
        return evaluate(parser, source, advance=advance)


def _public_weights(name: str, folder: Path) -> PublicWeights:
    """What the start says of itself."""
    described = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    extra = described.get("extra", {})
    origin = str(extra.get("data", "given by the user, who vouches that they are public"))
    if runs := extra.get("lineage"):
        origin = (
            f"run {runs[-1]}, private: if it learned from any of these pictures, the ledger says what both spent"
            if extra.get("private")
            else f"run {runs[-1]}, without privacy; the user vouches that it learned from other, public pictures"
        )
    return PublicWeights(name=Path(name).name, sha256=described["sha256"], origin=origin)
