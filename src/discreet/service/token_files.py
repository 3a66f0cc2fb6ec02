"""What tokens are checked against: public keys (JWKS) and the denylist, read again when they change."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Content = TypeVar("Content")
MAX_FILE_BYTES = 16 << 20
# What a line of the denylist can hold: visible ASCII, and no comment.
TOKEN_ID = re.compile(r"[\x21\x22\x24-\x7e][\x21-\x7e]{0,127}")


class DamagedFileError(Exception):
    """A file does not say what it should; until it does, no token is accepted."""


@dataclass(frozen=True)
class PublicKey:
    """A key that tokens may be signed with; after `expires` (Unix time) it counts no more. None: it still signs."""

    key: Ed25519PublicKey
    expires: int | None


class Watched(Generic[Content]):
    """A file's content, read again whenever the file is another one.

    Args:
        path: of the file.
        parse: its bytes to its content; raises DamagedFileError.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], Content]) -> None:
        self._path = path
        self._parse = parse
        self._seen: tuple[int, ...] | None = None
        self._content: Content | None = None

    def read(self) -> Content | None:
        """The content; None while there has never been a file.

        Raises:
            DamagedFileError: it is damaged or unreadable, can be changed by everybody, or is there no more.
        """
        try:
            if self._content is not None and _identity(self._path.stat()) == self._seen:
                return self._content
            content, self._seen = self._load()
        except FileNotFoundError:
            if self._seen is None:
                return None
            self._content = None
            raise DamagedFileError("it was there and is missing now") from None
        except OSError as problem:
            self._content = None
            raise DamagedFileError(f"it cannot be read ({problem.strerror})") from None
        self._content = None  # what does not parse leaves nothing behind to go on with
        self._content = self._parse(content)
        return self._content

    def _load(self) -> tuple[bytes, tuple[int, ...]]:
        """Bytes and identity of one and the same file."""
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & stat.S_IWOTH:
                raise DamagedFileError("every user can change it; run chmod o-w on it")
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise DamagedFileError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
        return content, _identity(status)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Changes whenever the content may have."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def strict_json(content: bytes | str) -> Any:
    """JSON in which no key comes twice and every number is finite.

    Raises:
        ValueError: it is not.
    """
    try:
        return json.loads(content, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers could take different ones of two equal keys."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parse_jwks(content: bytes) -> dict[str, PublicKey]:
    """The Ed25519 keys of a JWKS by `kid`; keys of other kinds are not for us and are passed over.

    Raises:
        DamagedFileError: it is no JWKS, a `kid` comes twice, or a private key is in it.
    """
    try:
        entries = strict_json(content)["keys"]
        if not isinstance(entries, list):
            raise DamagedFileError("`keys` is not a list")
        ours = [entry for entry in entries if _is_ours(entry)]
        keys = {str(entry["kid"]): _public_key(entry) for entry in ours}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedFileError('it is not a JWKS: {"keys": […]}') from None
    if len(keys) != len(ours):
        raise DamagedFileError("two keys have the same `kid`")
    return keys


def _is_ours(entry: dict[str, Any]) -> bool:
    """Whether a key of the set is an Ed25519 key for signatures, with a name."""
    if (entry.get("kty"), entry.get("crv")) != ("OKP", "Ed25519"):
        return False
    if "d" in entry:
        raise DamagedFileError("it holds a private key, which whoever read it may use; make new keys")
    return entry.get("use", "sig") == "sig" and entry.get("alg", "EdDSA") == "EdDSA" and bool(entry.get("kid"))


def _public_key(entry: dict[str, Any]) -> PublicKey:
    """One entry's key; `exp` is that of OpenID Federation: when the key ends."""
    expires = entry.get("exp")
    if expires is not None and type(expires) is not int:
        raise ValueError("exp is not a whole number")
    encoded = str(entry["x"])
    raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    return PublicKey(Ed25519PublicKey.from_public_bytes(raw), expires)


def parse_denylist(content: bytes) -> dict[str, int | None]:
    """Refused token ids, each with the Unix time after which it may be forgotten, or None.

    Raises:
        DamagedFileError: a line is neither empty, nor a comment, nor `ID` or `ID TIME`.
    """
    found: dict[str, int | None] = {}
    try:
        lines = content.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise DamagedFileError("it is not plain text") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2 or not TOKEN_ID.fullmatch(words[0]) or not all(word.isdecimal() for word in words[1:]):
            raise DamagedFileError(f"line {number} is neither `ID` nor `ID UNIX_TIME`")
        found[words[0]] = int(words[1]) if len(words) == 2 else None
    return found
