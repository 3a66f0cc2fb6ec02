"""An append-only table of records, each chained to the one before by its hash, in SQLite.

Knows nothing of privacy. Safe with several processes at once; a crash leaves a record whole
or not there. Units are digests, kept in sets that are known by the hash of their digests.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from discreet.errors import LedgerError

Payload = Mapping[str, Any]
NO_PREVIOUS = "0" * 64
_BUSY_S = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY, previous TEXT NOT NULL, kind TEXT NOT NULL, run TEXT NOT NULL,
    payload TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS records_by_run ON records (run, kind, number);
CREATE INDEX IF NOT EXISTS records_by_kind ON records (kind, number);
CREATE TABLE IF NOT EXISTS units (root TEXT NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (root, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS units_by_digest ON units (digest);
CREATE TRIGGER IF NOT EXISTS records_are_never_changed BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS records_are_never_deleted BEFORE DELETE ON records
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


class Head(NamedTuple):
    """The last record: number and hash. Whoever keeps it notices when later the end is missing."""

    number: int
    hash: str


@dataclass(frozen=True)
class Record:
    """One line of the ledger; `payload` holds at least kind, run and time."""

    number: int
    previous: str
    payload: Payload
    hash: str


def canonical(value: object) -> str:
    """The one JSON text of a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def record_hash(number: int, previous: str, payload: str) -> str:
    """SHA-256 over everything a record says, the hash of its predecessor included."""
    return hashlib.sha256(canonical([number, previous, payload]).encode()).hexdigest()


def set_root(digests: Iterable[bytes]) -> str:
    """The hash that names a set of units."""
    return hashlib.sha256(b"".join(sorted(set(digests)))).hexdigest()


class RecordStore:
    """The table, and the only way to write to it.

    Raises:
        LedgerError: the file is not a ledger, or another process keeps it locked.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its side files the same mode
        self._path = path
        with self._damage_named():
            self._database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            self._prepare()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @contextmanager
    def writing(self) -> Generator[None]:
        """One transaction: no other process writes meanwhile, and all of it lands or nothing."""
        with self._damage_named():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def append(self, kind: str, run: str, payload: Payload) -> Head:
        """Add a record at the end; inside `writing` only."""
        assert self._database.in_transaction
        last = self.head()
        number, previous = (1, NO_PREVIOUS) if last is None else (last.number + 1, last.hash)
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = canonical({**payload, "kind": kind, "run": run, "time": moment})
        head = Head(number, record_hash(number, previous, text))
        values = (number, previous, kind, run, text, head.hash)
        self._database.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", values)
        return head

    def add_units(self, digests: Iterable[bytes]) -> str:
        """Keep a set of units, once; returns its root. Inside `writing` only."""
        unique = sorted(set(digests))
        root = set_root(unique)
        self._database.executemany("INSERT OR IGNORE INTO units VALUES (?, ?)", ((root, digest) for digest in unique))
        return root

    def roots_sharing(self, digests: Sequence[bytes]) -> set[str]:
        """The kept sets that share at least one unit with these."""
        with self._damage_named():
            self._database.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (digest BLOB PRIMARY KEY)")
            self._database.execute("DELETE FROM wanted")
            self._database.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((digest,) for digest in digests))
            rows = self._database.execute("SELECT DISTINCT root FROM units JOIN wanted USING (digest)")
            return {root for (root,) in rows.fetchall()}

    def roots_sharing_with(self, root: str) -> set[str]:
        """The kept sets that share at least one unit with a kept set, itself included."""
        query = "SELECT DISTINCT b.root FROM units a JOIN units b ON a.digest = b.digest WHERE a.root = ?"
        with self._damage_named():
            return {found for (found,) in self._database.execute(query, (root,)).fetchall()}

    def records(self, kind: str | None = None, run: str | None = None) -> list[Record]:
        """All records of a kind and of a run, in order."""
        wanted = [(column, value) for column, value in (("kind", kind), ("run", run)) if value is not None]
        condition = " AND ".join(f"{column} = ?" for column, _ in wanted) or "1"
        return list(self._read(f"WHERE {condition} ORDER BY number", [value for _, value in wanted]))

    def last(self, kind: str, run: str) -> Record | None:
        """The newest record of a kind of one run."""
        clause = "WHERE run = ? AND kind = ? ORDER BY number DESC LIMIT 1"
        return next(self._read(clause, [run, kind]), None)

    def head(self) -> Head | None:
        """The last record's number and hash; None in an empty table."""
        with self._damage_named():
            row = self._database.execute("SELECT number, hash FROM records ORDER BY number DESC LIMIT 1").fetchone()
            return None if row is None else Head(*row)

    def problems(self, expected: Head | None) -> list[str]:
        """Everything in which the file differs from a ledger that was only ever appended to."""
        found: list[str] = []
        number, previous, roots = 0, NO_PREVIOUS, set[str]()
        hashes: dict[int, str] = {}
        rows = self._database.execute("SELECT number, previous, kind, run, payload, hash FROM records ORDER BY number")
        for row_number, row_previous, kind, run, text, row_hash in rows:
            if row_number != number + 1:
                found.append(f"records {number + 1} to {row_number - 1} are missing")
            elif row_previous != previous:
                found.append(f"record {row_number} does not follow the one before it")
            if record_hash(row_number, row_previous, text) != row_hash:
                found.append(f"record {row_number} was altered")
            else:
                content = json.loads(text)
                roots |= {content["root"]} if "root" in content else set()
                if (content["kind"], content["run"]) != (kind, run):
                    found.append(f"record {row_number} is filed under a kind or run that is not its own")
            number, previous, hashes[row_number] = row_number, row_hash, row_hash
        if expected is not None and hashes.get(expected.number) != expected.hash:
            state = "is another one" if expected.number in hashes else f"is missing: the ledger ends at {number}"
            found.append(f"record {expected.number}, known from a run's statement, {state}")
        return found + self._unit_problems(roots)

    def _unit_problems(self, roots: set[str]) -> list[str]:
        """Sets of units that records speak of, and that are no longer what they were."""
        found: list[str] = []
        for root in sorted(roots):
            digests = self._database.execute("SELECT digest FROM units WHERE root = ?", (root,)).fetchall()
            if set_root(digest for (digest,) in digests) != root:
                found.append(f"the units of data set {root[:12]} were altered")
        return found

    def _read(self, clause: str, values: Sequence[str]) -> Iterator[Record]:
        """Records by a clause of our own; values are bound, never pasted."""
        query = f"SELECT number, previous, payload, hash FROM records {clause}"  # noqa: S608 -- clauses are written above
        with self._damage_named():
            for number, previous, text, row_hash in self._database.execute(query, values).fetchall():
                try:
                    payload = json.loads(text)
                except ValueError:
                    raise LedgerError(f"record {number} of {self._path} was altered; bring back a copy") from None
                yield Record(number, previous, payload, row_hash)

    def _prepare(self) -> None:
        """Durable settings and the tables."""
        for attempt in range(100):
            try:
                # Not WAL: its index lies in shared memory, and the state folder may be a share of several machines.
                self._database.execute("PRAGMA journal_mode = DELETE")
                break
            except sqlite3.OperationalError as problem:  # another process switches at this moment
                if "locked" not in str(problem) or attempt == 99:
                    raise
                time.sleep(0.05)
        self._database.execute("PRAGMA synchronous = FULL")
        with self.writing():
            for statement in _SCHEMA.split(";\n"):
                if statement.strip():
                    self._database.execute(statement.removesuffix(";"))

    @contextmanager
    def _damage_named(self) -> Generator[None]:
        """SQLite's errors as the ledger's."""
        try:
            yield
        except sqlite3.Error as problem:
            raise LedgerError(
                f"{self._path} cannot be used as a ledger ({problem}): wait if another run holds it, "
                "else bring back a copy"
            ) from problem
