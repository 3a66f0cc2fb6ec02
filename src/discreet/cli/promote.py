"""`discreet promote`: may a network be served instead of the current one?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discreet.cli.output import Output
    from discreet.data.samples import SampleSource
    from discreet.export.promote import Check, Contender

HELP = (
    "Compare a candidate with the network that is served now, and look whether it meets every limit: quality, latency, "
    "privacy statement, audit. The decision is written down and signed; `discreet serve --promoted-by` asks for it. "
    "Exit 0: passed; 1: held back."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two networks, and limits."""
    parser.add_argument("candidate", metavar="CANDIDATE", help="an exported folder, or a run's")
    parser.add_argument(
        "--over", required=True, metavar="CURRENT", help="an exported folder, a run's, or a shipped name"
    )
    parser.add_argument("--limits", type=Path, required=True, metavar="LIMITS.toml", help="see docs/promote.md")
    parser.add_argument("--key", type=Path, metavar="FILE", help="that signs, PEM; by default one of the state folder")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the record; by default CANDIDATE/promotion.json")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Check, decide, sign."""
    from dataclasses import asdict

    from discreet.cli.state import note_leaving, state_folder
    from discreet.export.limits import read_limits
    from discreet.export.promote import checks_of
    from discreet.inference.promoted import PROMOTION_FILE
    from discreet.private_files import private_folder
    from discreet.signing import load_signing_key, own_signing_key, public_pem, sign_file
    from discreet.training.run_folder import write_text

    limits = read_limits(arguments.limits)
    keys = state_folder() / "promotion"
    key = own_signing_key(keys / "signing.pem") if arguments.key is None else load_signing_key(arguments.key)
    candidate, current = _contender(arguments.candidate), _contender(arguments.over)
    source = None if limits.data is None else _opened(limits.data)
    checks = checks_of(candidate, current, limits, source, output.progress)
    passed = all(check.passed for check in checks)
    if passed:
        note_leaving(candidate.folder)
    beside: Path = candidate.folder / PROMOTION_FILE
    path: Path = arguments.out or beside
    record = _record(candidate, current, arguments.limits, checks, passed)
    # An earlier decision that the network passed does not outlive this one.
    for written in {path, beside} if beside.exists() and not passed else {path}:
        write_text(written, record)
        sign_file(written, key)
    public = "a public.pem of your key: openssl pkey -in KEY -pubout -out public.pem"
    if arguments.key is None:
        public = private_folder(keys) / "public.pem"
        public.write_bytes(public_pem(key.public_key()))
    output.result({"passed": passed, "checks": [asdict(check) for check in checks], "record": str(path)})
    output.table(
        f"{arguments.candidate} over {arguments.over}",
        ("limit", "allowed", "found", "passed", "why"),
        [(c.name, _shown(c.limit), _shown(c.measured), "yes" if c.passed else "NO", c.why) for c in checks],
    )
    held = [check.name for check in checks if not check.passed]
    output.line("passed" if passed else f"held back: {', '.join(held)}")
    output.line(f"{path} says so, signed; serve with --promoted-by {public} to allow only what was promoted")
    return 0 if passed else 1


def _contender(model: str) -> Contender:
    """A network, in the form that would be served where it has one."""
    from discreet.export.promote import read_contender
    from discreet.inference.models import exported_folder
    from discreet.loading import load

    return read_contender(exported_folder(model), load(model))


def _opened(spec: str) -> SampleSource:
    """Pictures to measure on; the ledger notes that they are read without noise."""
    from discreet.cli.state import state_folder
    from discreet.data import open_spec
    from discreet.privacy.ledger import Ledger
    from discreet.training.private_data import picture_bytes
    from discreet.training.run import LEDGER_FILE

    source = open_spec(spec)
    with Ledger.open(state_folder() / LEDGER_FILE) as ledger:
        ledger.record_evaluation(ledger.fingerprint(picture_bytes(source)), source.spec)
    return source


def _record(candidate: Contender, current: Contender, limits: Path, checks: list[Check], passed: bool) -> str:
    """promotion.json."""
    import json
    from dataclasses import asdict
    from datetime import UTC, datetime

    from discreet import __version__
    from discreet.inference.promoted import FORMAT

    def named(one: Contender) -> dict[str, Any]:
        return {"name": one.folder.resolve().name, "digest": one.digest, "weights_sha256": one.weights_sha256}

    content = {
        "format": FORMAT,
        "passed": passed,
        "decided": datetime.now(UTC).isoformat(timespec="seconds"),
        "candidate": named(candidate),
        "current": named(current),
        "limits": limits.read_text(encoding="utf-8"),
        "checks": [asdict(check) for check in checks],
        "version": __version__,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _shown(value: object) -> str:
    """Three digits; hashes are short."""
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:24]
