"""Reading the journal: is it what was written, and its lines for whoever may ask. Works while a service writes."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from discreet.errors import JournalError
from discreet.service.journal_book import CHECKPOINTS_FILE, PUBLIC_KEY_FILE
from discreet.service.journal_checkpoints import Checkpoint, CheckpointFile, digest, read_checkpoint
from discreet.service.journal_keys import public_half
from discreet.service.journal_lines import first_hash, line_hash
from discreet.service.journal_store import DATABASE_FILE, Head
from discreet.signing import load_public_key, public_pem

MAX_PROBLEMS = 50


@dataclass
class Report:
    """What `verify` found.

    Args:
        lines: how many there are.
        first, last: their sequences; 0 for none.
        deleted: the last line that retention has deleted, by a signed checkpoint; 0 for none.
        checkpoints: how many were looked at.
        problems: everything in which the journal differs from what was written, at most `MAX_PROBLEMS`.
    """

    lines: int = 0
    first: int = 0
    last: int = 0
    deleted: int = 0
    checkpoints: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Whether it is what was written."""
        return not self.problems

    def add(self, problem: str) -> None:
        """One more problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def verify(
    folder: Path, *, checkpoints: Path | None = None, public_key: Path | None = None, keys: Path | None = None
) -> Report:
    """Compare a journal with its hashes, its signed end and its signed checkpoints.

    Args:
        folder: of the journal.
        checkpoints: a copy of its checkpoints kept elsewhere: shows also what whoever holds the journal's keys changed.
        public_key: a copy of its public key kept elsewhere.
        keys: folder of its keys. Where the one that signs is there, and no copy was given, its public half counts, not
            what lies beside the journal: whoever replaces the journal replaces that, too.

    Raises:
        JournalError: there is no journal, or a copy cannot be read.
        ConfigurationError: the key in `keys` is damaged, or within others' reach.
    """
    _database_of(folder)  # before its key: where there is no journal, no other key would help
    report = Report()
    key = _public_key(folder, public_key, keys, report)
    kept = _kept_elsewhere(checkpoints, key, report)
    file = CheckpointFile(folder / CHECKPOINTS_FILE)
    # A service may be writing. The database, read after the file, knows all of it; the file, read again, nearly all.
    num_before = len(file.texts())
    try:
        with _reading(folder) as database:
            rows = database.execute("SELECT text FROM checkpoints ORDER BY number").fetchall()
            texts = file.texts()
            own = _read_checkpoints(texts[:num_before], key, CHECKPOINTS_FILE, report)
            since = _read_checkpoints(texts[num_before:], key, CHECKPOINTS_FILE, report)
            stored = _read_checkpoints([text for (text,) in rows], key, "the database", report)
            known = _merge(report, stored, own, kept)
            _compare_files(report, max(stored, default=0), max(own, default=0), max({**own, **since}, default=0))
            _walk(report, database, known, first_hash(public_pem(key)))
            _check_end(report, database, key)
    except sqlite3.Error as problem:
        report.add(f"the database cannot be read: {problem}")
    return report


def export_lines(folder: Path, since: str = "", until: str = "") -> Iterator[dict[str, Any]]:
    """Lines in order, each with its hash.

    Args:
        folder: of the journal.
        since, until: times as lines have them; from the first on, and before the second.

    Raises:
        JournalError: there is no journal, or it cannot be read.
    """
    query = "SELECT text, hash FROM lines WHERE time >= ? AND time < ? ORDER BY sequence"
    try:
        with _reading(folder) as database:
            for text, end in database.execute(query, (since, until or "~")):
                yield {**json.loads(text), "hash": end}
    except (sqlite3.Error, ValueError) as problem:
        raise JournalError(f"{folder} cannot be read ({problem}); run discreet journal verify") from None


@contextmanager
def _reading(folder: Path) -> Generator[sqlite3.Connection]:
    """The database as it is at this moment, whoever writes."""
    path = _database_of(folder)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10, isolation_level=None)) as database:
        database.execute("BEGIN")
        yield database


def _database_of(folder: Path) -> Path:
    """Where a journal's database is."""
    path = (folder / DATABASE_FILE).absolute()
    if not path.is_file():
        raise JournalError(f"{folder} holds no journal ({DATABASE_FILE}); name the folder of one")
    return path


def _public_key(folder: Path, copy: Path | None, keys: Path | None, report: Report) -> Ed25519PublicKey:
    """By which signatures are verified: the copy's, that of the journal's keys, or what lies beside the journal."""
    beside = folder / PUBLIC_KEY_FILE
    own = public_half(keys) if keys is not None and copy is None else None
    if own is not None:
        if not beside.is_file() or beside.read_bytes() != public_pem(own):
            report.add(f"{PUBLIC_KEY_FILE} is missing, or not that of the key that signs this service's journal")
        return own
    path = copy or beside
    try:
        return load_public_key(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise JournalError(f"{path} is not the public key of a journal ({problem}); give a copy of it") from None


def _kept_elsewhere(path: Path | None, key: Ed25519PublicKey, report: Report) -> dict[int, tuple[str, Checkpoint]]:
    """Those of a copy."""
    if path is None:
        return {}
    if not path.is_file():
        raise JournalError(f"{path} does not exist; check the path")
    return _read_checkpoints(CheckpointFile(path).texts(), key, path.name, report)


def _read_checkpoints(
    texts: Sequence[str], key: Ed25519PublicKey, where: str, report: Report
) -> dict[int, tuple[str, Checkpoint]]:
    """Those whose signature fits, by number; each must follow the one before."""
    found: dict[int, tuple[str, Checkpoint]] = {}
    before: tuple[str, Checkpoint] | None = None
    for place, text in enumerate(texts, start=1):
        report.checkpoints += 1
        try:
            checkpoint = read_checkpoint(text, key)
        except ValueError as problem:
            report.add(f"checkpoint {place} in {where} is forged or damaged: {problem}")
            before = None
            continue
        if before is not None and checkpoint.number != before[1].number + 1:
            report.add(f"in {where}, checkpoint {checkpoint.number} comes after {before[1].number}")
        elif before is not None and checkpoint.previous != digest(before[0]):
            report.add(f"in {where}, checkpoint {checkpoint.number} does not follow the one before it")
        before = found[checkpoint.number] = (text, checkpoint)
    return found


def _merge(report: Report, *sources: dict[int, tuple[str, Checkpoint]]) -> list[Checkpoint]:
    """All checkpoints, in order; two of one number must be the same."""
    known: dict[int, tuple[str, Checkpoint]] = {}
    for source in sources:
        for number, (text, checkpoint) in source.items():
            if number in known and known[number][0] != text:
                report.add(f"there are two checkpoints {number}: the journal was continued from an older copy")
            known.setdefault(number, (text, checkpoint))
    return [known[number][1] for number in sorted(known)]


def _compare_files(report: Report, stored: int, own: int, own_later: int) -> None:
    """The database keeps the newest checkpoint; its file may be one behind, if a crash came between.

    Args:
        report: takes problems.
        stored: number of the newest in the database.
        own, own_later: of the newest in the file, before and after the database was read.
    """
    if own > stored:
        report.add(f"checkpoint {own} is not in the database: its end was removed, or an older copy put back")
    if stored > own_later + 1:
        report.add(f"checkpoints {own_later + 1} to {stored} are missing from {CHECKPOINTS_FILE}")


def _walk(report: Report, database: sqlite3.Connection, known: Sequence[Checkpoint], beginning: str) -> None:
    """Every line against the one before, and against what checkpoints say."""
    said: defaultdict[int, list[Checkpoint]] = defaultdict(list)
    for checkpoint in known:
        said[checkpoint.last].append(checkpoint)
    sequence, previous = (known[-1].deleted, known[-1].deleted_hash) if known else (0, beginning)
    report.deleted = sequence
    _compare(report, said.pop(sequence, []), previous)
    rows = database.execute("SELECT sequence, time, text, hash FROM lines ORDER BY sequence")
    for number, moment, text, end in rows:
        report.lines += 1
        report.first = report.first or number
        if number <= sequence:
            report.add(f"line {number} is there, though a checkpoint says it was deleted")
        elif number != sequence + 1:
            report.add(f"lines {sequence + 1} to {number - 1} are missing")
        elif line_hash(previous, text) != end:
            report.add(f"line {number} was altered, or is not in its place")
        elif not _same(text, number, moment):
            report.add(f"line {number} is filed under another number or time than its own")
        _compare(report, said.pop(number, []), end)
        sequence, previous = number, end
    report.last = sequence
    for last in sorted(last for last in said if last > sequence):
        report.add(
            f"lines {sequence + 1} to {last} are missing at the end: checkpoint {said[last][0].number} knows them"
        )


def _same(text: str, number: int, moment: str) -> bool:
    """Whether a line is filed under what it says of itself."""
    try:
        content = json.loads(text)
        return (content["sequence"], content["time"]) == (number, moment)
    except (ValueError, KeyError, TypeError):
        return False


def _compare(report: Report, checkpoints: Sequence[Checkpoint], end: str) -> None:
    for checkpoint in checkpoints:
        if checkpoint.last_hash != end:
            report.add(f"line {checkpoint.last} is not the one that checkpoint {checkpoint.number} knows")


def _check_end(report: Report, database: sqlite3.Connection, key: Ed25519PublicKey) -> None:
    """The end is signed at every commit, so also the lines since the last checkpoint cannot be changed or cut."""
    row = database.execute("SELECT sequence, hash, signature FROM head").fetchone()
    last = database.execute("SELECT sequence, hash FROM lines ORDER BY sequence DESC LIMIT 1").fetchone()
    if row is None:
        if last is not None or report.deleted:
            report.add("the signed end is missing")
        return
    try:
        key.verify(row[2], Head.content(row[0], row[1]))
    except (InvalidSignature, TypeError):
        report.add("the signed end is forged or damaged")
        return
    if row[0] > report.last:
        report.add(f"lines {report.last + 1} to {row[0]} are missing at the end: the signed end knows them")
    elif last is not None and tuple(last) != (row[0], row[1]):
        report.add(f"the lines end at {last[0]}, which is not the end that was signed ({row[0]})")
