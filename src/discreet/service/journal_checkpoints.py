"""Signed checkpoints: what the journal's end was at a moment, and how far it has been deleted.

A chain of hashes shows a change in the middle, and not that its end was cut off. Whoever keeps a checkpoint elsewhere
notices that too.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from discreet.errors import JournalError
from discreet.service.journal_lines import canonical
from discreet.service.token_files import strict_json

NO_CHECKPOINT = ""
_LONGEST_LINE_BYTES = 1 << 16
_DOMAIN = b"discreet journal checkpoint\n"


class Signer(Protocol):
    """Signs."""

    def sign(self, content: bytes) -> bytes:
        """An Ed25519 signature."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """What is signed.

    Args:
        number: 1, 2, 3 …
        previous: SHA-256 of the checkpoint before.
        time: when it was made.
        last, last_hash: the last line then.
        deleted, deleted_hash: the last line that retention has deleted; 0 and the hash before the first line for none.
    """

    number: int
    previous: str
    time: str
    last: int
    last_hash: str
    deleted: int
    deleted_hash: str

    def sign(self, signer: Signer) -> str:
        """One line of JSON: the checkpoint and its signature."""
        fields = asdict(self)
        signature = signer.sign(_DOMAIN + canonical(fields).encode())
        return canonical({**fields, "signature": base64.b64encode(signature).decode()})


def read_checkpoint(text: str, key: Ed25519PublicKey) -> Checkpoint:
    """A checkpoint whose signature fits.

    Raises:
        ValueError: it is damaged or forged.
    """
    checkpoint, signature = _parse(text)
    try:
        key.verify(signature, _DOMAIN + canonical(asdict(checkpoint)).encode())
    except InvalidSignature:
        raise ValueError("its signature does not fit") from None
    return checkpoint


def digest(text: str) -> str:
    """What the next checkpoint calls this one by."""
    return hashlib.sha256(text.encode()).hexdigest()


def _parse(text: str) -> tuple[Checkpoint, bytes]:
    fields: dict[str, Any] = strict_json(text)
    try:
        signature = base64.b64decode(fields.pop("signature"), validate=True)
        checkpoint = Checkpoint(**fields)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError("it is no checkpoint") from None
    for name, kind in Checkpoint.__annotations__.items():
        if type(getattr(checkpoint, name)).__name__ != kind:
            raise ValueError("it is no checkpoint")
    return checkpoint, signature


class CheckpointFile:
    """Checkpoints in a text file beside the database, which the operator can ship elsewhere line by line.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def texts(self) -> list[str]:
        """All whole lines; what a crash left unfinished does not count."""
        try:
            content = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return content.split("\n")[:-1]

    def append(self, text: str) -> None:
        """Add one line; it is on the disk when this returns.

        Raises:
            JournalError: it is not.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "rb+", buffering=0) as file:
                os.ftruncate(descriptor, _end_of_last_line(descriptor))  # what a crash left unfinished
                file.write(text.encode() + b"\n")
                os.fsync(descriptor)
        except OSError as problem:
            raise JournalError(f"{self._path} cannot be written ({problem.strerror}): make room") from None


def _end_of_last_line(descriptor: int) -> int:
    """Where the last whole line ends; lines are far shorter than what is looked at."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _LONGEST_LINE_BYTES)
    end = os.pread(descriptor, _LONGEST_LINE_BYTES, start).rfind(b"\n")
    return start + end + 1
