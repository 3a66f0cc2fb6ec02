"""The journal's database: lines, the signed end, checkpoints.

Write-ahead log, because then a commit is one write to the disk, and somebody who reads holds nobody up. Deleted lines
are overwritten (`secure_delete`), and the log, which still holds them, is emptied.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from discreet.errors import JournalError

DATABASE_FILE = "journal.sqlite"
BUSY_MS = 2000
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS lines"
    " (sequence INTEGER PRIMARY KEY, time TEXT NOT NULL, text TEXT NOT NULL, hash TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS checkpoints (number INTEGER PRIMARY KEY, last INTEGER NOT NULL, text TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS head (only INTEGER PRIMARY KEY CHECK (only = 1),"
    " sequence INTEGER NOT NULL, hash TEXT NOT NULL, signature BLOB NOT NULL)",
)


@dataclass(frozen=True)
class Line:
    """A line as it is stored."""

    sequence: int
    time: str
    text: str
    hash: str


@dataclass(frozen=True)
class Head:
    """The end of the journal: what the next line follows, signed at every commit."""

    sequence: int
    hash: str
    signature: bytes

    @staticmethod
    def content(sequence: int, line_hash: str) -> bytes:
        """What is signed."""
        return f"discreet journal head\n{sequence}\n{line_hash}".encode()


class JournalStore:
    """Written to by one process.

    Args:
        path: of the database.

    Raises:
        JournalError: it is no journal, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors_named():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))  # its side files get the same mode
            self._database = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA secure_delete = ON")
        with self.writing():
            for statement in _SCHEMA:
                self._database.execute(statement)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @contextmanager
    def writing(self) -> Generator[None]:
        """One transaction, on the disk when it ends."""
        with self._errors_named():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def append(self, lines: Sequence[Line], head: Head) -> None:
        """Add lines and move the end; inside `writing`."""
        rows = ((line.sequence, line.time, line.text, line.hash) for line in lines)
        self._database.executemany("INSERT INTO lines VALUES (?, ?, ?, ?)", rows)
        self._database.execute(
            "INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?)", (head.sequence, head.hash, head.signature)
        )

    def head(self) -> Head | None:
        """The end; None for a new journal."""
        with self._errors_named():
            row = self._database.execute("SELECT sequence, hash, signature FROM head").fetchone()
            return None if row is None else Head(*row)

    def last_line(self) -> tuple[int, str] | None:
        """Sequence and hash of the last line; None where there is none."""
        with self._errors_named():
            return self._database.execute("SELECT sequence, hash FROM lines ORDER BY sequence DESC LIMIT 1").fetchone()

    def add_checkpoint(self, number: int, last: int, text: str) -> None:
        """Keep a signed checkpoint; inside `writing`."""
        self._database.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (number, last, text))

    def checkpoints(self, after: int = 0) -> list[tuple[int, str]]:
        """Number and text of each checkpoint after a number."""
        with self._errors_named():
            query = "SELECT number, text FROM checkpoints WHERE number > ? ORDER BY number"
            return self._database.execute(query, (after,)).fetchall()

    def last_to_delete(self, oldest: str, now: str) -> int:
        """The last of the lines that are too old; 0 where there is none.

        Clocks go wrong. A line counts as no older than those before it, and a time that has not come yet says nothing:
        so only lines before the first that is surely young enough are looked at, and deleted up to the last old one.

        Args:
            oldest: time of the oldest line to keep.
            now: the time.
        """
        with self._errors_named():
            young = self._database.execute(
                "SELECT sequence FROM lines WHERE time BETWEEN ? AND ? ORDER BY sequence LIMIT 1", (oldest, now)
            ).fetchone()
            end = 2**62 if young is None else young[0]
            old = self._database.execute(
                "SELECT sequence FROM lines WHERE time < ? AND sequence < ? ORDER BY sequence DESC LIMIT 1",
                (oldest, end),
            ).fetchone()
            return 0 if old is None else old[0]

    def line_hash(self, sequence: int) -> str:
        """The hash of one line."""
        with self._errors_named():
            query = "SELECT hash FROM lines WHERE sequence = ?"
            return self._database.execute(query, (sequence,)).fetchone()[0]

    def delete_through(self, sequence: int, newest_checkpoint: int) -> None:
        """Delete lines, and checkpoints that speak of these alone; inside `writing`."""
        self._database.execute("DELETE FROM lines WHERE sequence <= ?", (sequence,))
        self._database.execute("DELETE FROM checkpoints WHERE last <= ? AND number < ?", (sequence, newest_checkpoint))

    def empty_log(self) -> bool:
        """Bring all of the write-ahead log into the database and cut the log to nothing, unless somebody reads.

        Returns:
            Whether it is empty now.
        """
        with self._errors_named():
            self._database.execute("PRAGMA busy_timeout = 0")  # requests wait for this process: it waits for no reader
            busy, _, _ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        return not busy

    @contextmanager
    def _errors_named(self) -> Generator[None]:
        """SQLite's and the system's errors as the journal's."""
        try:
            yield
        except (sqlite3.Error, OSError) as problem:
            raise JournalError(f"{self._path} cannot be written ({problem}): make room or mend the disk") from problem
