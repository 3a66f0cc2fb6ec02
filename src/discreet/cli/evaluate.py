"""`discreet evaluate`: measure a model on labelled pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = (
    "Measure a model on labelled pictures. The numbers carry no noise: the ledger notes that these pictures were read."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model is a run's folder, an exported folder or a shipped name."""
    parser.add_argument("model", metavar="RUN", help="a run's folder, or a shipped name such as m2fp-lite")
    parser.add_argument("--data", required=True, metavar="SPEC", help="e.g. cihp:data/CIHP@val or folder:PATH")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Evaluate with progress, and enter the access in the ledger."""
    from discreet.cli.state import state_folder
    from discreet.data import open_spec
    from discreet.loading import load
    from discreet.privacy.ledger import Ledger
    from discreet.training.evaluation import evaluate, refuse_other_parts
    from discreet.training.private_data import picture_bytes
    from discreet.training.run import LEDGER_FILE

    parser = load(arguments.model)
    source = open_spec(arguments.data)
    refuse_other_parts(parser, source)
    with Ledger.open(state_folder() / LEDGER_FILE) as ledger:
        ledger.record_evaluation(ledger.fingerprint(picture_bytes(source)), source.spec)
    with output.progress("evaluate", len(source)) as advance:
        metrics = evaluate(parser, source, advance=advance)
    found = metrics.to_json()
    output.result(found)
    numbers = [(key, _shown(value)) for key, value in found.items() if key not in ("iou",)]
    output.table(f"{arguments.model} on {arguments.data}", ("metric", "value"), numbers)
    output.table("IoU by part", ("part", "IoU"), [(part, _shown(value)) for part, value in found["iou"].items()])
    return 0


def _shown(value: object) -> str:
    """Three digits; intervals as a … b."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple):
        return " … ".join(_shown(bound) for bound in value)
    return "–" if value is None else str(value)
