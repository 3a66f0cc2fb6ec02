"""Who a bearer token speaks for: JWTs signed with EdDSA (Ed25519), checked against public keys in a file.

Accepted is one algorithm, and of a token's header only `kid`, which must name a key of the file. `jku`, `x5u`, `jwk`
and the like, by which a token would bring its own key, are not looked at; `crit` is refused, because nothing critical
is known here. `typ` must be `at+jwt` (RFC 9068; what `discreet token` writes) or `JWT` (what many OIDC issuers write);
an ID token is told apart by its audience, so the service needs an audience of its own.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from discreet.errors import TokenError
from discreet.service.token_files import (
    TOKEN_ID,
    DamagedFileError,
    PublicKey,
    Watched,
    parse_denylist,
    parse_jwks,
    strict_json,
)

ALGORITHM = "EdDSA"
TYPES = ("at+jwt", "application/at+jwt", "jwt")
MAX_TOKEN_CHARACTERS = 4096
MAX_LIFETIME_S = 24 * 3600
LEEWAY_S = 30
MAX_SUBJECT_CHARACTERS = 256
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_REQUIRED = ("exp", "iat", "iss", "aud", "sub", "jti")
# The first that fits; PyJWT checks the signature before any claim.
_REASONS: tuple[tuple[type[Exception], str, str], ...] = (
    (jwt.InvalidSignatureError, "signature", "the signature does not fit"),
    (jwt.ExpiredSignatureError, "expired", "its time is over; ask for another"),
    (jwt.ImmatureSignatureError, "not-yet-valid", "its time has not come; compare the clocks"),
    (jwt.InvalidAudienceError, "audience", "it is meant for another service"),
    (jwt.InvalidIssuerError, "issuer", "another issuer made it"),
    (jwt.InvalidAlgorithmError, "algorithm", "only EdDSA is accepted"),
    (jwt.MissingRequiredClaimError, "claims", "it must have exp, iat, iss, aud, sub and jti"),
)


@dataclass(frozen=True)
class Caller:
    """Who asks. *SENSITIVE*

    Args:
        subject: the token's `sub`.
        token_id: its `jti`.
        scopes: what it may ask for.
        expires: Unix time.
    """

    subject: str
    token_id: str
    scopes: frozenset[str]
    expires: int


class TokenVerifier:
    """Checks tokens. While keys or denylist are missing or damaged, it accepts none.

    Args:
        jwks: file of public keys, those of `discreet token` or another issuer's; it may appear later.
        issuer: the `iss` that tokens must carry.
        audience: the `aud` that tokens must carry, alone or among others.
        denylist: file of refused token ids; while it is missing, no token is accepted. None: none is refused.
    """

    def __init__(self, jwks: Path, *, issuer: str, audience: str, denylist: Path | None = None) -> None:
        self._keys = Watched(jwks, parse_jwks)
        self._denied = Watched(denylist, parse_denylist) if denylist is not None else None
        self._issuer = issuer
        self._audience = audience

    def verify(self, token: str) -> Caller:
        """Whom the token speaks for.

        Args:
            token: as it came. *SENSITIVE*

        Raises:
            TokenError: it is not accepted; `reason` says why.
        """
        segments = _SHAPE.fullmatch(token) if len(token) <= MAX_TOKEN_CHARACTERS else None
        if segments is None:
            if len(token) > MAX_TOKEN_CHARACTERS:
                raise TokenError("size", f"it is longer than {MAX_TOKEN_CHARACTERS} characters")
            raise _malformed()
        header, claims = _json_object(segments[1]), _json_object(segments[2])
        key = self._key(_key_id(header))
        self._check_signature_and_claims(token, key)
        caller = _caller(claims)
        self._check_denied(caller.token_id)
        return caller

    def _key(self, key_id: str) -> PublicKey:
        """The public key of that name."""
        try:
            keys = self._keys.read()
        except DamagedFileError:
            raise TokenError("no-keys", "the service cannot read its keys; tell the operator") from None
        found = (keys or {}).get(key_id)
        if found is None or (found.expires is not None and found.expires + LEEWAY_S < time.time()):
            raise TokenError("key", "the key that signed it is not, or no longer, known; ask for another")
        return found

    def _check_signature_and_claims(self, token: str, key: PublicKey) -> None:
        """By PyJWT: the signature, then times, audience and issuer."""
        try:
            jwt.decode(
                token, key.key, algorithms=[ALGORITHM], audience=self._audience, issuer=self._issuer, leeway=LEEWAY_S,
                options={"require": list(_REQUIRED)},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as problem:
            for kind, reason, advice in _REASONS:
                if isinstance(problem, kind):
                    raise TokenError(reason, advice) from None
            raise TokenError("claims", "a claim is of the wrong kind") from None

    def _check_denied(self, token_id: str) -> None:
        """Refuse what was revoked."""
        if self._denied is None:
            return
        try:
            denied = self._denied.read()
        except DamagedFileError:
            denied = None
        if denied is None:
            raise TokenError("no-denylist", "the service cannot read its denylist; tell the operator")
        if token_id in denied:
            raise TokenError("revoked", "it was revoked; ask for another")


def token_id(token: str) -> str:
    """The `jti` of a token, unchecked.

    Raises:
        TokenError: it has none.
    """
    segments = _SHAPE.fullmatch(token)
    found = _json_object(segments[2]).get("jti") if segments is not None else None
    if not isinstance(found, str):
        raise _malformed()
    return found


def _malformed() -> TokenError:
    return TokenError("malformed", "it is not a signed JWT")


def _json_object(segment: str) -> dict[str, Any]:
    """Header or claims, strictly: what two readers could read differently is refused."""
    try:
        found = strict_json(base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise _malformed() from None
    if not isinstance(found, dict):
        raise _malformed()
    return found


def _key_id(header: dict[str, Any]) -> str:
    """The name of the key, of a header that asks for nothing unusual."""
    if header.get("alg") != ALGORITHM:
        raise TokenError("algorithm", "only EdDSA is accepted")
    if str(header.get("typ")).lower() not in TYPES:
        raise TokenError("type", "`typ` must be at+jwt or JWT")
    if "crit" in header or "b64" in header:
        raise TokenError("critical", "it asks for an extension that is not known here")
    if not isinstance(header.get("kid"), str):
        raise TokenError("key", "it does not name its key (`kid`)")
    return header["kid"]


def _caller(claims: dict[str, Any]) -> Caller:
    """What the claims say; stricter than the standard in numbers, lengths and lifetime."""
    times = [claims["iat"], claims["exp"], claims.get("nbf", 0)]
    if any(type(value) is not int or value < 0 for value in times):
        raise TokenError("claims", "times must be whole numbers of seconds")
    if not 0 < claims["exp"] - claims["iat"] <= MAX_LIFETIME_S:
        raise TokenError("lifetime", f"it must be valid for at most {MAX_LIFETIME_S // 3600} hours")
    subject, scope = claims["sub"], claims.get("scope", "")
    if not (isinstance(subject, str) and subject.isprintable() and 0 < len(subject) <= MAX_SUBJECT_CHARACTERS):
        raise TokenError("claims", f"`sub` must be a text of 1 to {MAX_SUBJECT_CHARACTERS} characters")
    if not isinstance(claims["jti"], str) or not TOKEN_ID.fullmatch(claims["jti"]):
        raise TokenError("claims", "`jti` must be 1 to 128 visible ASCII characters")
    if not isinstance(scope, str):
        raise TokenError("claims", "`scope` must be a text with blanks between the scopes")
    return Caller(subject, claims["jti"], frozenset(scope.split()), claims["exp"])
