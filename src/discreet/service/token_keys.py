"""The service's own issuer: its keys, the tokens it signs, and which of them are revoked.

`jwks.json` is the truth. The one key in it without `exp` signs; its private half is `token-keys/KID.pem`. Keys with
`exp` were rotated out: their private halves are destroyed, and they are accepted until their last token has expired.

The denylist begins, empty, with the first key: so a lost one is told from one that never was.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from discreet.errors import ConfigurationError
from discreet.private_files import destroy, locked, private_folder, read_private, write_private
from discreet.service.token_files import TOKEN_ID, DamagedFileError, parse_denylist, parse_jwks, strict_json
from discreet.service.tokens import ALGORITHM, LEEWAY_S, MAX_LIFETIME_S
from discreet.signing import private_pem

SCOPES = ("parse", "metrics", "admin")
DEFAULT_MINUTES = 15
JWKS_FILE = "jwks.json"
DENYLIST_FILE = "denylist.txt"
KEYS_FOLDER = "token-keys"
_SUBJECT = re.compile(r"[^\s\x00-\x1f\x7f]{1,128}")
_DENYLIST_HEAD = "# Token ids (jti) that are refused, each with the Unix time after which it may be forgotten.\n"


def make_keys(folder: Path, denylist: Path | None = None) -> str | None:
    """Make a key to sign with, unless there is one.

    Args:
        folder: of the service's own files; made 0700 if it is not there.
        denylist: of the service, begun with its first key; by default the one in the folder.

    Returns:
        The new key's `kid`; None where there was one.

    Raises:
        ConfigurationError: keys are there, and damaged or open to others.
    """
    private_folder(folder)
    with locked(folder):
        return _make_first(folder, denylist)


def rotate(folder: Path, *, drop_old: bool = False, denylist: Path | None = None) -> str:
    """Make a new key to sign with; the private half of the old one is destroyed.

    Args:
        folder: of the service's own files.
        drop_old: accept what the old keys signed no more, from now on. Otherwise until it has expired.
        denylist: as of `make_keys`.

    Returns:
        The new key's `kid`.
    """
    private_folder(folder)
    with locked(folder):
        old = [] if drop_old else _read_jwks(folder)
        ends = int(time.time()) + MAX_LIFETIME_S
        for entry in old:
            entry["exp"] = min(entry.get("exp", ends), ends)
        return _begin_key(folder, old, denylist)


def issue(
    folder: Path, subject: str, minutes: int, scopes: Sequence[str], issuer: str, audience: str
) -> tuple[str, int]:
    """Sign a token, with a key made at first use.

    Args:
        folder: of the service's own files.
        subject: whom it speaks for: 1 to 128 characters without blanks.
        minutes: how long it is valid, 1 to 1440.
        scopes: any of `SCOPES`.
        issuer, audience: as the service is set.

    Returns:
        The token, *SENSITIVE*, and the Unix time at which it expires.

    Raises:
        ConfigurationError: an argument is out of range, or the keys are damaged.
    """
    longest = MAX_LIFETIME_S // 60
    if not 1 <= minutes <= longest:
        raise ConfigurationError(f"minutes is {minutes}; allowed: 1 to {longest}. For longer access issue again")
    if not _SUBJECT.fullmatch(subject):
        raise ConfigurationError(f"subject is {subject!r}; allowed: 1 to 128 characters without blanks")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise ConfigurationError(f"scopes are {' '.join(scopes) or 'none'}; allowed: {', '.join(SCOPES)}")
    private_folder(folder)
    with locked(folder):
        _make_first(folder)
        key_id = _signing_key_id(folder)
        path = folder / KEYS_FOLDER / f"{key_id}.pem"
        if not path.exists():
            raise ConfigurationError(f"{path} is missing; bring it back, or make a new key: discreet token --rotate")
        key = read_private(path)
    now = int(time.time())
    claims = {
        "iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + 60 * minutes,
        "jti": secrets.token_hex(16), "scope": " ".join(dict.fromkeys(scopes)),
    }  # fmt: skip
    token = jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": "at+jwt", "kid": key_id})
    return token, now + 60 * minutes


def revoke(denylist: Path, token_id: str) -> None:
    """Add a token id to the denylist, and forget those that could not be used any more.

    Args:
        denylist: of the service.
        token_id: `jti` of the token.

    Raises:
        ConfigurationError: it is no token id, or the denylist is damaged.
    """
    if not TOKEN_ID.fullmatch(token_id):
        raise ConfigurationError(f"{token_id!r} is not a token id; allowed: 1 to 128 visible ASCII characters")
    denylist.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(denylist.parent):
        now = int(time.time())
        kept = {name: until for name, until in read_denylist(denylist).items() if until is None or until > now}
        kept[token_id] = now + MAX_LIFETIME_S + 2 * LEEWAY_S
        lines = (name if until is None else f"{name} {until}" for name, until in kept.items())
        write_private(denylist, (_DENYLIST_HEAD + "\n".join(lines) + "\n").encode())


def begin_denylist(denylist: Path) -> None:
    """An empty denylist, unless there is one."""
    denylist.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not denylist.exists():
        write_private(denylist, _DENYLIST_HEAD.encode())


def require_denylist(denylist: Path, *keys: Path | None) -> None:
    """Make sure that a denylist has not been lost.

    Args:
        denylist: of the service.
        keys: JWKS that tokens are checked against; where none is there, none was revoked either.

    Raises:
        ConfigurationError: it is missing; says how to go on.
    """
    if not denylist.exists() and any(jwks is not None and jwks.exists() for jwks in keys):
        raise ConfigurationError(
            f"{denylist} is missing, and with it which tokens are revoked, so none is accepted: bring it back. If none "
            "was revoked within 24 hours, or after discreet token --rotate --drop-old, make an empty file there instead"
        )


def read_denylist(denylist: Path) -> dict[str, int | None]:
    """Revoked token ids; none where there is no file.

    Raises:
        ConfigurationError: it is damaged.
    """
    if not denylist.exists():
        return {}
    try:
        return parse_denylist(denylist.read_bytes())
    except (DamagedFileError, OSError) as problem:
        raise ConfigurationError(f"{denylist} is damaged: {problem}; mend it, because no token is accepted") from None


def overview(folder: Path) -> list[tuple[str, int | None]]:
    """Each key that is accepted: its `kid`, and until when (Unix time; None for the one that signs)."""
    now = time.time()
    keys = [(str(entry["kid"]), entry.get("exp")) for entry in _read_jwks(folder)]
    return [(key_id, ends) for key_id, ends in keys if ends is None or ends > now]


def key_ids(jwks: Path) -> set[str]:
    """The names of the keys in a JWKS.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return set(parse_jwks(jwks.read_bytes()))
    except (OSError, DamagedFileError) as problem:
        raise ConfigurationError(f"{jwks} is not a set of public keys ({problem}); set DISCREET_JWKS anew") from None


def _make_first(folder: Path, denylist: Path | None = None) -> str | None:
    """A first key where there is none; inside the lock."""
    if any("exp" not in entry for entry in _read_jwks(folder)):
        return None
    return _begin_key(folder, _read_jwks(folder), denylist)


def _begin_key(folder: Path, others: list[dict[str, Any]], denylist: Path | None) -> str:
    """Write the private half, then the set that names it, then destroy older ones: a crash leaves a key that signs."""
    if not (folder / JWKS_FILE).exists():
        begin_denylist(denylist or folder / DENYLIST_FILE)
    key = Ed25519PrivateKey.generate()
    entry = _entry(key)
    keys = private_folder(folder / KEYS_FOLDER)
    write_private(keys / f"{entry['kid']}.pem", private_pem(key))
    accepted = [other for other in others if other.get("exp", 0) > time.time() - LEEWAY_S]
    jwks = {"keys": [entry, *accepted]}
    write_private(folder / JWKS_FILE, json.dumps(jwks, indent=1).encode())
    for path in keys.glob("*.pem"):
        if path.stem != entry["kid"]:
            destroy(path)
    return entry["kid"]


def _entry(key: Ed25519PrivateKey) -> dict[str, Any]:
    """A public key as JWK; its name is its thumbprint (RFC 7638)."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    thumbprint = hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    return {**members, "kid": _base64url(thumbprint), "use": "sig", "alg": ALGORITHM}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _read_jwks(folder: Path) -> list[dict[str, Any]]:
    """The entries of the folder's own set; none where there is no file."""
    path = folder / JWKS_FILE
    if not path.exists():
        return []
    try:
        content = path.read_bytes()
        parse_jwks(content)
        return strict_json(content)["keys"]
    except (OSError, DamagedFileError) as problem:
        raise ConfigurationError(f"{path} is damaged: {problem}; remove it to begin with new keys") from None


def _signing_key_id(folder: Path) -> str:
    """The name of the key that signs."""
    return next(str(entry["kid"]) for entry in _read_jwks(folder) if "exp" not in entry)
