"""What one line of the journal says, and how lines are chained: each hash covers the line and the hash before it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from discreet.errors import JournalError

# Constants of the program, by their form: a file name or a sentence that a client sent does not fit by accident.
_FORMS = {
    "request_id": re.compile(r"[A-Za-z0-9-]{1,64}"),
    "route": re.compile(r"/[A-Za-z0-9_/{}-]{0,99}"),
    "model": re.compile(r"[A-Za-z0-9:_-]{0,100}"),
    "policy": re.compile(r"[A-Za-z0-9 =/,_-]{0,200}"),
    "reason": re.compile(r"[a-z0-9-]{0,40}"),
}


@dataclass(frozen=True)
class Entry:
    """One request, as the service knows it. *SENSITIVE*: subject, token_id and source are written as pseudonyms only.

    Args:
        request_id: of the answer.
        route: the route's pattern, never the path.
        status: of the answer.
        subject: who asked; empty for nobody known. `open:ADDRESS` counts as an address.
        token_id: `jti` of the token.
        source: IP address.
        bytes_in, pixels: of the picture; written as the next power of two, because exact sizes recognise a picture.
        faces: how many were found; None where nobody looked.
        model: digest of the network that answered.
        policy: which rules the answer followed.
        milliseconds: from request to answer.
        reason: why it was refused, in a constant word.
    """

    request_id: str
    route: str
    status: int
    subject: str
    token_id: str
    source: str
    bytes_in: int
    pixels: int
    faces: int | None
    model: str
    policy: str
    milliseconds: float
    reason: str = ""

    def message(self) -> bytes:
        """For the writer, in one line.

        Raises:
            JournalError: a field is not what it should be; nothing of it is quoted.
        """
        fields = asdict(self)
        for name, form in _FORMS.items():
            if not isinstance(fields[name], str) or not form.fullmatch(fields[name]):
                raise JournalError(
                    f"{name} of a journal line must fit {form.pattern}; pass a constant, no client's text"
                )
        counts = (self.status, self.bytes_in, self.pixels, 0 if self.faces is None else self.faces)
        if any(type(count) is not int or not 0 <= count < 2**53 for count in counts):
            raise JournalError("status, bytes_in, pixels and faces of a journal line must be whole and not negative")
        if not (math.isfinite(self.milliseconds) and self.milliseconds >= 0):
            raise JournalError("milliseconds of a journal line must be finite and not negative")
        return json.dumps(fields).encode() + b"\n"


class Pseudonyms(Protocol):
    """Names in place of names."""

    def person(self, kind: str, value: str) -> str:
        """Of a subject or token: the same for as long as the journal's key lives."""
        ...

    def address(self, value: str, month: str) -> str:
        """Of an IP address: another one each month."""
        ...


def line_of(fields: Mapping[str, Any], sequence: int, moment: str, pseudonyms: Pseudonyms) -> str:
    """The line's text: nothing else is ever written of a request.

    Args:
        fields: of an Entry. *SENSITIVE*
        sequence: its place in the journal.
        moment: as `timestamp` gives it.
        pseudonyms: of who asked.
    """
    month = moment[:7]
    subject: str = fields["subject"]
    if subject.startswith("open:"):  # an address in a subject's clothes must not outlive the month
        subject = pseudonyms.address(subject, month)
    else:
        subject = pseudonyms.person("subject", subject)
    return canonical(
        {
            "sequence": sequence,
            "time": moment,
            "request_id": fields["request_id"],
            "subject": subject,
            "token": pseudonyms.person("token", fields["token_id"]),
            "source": pseudonyms.address(fields["source"], month),
            "route": fields["route"],
            "status": fields["status"],
            "bytes": bucket(fields["bytes_in"]),
            "pixels": bucket(fields["pixels"]),
            "faces": fields["faces"],
            "model": fields["model"],
            "policy": fields["policy"],
            "milliseconds": round(fields["milliseconds"]),
            "reason": fields["reason"],
        }
    )


def bucket(count: int) -> int:
    """The smallest power of two that is not below; 0 for 0."""
    return 0 if count == 0 else 1 << (count - 1).bit_length()


def timestamp(seconds: float) -> str:
    """A Unix time as UTC text that sorts as time does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def canonical(value: object) -> str:
    """The one JSON text of a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def line_hash(previous: str, text: str) -> str:
    """SHA-256 over the hash before and the line."""
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def first_hash(public_key: bytes) -> str:
    """What stands before the first line: it ties the chain to the key that signs its checkpoints."""
    return hashlib.sha256(b"discreet journal\n" + public_key).hexdigest()
