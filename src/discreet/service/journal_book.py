"""The journal as the one process that writes it sees it: lines, checkpoints, retention."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature

from discreet.errors import JournalError
from discreet.private_files import private_folder, write_private
from discreet.service.journal_checkpoints import NO_CHECKPOINT, Checkpoint, CheckpointFile, digest, read_checkpoint
from discreet.service.journal_keys import JournalKeys
from discreet.service.journal_lines import first_hash, line_hash, line_of, timestamp
from discreet.service.journal_store import DATABASE_FILE, Head, JournalStore, Line
from discreet.signing import load_public_key

CHECKPOINTS_FILE = "checkpoints.jsonl"
PUBLIC_KEY_FILE = "public-key.pem"
LOCK_FILE = ".writer"
CHECKPOINT_LINES = 1000
CHECKPOINT_S = 60.0
RETENTION_S = 3600.0
# Requests wait meanwhile: some ten milliseconds.
DELETE_AT_ONCE = 1000
DAY_S = 86400
_LOCK_WITHIN_S = 3.0


class Book:
    """An open journal.

    Args:
        folder: of the journal, 0700.
        keys: of the journal.
        days: how long lines are kept.
        clock: Unix time.

    Raises:
        JournalError: another process writes it, or it is not as this key left it.
    """

    def __init__(self, folder: Path, keys: JournalKeys, *, days: int, clock: Callable[[], float] = time.time) -> None:
        self._folder = private_folder(folder)
        self._keys = keys
        self._days = days
        self._clock = clock
        with ExitStack() as held:
            held.callback(os.close, _take_lock(folder / LOCK_FILE))
            self._store = JournalStore(folder / DATABASE_FILE)
            held.callback(self._store.close)
            self._file = CheckpointFile(folder / CHECKPOINTS_FILE)
            self._beginning = first_hash(keys.public)
            self._number, self._previous, self._deleted = self._checkpoint_state()
            self._sequence, self._hash = self._end()
            self._check_file()
            if not (folder / PUBLIC_KEY_FILE).exists():
                write_private(folder / PUBLIC_KEY_FILE, keys.public)
            self._held = held.pop_all()
        self._lines_since = 0
        self._checkpoint_due = time.monotonic() + CHECKPOINT_S
        self._retention_due = time.monotonic()
        self._to_delete = 0
        self._log_holds_deleted = False

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write lines; they are on the disk when this returns.

        Args:
            entries: fields of Entry, in order. *SENSITIVE*

        Raises:
            JournalError: nothing was written.
        """
        moment = timestamp(self._clock())  # a clock may go backwards: the time is noted as it is, the sequence counts
        sequence, previous = self._sequence, self._hash
        lines: list[Line] = []
        for fields in entries:
            sequence += 1
            text = line_of(fields, sequence, moment, self._keys)
            previous = line_hash(previous, text)
            lines.append(Line(sequence, moment, text, previous))
        with self._store.writing():
            self._store.append(lines, self._sign_head(sequence, previous))
        self._sequence, self._hash = sequence, previous
        self._lines_since += len(lines)

    def chores(self) -> bool:
        """What is due: a checkpoint, retention, the month's key.

        Returns:
            Whether there is more to do at once.
        """
        now = time.monotonic()
        if self._lines_since >= CHECKPOINT_LINES or (self._lines_since and now >= self._checkpoint_due):
            self.checkpoint()
        if now < self._retention_due:
            return False
        self._keys.begin_month(timestamp(self._clock())[:7])
        if self._delete_some():
            return True
        if self._log_holds_deleted:
            self._log_holds_deleted = not self._store.empty_log()
        self._retention_due = now + (CHECKPOINT_S if self._log_holds_deleted else RETENTION_S)
        return False

    def checkpoint(self) -> None:
        """Sign the end."""
        with self._store.writing():
            text = self._add_checkpoint(self._deleted)
        self._published(text, self._deleted)

    def close(self) -> None:
        """Sign the end, and let go."""
        if self._lines_since:
            self.checkpoint()
        self._held.close()

    def _delete_some(self) -> bool:
        """Delete some of the lines that are too old; a signed checkpoint, in the same transaction, says which."""
        now = self._clock()
        if self._to_delete <= self._deleted[0]:
            self._to_delete = self._store.last_to_delete(timestamp(now - self._days * DAY_S), timestamp(now))
        if self._to_delete <= self._deleted[0]:
            return False
        last = min(self._to_delete, self._deleted[0] + DELETE_AT_ONCE)
        deleted = (last, self._store.line_hash(last))
        with self._store.writing():
            text = self._add_checkpoint(deleted)
            self._store.delete_through(last, self._number + 1)
        self._published(text, deleted)
        self._log_holds_deleted = True
        return True

    def _add_checkpoint(self, deleted: tuple[int, str]) -> str:
        """The next checkpoint, in the database."""
        checkpoint = Checkpoint(
            self._number + 1, self._previous, timestamp(self._clock()), self._sequence, self._hash, *deleted
        )
        text = checkpoint.sign(self._keys)
        self._store.add_checkpoint(checkpoint.number, checkpoint.last, text)
        return text

    def _published(self, text: str, deleted: tuple[int, str]) -> None:
        """After the commit: into the file, so that the file never speaks of what is not there."""
        self._file.append(text)
        self._number, self._previous, self._deleted = self._number + 1, digest(text), deleted
        self._lines_since = 0
        self._checkpoint_due = time.monotonic() + CHECKPOINT_S

    def _sign_head(self, sequence: int, end: str) -> Head:
        return Head(sequence, end, self._keys.sign(Head.content(sequence, end)))

    def _checkpoint_state(self) -> tuple[int, str, tuple[int, str]]:
        """Number and digest of the newest checkpoint, and what is deleted."""
        known = self._store.checkpoints()
        if not known:
            return 0, NO_CHECKPOINT, (0, self._beginning)
        newest = self._read(known[-1][1])
        return newest.number, digest(known[-1][1]), (newest.deleted, newest.deleted_hash)

    def _end(self) -> tuple[int, str]:
        """The signed end, which must be that of the lines."""
        head, last = self._store.head(), self._store.last_line()
        if head is None and last is None and self._number == 0:
            return 0, self._beginning
        try:
            if head is None or (head.sequence, head.hash) != (last or self._deleted):
                raise ValueError
            load_public_key(self._keys.public).verify(head.signature, Head.content(head.sequence, head.hash))
        except (ValueError, InvalidSignature):
            raise self._not_as_left("its end is not the one that was signed") from None
        return head.sequence, head.hash

    def _check_file(self) -> None:
        """The file of checkpoints may lack what a crash kept from it, but never knows more than the database."""
        texts = self._file.texts()
        newest = self._read(texts[-1]) if texts else None
        if newest is not None and (newest.number > self._number or newest.last > self._sequence):
            raise self._not_as_left(f"it ends at line {self._sequence}, and a checkpoint knows line {newest.last}")
        for _, text in self._store.checkpoints(0 if newest is None else newest.number):
            self._file.append(text)

    def _read(self, text: str) -> Checkpoint:
        try:
            return read_checkpoint(text, load_public_key(self._keys.public))
        except ValueError as problem:
            raise self._not_as_left(f"a checkpoint is not this journal's: {problem}") from None

    def _not_as_left(self, what: str) -> JournalError:
        return JournalError(
            f"{self._folder} was changed: {what}. Run discreet journal verify; then move it away to begin a new one"
        )


def _take_lock(path: Path) -> int:
    """So that one process writes; the one before may still be finishing."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + _LOCK_WITHIN_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise JournalError(
                    f"{path.parent} is written by another service; end it, or set DISCREET_JOURNAL to another folder"
                ) from None
            time.sleep(0.05)
