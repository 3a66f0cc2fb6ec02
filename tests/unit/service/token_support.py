"""An issuer of tokens for tests, that signs whatever it is told to."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from discreet.errors import TokenError
from discreet.service.tokens import TokenVerifier

ISSUER, AUDIENCE = "https://issuer.example", "parser"


def encode(content: bytes | dict[str, Any]) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(key: Ed25519PrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": encode(raw), "kid": kid, **more}


@dataclass
class Issuer:
    """An issuer with one key in a JWKS, and a verifier that reads it."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.jwks = self.folder / "jwks.json"
        self.denylist = self.folder / "denylist.txt"
        self.publish(jwk(self.key, "one"))
        self.denylist.write_text("")
        self.verifier = TokenVerifier(self.jwks, issuer=ISSUER, audience=AUDIENCE, denylist=self.denylist)

    def publish(self, *entries: dict[str, Any]) -> None:
        self.jwks.write_text(json.dumps({"keys": entries}))

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "jti": "id-1", "iat": now, "exp": now + 900}
        return {name: value for name, value in {**good, "scope": "parse", **changes}.items() if value is not ...}

    def header(self, **changes: Any) -> dict[str, Any]:
        good = {"alg": "EdDSA", "typ": "at+jwt", "kid": "one"}
        return {name: value for name, value in {**good, **changes}.items() if value is not ...}

    def sign(self, header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, key: Any = None) -> str:
        """A valid EdDSA signature over anything at all."""
        signed = f"{encode(header)}.{encode(claims)}"
        return f"{signed}.{encode((key or self.key).sign(signed.encode()))}"

    def token(self, **changes: Any) -> str:
        return self.sign(self.header(), self.claims(**changes))

    def reason(self, token: str) -> str:
        with pytest.raises(TokenError) as caught:
            self.verifier.verify(token)
        assert not token or token not in str(caught.value)
        assert "\n" not in str(caught.value)
        return caught.value.reason
