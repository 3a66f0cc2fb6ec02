"""Keys and denylist that change, vanish or are damaged while the service runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from discreet.errors import TokenError
from discreet.service.tokens import LEEWAY_S, TokenVerifier
from tests.unit.service.token_support import AUDIENCE, ISSUER, Issuer, jwk


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def test_a_revoked_token_is_refused_from_now_on(issuer: Issuer) -> None:
    token = issuer.token()
    assert issuer.verifier.verify(token)
    issuer.denylist.write_text("# stolen\nother\nid-1 99999999999\n")
    assert issuer.reason(token) == "revoked"
    issuer.denylist.write_text("other\n")
    assert issuer.verifier.verify(token)


@pytest.mark.parametrize("content", [b"id-1 id-2 id-3\n", b"id-1 soon\n", b"\xff\xff\n", "é\n".encode()])
def test_a_damaged_denylist_lets_nobody_in(issuer: Issuer, content: bytes) -> None:
    issuer.denylist.write_bytes(content)
    assert issuer.reason(issuer.token(jti="another")) == "no-denylist"


def test_a_denylist_that_vanishes_lets_nobody_in(issuer: Issuer) -> None:
    issuer.denylist.write_text("id-1\n")
    assert issuer.reason(issuer.token()) == "revoked"
    issuer.denylist.unlink()
    assert issuer.reason(issuer.token()) == "no-denylist"
    issuer.denylist.write_text("")
    assert issuer.verifier.verify(issuer.token())


def test_a_denylist_that_was_never_seen_lets_nobody_in_either(issuer: Issuer) -> None:
    """As after a restart: whether there was one cannot be remembered."""
    issuer.denylist.unlink()
    assert issuer.reason(issuer.token()) == "no-denylist"
    issuer.denylist.write_text("id-1\n")
    assert issuer.reason(issuer.token()) == "revoked"


def test_a_key_that_is_rotated_out_signs_no_more(issuer: Issuer) -> None:
    token, new = issuer.token(), Ed25519PrivateKey.generate()
    assert issuer.verifier.verify(token)
    issuer.publish(jwk(new, "two"), jwk(issuer.key, "one", exp=int(time.time()) + 60))
    assert issuer.verifier.verify(token)
    assert issuer.verifier.verify(issuer.sign(issuer.header(kid="two"), issuer.claims(), new))
    issuer.publish(jwk(new, "two"), jwk(issuer.key, "one", exp=int(time.time()) - LEEWAY_S - 1))
    assert issuer.reason(token) == "key"
    issuer.publish(jwk(new, "two"))
    assert issuer.reason(token) == "key"


def test_a_change_is_seen_even_with_the_same_size_and_time(issuer: Issuer) -> None:
    assert issuer.verifier.verify(issuer.token())
    before, other = issuer.jwks.stat(), issuer.folder / "other"
    other.write_text(json.dumps({"keys": [jwk(Ed25519PrivateKey.generate(), "one")]}))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(issuer.jwks)
    assert (issuer.jwks.stat().st_size, issuer.jwks.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert issuer.reason(issuer.token()) == "signature"


def _damage(issuer: Issuer) -> list[bytes]:
    good = jwk(issuer.key, "one")
    return [
        b"", b"{", b"[]", b"null", b'{"keys": {}}', b'{"keys": ["x"]}', b'{"keys": [], "keys": []}',
        json.dumps({"keys": [good, good]}).encode(),
        json.dumps({"keys": [good | {"d": good["x"]}]}).encode(),
        json.dumps({"keys": [good | {"x": "AAAA"}]}).encode(),
        json.dumps({"keys": [good | {"exp": "never"}]}).encode(),
        json.dumps({"keys": [good]}).encode()[:-5],
    ]  # fmt: skip


def test_damaged_keys_let_nobody_in_and_mended_ones_do(issuer: Issuer) -> None:
    whole = issuer.jwks.read_bytes()
    for content in _damage(issuer):
        issuer.jwks.write_bytes(content)
        assert issuer.reason(issuer.token()) == "no-keys", content
        assert issuer.reason(issuer.token()) == "no-keys", content
        issuer.jwks.write_bytes(whole)
        assert issuer.verifier.verify(issuer.token())
    issuer.jwks.unlink()
    assert issuer.reason(issuer.token()) == "no-keys"


def test_keys_that_everybody_can_change_are_not_believed(issuer: Issuer) -> None:
    assert issuer.verifier.verify(issuer.token())
    issuer.jwks.chmod(0o666)
    assert issuer.reason(issuer.token()) == "no-keys"
    issuer.jwks.chmod(0o644)
    assert issuer.verifier.verify(issuer.token())


def test_keys_may_come_later(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    token = issuer.token()
    verifier = TokenVerifier(tmp_path / "later.json", issuer=ISSUER, audience=AUDIENCE)
    with pytest.raises(TokenError):
        verifier.verify(token)
    issuer.jwks.rename(tmp_path / "later.json")
    assert verifier.verify(token).subject == "ada"
