"""`discreet ledger`: what a data set's budget was spent on; is the book intact; how much may be spent."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from discreet.cli.output import Output
    from discreet.privacy.ledger import Ledger
    from discreet.privacy.ledger_entries import LedgerEntry, Spent

HELP = "Show what a data set has spent over all runs, verify that the ledger was not changed, or set a cap."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """show SPEC, verify [SPEC], cap SPEC --epsilon E."""
    parser.add_argument("action", choices=("show", "verify", "cap"))
    parser.add_argument("data", nargs="?", metavar="SPEC", help="the data set, e.g. cihp:data/CIHP@train")
    parser.add_argument("--delta", type=float, default=1e-5, help="at which ε is stated (default 1e-5)")
    parser.add_argument("--epsilon", type=float, help="cap: the most that this data set may ever spend; inf lifts it")
    parser.add_argument("--statement", metavar="FILE", help="verify: also against the last record in a statement.json")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Open the ledger of the state folder and do what was asked."""
    from discreet.cli.state import state_folder
    from discreet.privacy.ledger import Ledger
    from discreet.training.run import LEDGER_FILE

    _check_usage(arguments)
    _require(state_folder() / LEDGER_FILE, arguments.action, output)
    with Ledger.open(state_folder() / LEDGER_FILE) as ledger:
        if arguments.action == "verify":
            return _verify(ledger, arguments, output)
        fingerprints = _fingerprints(ledger, arguments.data, output)
        if arguments.action == "cap":
            ledger.cap(fingerprints, arguments.epsilon, arguments.delta)
        return _show(ledger, fingerprints, arguments, output)


def _check_usage(arguments: argparse.Namespace) -> None:
    """Refuse what lacks a data set, or a cap's ε."""
    from discreet.errors import UsageError

    if arguments.data is None and arguments.action != "verify":
        raise UsageError(f"ledger {arguments.action} needs a data set, e.g. cihp:data/CIHP@train")
    if arguments.epsilon is None and arguments.action == "cap":
        raise UsageError("ledger cap needs --epsilon, e.g. --epsilon 8")


def _require(path: Path, action: str, output: Output) -> None:
    """A ledger that is looked for elsewhere must not look like a budget that nobody spent."""
    from discreet.errors import LedgerError
    from discreet.privacy.ledger import Ledger

    if Ledger.is_at(path):
        return
    where = f"there is no ledger in {path.parent}; DISCREET_STATE says where it is"
    if action == "verify":
        raise LedgerError(where)
    output.note(f"{where}. Where none was trained with, nothing is spent")


def _fingerprints(ledger: Ledger, spec: str, output: Output) -> list[bytes]:
    """Recognise the data set by its pictures, whatever it is called."""
    from discreet.data import open_spec
    from discreet.training.private_data import picture_bytes

    source = open_spec(spec)
    with output.progress("read every picture once", len(source)) as advance:
        return ledger.fingerprint(picture_bytes(source, advance=advance))


def _told(entries: list[LedgerEntry], spent: Spent, cap: tuple[float, float] | None, *, intact: bool) -> dict[str, Any]:
    """What a data set has spent, as JSON."""
    return {
        "entries": [entry.to_json() for entry in entries],
        "epsilon_spent": None if math.isinf(spent.epsilon) else spent.epsilon,
        "delta": spent.delta,
        "cap": None if cap is None else {"epsilon": cap[0], "delta": cap[1]},
        "intact": intact,
        "notes": list(spent.notes),
    }


def _show(ledger: Ledger, fingerprints: list[bytes], arguments: argparse.Namespace, output: Output) -> int:
    """Runs that share any picture, and what they spent together."""
    spent = ledger.account(fingerprints, arguments.delta)
    entries = ledger.entries(fingerprints)
    cap = ledger.cap_of(fingerprints)
    intact = ledger.verify().intact
    output.result(_told(entries, spent, cap, intact=intact))
    rows = [
        (
            entry.run_id,
            entry.opened_at,
            "none" if entry.plan is None else entry.plan.unit,
            entry.steps_executed,
            "" if entry.plan is None else f"{entry.plan.noise_multiplier:g}",
            "closed" if entry.closed else "open",
        )
        for entry in entries
    ]
    output.table(f"Runs on {arguments.data}", ("run", "opened", "protects", "steps", "noise", "state"), rows)
    output.line(f"ε spent: {spent.epsilon:.3f} at δ = {spent.delta:g}, all runs together")
    output.line("no cap" if cap is None else f"cap: ε = {cap[0]:g} at δ = {cap[1]:g}")
    for note in spent.notes:
        output.line(note)
    output.line("the ledger is intact" if intact else "THE LEDGER IS DAMAGED: run discreet ledger verify")
    return 0


def _verify(ledger: Ledger, arguments: argparse.Namespace, output: Output) -> int:
    """Exit 1 when a record was altered, lost, moved or cut off."""
    import json
    from pathlib import Path

    from discreet.errors import ConfigurationError

    expected = None
    if arguments.statement is not None:
        try:
            head = json.loads(Path(arguments.statement).read_text(encoding="utf-8"))["ledger"]
            expected = (int(head["number"]), str(head["hash"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigurationError(f"{arguments.statement} is not a statement.json with a ledger record") from None
    report = ledger.verify(expected)
    told = {
        "intact": report.intact, "records": report.num_records, "head": report.head.hash, "problems": report.problems
    }  # fmt: skip
    if arguments.data is not None and report.intact:
        which = _fingerprints(ledger, arguments.data, output)
        spent = ledger.account(which, arguments.delta)
        told |= _told(ledger.entries(which), spent, ledger.cap_of(which), intact=True)
        output.line(f"{arguments.data}: ε spent {spent.epsilon:.3f} at δ = {spent.delta:g}")
    output.result(told)
    for problem in report.problems:
        output.error(problem)
    output.line(f"{report.num_records} records, {'intact' if report.intact else 'DAMAGED'}")
    return 0 if report.intact else 1
