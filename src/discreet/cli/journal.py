"""`discreet journal`: is it what the service wrote, and its lines for whoever may ask."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from discreet.cli.output import Output

HELP = (
    "Verify the service's journal against its hashes, its signed end and its signed checkpoints, or export its lines "
    "as JSON. The folder is that of DISCREET_JOURNAL, or the one in the state folder."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """verify, export."""
    parser.add_argument("action", choices=("verify", "export"))
    parser.add_argument("--folder", metavar="DIR", help="of the journal, if it is another one")
    parser.add_argument("--checkpoints", metavar="FILE", help="also against checkpoints that were kept elsewhere")
    parser.add_argument("--public-key", metavar="FILE", help="by a public key that was kept elsewhere")
    parser.add_argument(
        "--since", metavar="TIME", help="export: from here on, e.g. 2026-11-01 or 2026-11-01T08:00 (UTC)"
    )
    parser.add_argument("--until", metavar="TIME", help="export: before this time")
    parser.add_argument("--subject", metavar="NAME", help="export: only lines of this user or client")
    parser.add_argument("--out", metavar="FILE", help="export: into a new file instead of stdout")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Exit 1 when the journal was changed."""
    from pathlib import Path

    from discreet.cli.state import state_folder
    from discreet.errors import DependencyError
    from discreet.service.settings import read_settings

    try:
        from discreet.service.journal_check import verify
        from discreet.service.journal_keys import JOURNAL_KEYS_FOLDER
    except ModuleNotFoundError as missing:
        raise DependencyError(f"{missing.name} is not installed; pip install 'discreet[serve]'") from None
    state = state_folder() / "service"
    own = read_settings().journal or state / "journal"
    folder = Path(arguments.folder) if arguments.folder else own
    keys = (
        state / JOURNAL_KEYS_FOLDER if folder.resolve() == own.resolve() else None
    )  # of other journals, nothing is known
    copies = {
        name: Path(value) if (value := getattr(arguments, name)) else None for name in ("checkpoints", "public_key")
    }
    exported = None
    if arguments.action == "export":
        exported = _export(_chosen(folder, state, arguments), arguments.out, output)
    report = verify(folder, keys=keys, **copies)
    for problem in report.problems:
        output.error(problem)
    if exported is not None:
        output.result({**exported, "intact": report.intact})
        if arguments.out is not None:
            output.line(f"{exported['lines']} lines in {arguments.out}")
    else:
        output.result(
            {
                "lines": report.lines, "intact": report.intact, "first": report.first, "last": report.last,
                "deleted": report.deleted, "checkpoints": report.checkpoints, "problems": report.problems,
            }
        )  # fmt: skip
        output.line(
            f"{report.lines} lines ({report.first} to {report.last}), {report.deleted} deleted by retention, "
            f"{report.checkpoints} checkpoints: {'intact' if report.intact else 'CHANGED'}"
        )
    return 0 if report.intact else 1


def _export(entries: Iterator[dict[str, Any]], out: str | None, output: Output) -> dict[str, Any]:
    """Lines to a file or stdout, one after the other; as one JSON object, all together. Says how many."""
    import json

    if out is None and output.as_json:
        together = list(entries)
        return {"lines": len(together), "entries": together}
    lines = (json.dumps(entry) + "\n" for entry in entries)
    return {"lines": _print(lines)} if out is None else {"lines": _write(out, lines), "out": out}


def _print(lines: Iterator[str]) -> int:
    """To stdout, until whoever reads has seen enough."""
    import os
    import sys

    count = 0
    try:
        for line in lines:
            sys.stdout.write(line)
            count += 1
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
    return count


def _chosen(folder: Path, state: Path, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Lines of a time and of a subject."""
    from discreet.service.journal_check import export_lines

    wanted = None
    if arguments.subject is not None:
        from discreet.service.journal_keys import JOURNAL_KEYS_FOLDER, person_pseudonym

        keys = next(
            (place for place in (folder / "keys", state / JOURNAL_KEYS_FOLDER) if place.is_dir()), folder / "keys"
        )
        wanted = person_pseudonym(keys, "subject", arguments.subject)
    for line in export_lines(folder, _moment("since", arguments.since), _moment("until", arguments.until)):
        if wanted is None or line["subject"] == wanted:
            yield line


def _write(path: str, lines: Iterator[str]) -> int:
    """Into a new file that only its owner can read."""
    import os

    from discreet.errors import ConfigurationError

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be made ({problem.strerror}); name a new file") from None
    count = 0
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(line)
            count += 1
    return count


def _moment(option: str, text: str | None) -> str:
    """A time as lines have it."""
    from datetime import UTC, datetime

    from discreet.errors import ConfigurationError
    from discreet.service.journal_lines import timestamp

    if text is None:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--{option} is {text!r}; write it like 2026-11-01 or 2026-11-01T08:00") from None
    return timestamp((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
