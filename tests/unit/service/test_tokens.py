"""Which tokens are accepted: the whole matrix of confusions, each made by a real key or by none."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from discreet.service.tokens import LEEWAY_S, MAX_LIFETIME_S
from tests.unit.service.token_support import AUDIENCE, ISSUER, Issuer, encode, jwk


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def test_a_good_token_says_who_asks(issuer: Issuer) -> None:
    caller = issuer.verifier.verify(issuer.token(scope="parse metrics"))
    assert (caller.subject, caller.token_id, caller.scopes) == ("ada", "id-1", {"parse", "metrics"})
    assert caller.expires == pytest.approx(time.time() + 900, abs=5)


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT"])
def test_both_kinds_of_access_token_are_taken(issuer: Issuer, kind: str) -> None:
    assert issuer.verifier.verify(issuer.sign(issuer.header(typ=kind), issuer.claims())).subject == "ada"


def test_the_audience_may_stand_in_a_list(issuer: Issuer) -> None:
    assert issuer.verifier.verify(issuer.token(aud=["other", AUDIENCE])).subject == "ada"


def test_without_a_scope_nothing_is_allowed(issuer: Issuer) -> None:
    assert issuer.verifier.verify(issuer.token(scope=...)).scopes == frozenset()


# --- the algorithm


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, "eddsa", "Ed25519", "HS256", ["EdDSA"], 7, ...])
def test_no_other_name_of_an_algorithm_is_taken_whatever_the_signature(issuer: Issuer, alg: Any) -> None:
    assert issuer.reason(issuer.sign(issuer.header(alg=alg), issuer.claims())) == "algorithm"


def test_alg_none_without_a_signature_is_refused(issuer: Issuer) -> None:
    unsigned = f"{encode(issuer.header(alg='none'))}.{encode(issuer.claims())}"
    assert issuer.reason(f"{unsigned}.") == "malformed"
    assert issuer.reason(f"{unsigned}.AA") == "algorithm"


def test_the_public_key_is_no_hmac_secret(issuer: Issuer) -> None:
    public = issuer.key.public_key()
    secrets = [
        public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw),
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        issuer.jwks.read_bytes(),
    ]
    for secret in secrets:
        for alg, reason in (("HS256", "algorithm"), ("EdDSA", "signature")):
            signed = f"{encode(issuer.header(alg=alg))}.{encode(issuer.claims())}"
            tag = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            assert issuer.reason(f"{signed}.{encode(tag)}") == reason


def test_rsa_and_ecdsa_keys_sign_nothing_even_if_they_are_in_the_set(issuer: Issuer) -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    others = [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key.public_key())) | {"kid": "rsa"}]
    others.append(json.loads(jwt.algorithms.ECAlgorithm(ec_key.curve).to_jwk(ec_key.public_key())) | {"kid": "ec"})
    issuer.publish(jwk(issuer.key, "one"), *others)
    for alg, kid, key in (("RS256", "rsa", rsa_key), ("ES256", "ec", ec_key)):
        token = jwt.encode(issuer.claims(), key, algorithm=alg, headers={"kid": kid, "typ": "at+jwt"})
        assert issuer.reason(token) == "algorithm"
        _, claims, signature = token.split(".")
        disguised = f"{encode(issuer.header(kid=kid))}.{claims}.{signature}"
        assert issuer.reason(disguised) == "key"
    assert issuer.verifier.verify(issuer.token()).subject == "ada"  # other keys in the set do no harm


def test_ed448_is_not_ed25519(issuer: Issuer) -> None:
    key = ed448.Ed448PrivateKey.generate()
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    issuer.publish({"kty": "OKP", "crv": "Ed448", "x": encode(raw), "kid": "one"})
    assert issuer.reason(issuer.sign(issuer.header(), issuer.claims(), key)) == "key"


# --- the key


@pytest.mark.parametrize("kid", ["two", "", ..., None, 1, ["one"], "../one", "One"])
def test_the_key_must_be_one_of_the_set(issuer: Issuer, kid: Any) -> None:
    assert issuer.reason(issuer.sign(issuer.header(kid=kid), issuer.claims())) == "key"


def test_another_key_under_a_known_name_does_not_sign(issuer: Issuer) -> None:
    assert issuer.reason(issuer.sign(issuer.header(), issuer.claims(), Ed25519PrivateKey.generate())) == "signature"


def test_a_token_cannot_bring_its_own_key(issuer: Issuer) -> None:
    own = Ed25519PrivateKey.generate()
    brought = {
        "jwk": jwk(own, "one"),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/c",
        "x5c": ["x"],
    }
    for name, value in brought.items():
        assert issuer.reason(issuer.sign(issuer.header(**{name: value}), issuer.claims(), own)) == "signature"
        assert issuer.reason(issuer.sign(issuer.header(kid="own", **{name: value}), issuer.claims(), own)) == "key"
        # Beside a good signature they are looked at by nobody.
        assert issuer.verifier.verify(issuer.sign(issuer.header(**{name: value}), issuer.claims())).subject == "ada"


@pytest.mark.parametrize("header", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": None}, {"b64": False}])
def test_critical_extensions_are_refused(issuer: Issuer, header: dict[str, Any]) -> None:
    assert issuer.reason(issuer.sign(issuer.header(**header), issuer.claims())) == "critical"


@pytest.mark.parametrize("kind", [..., None, "", "id+jwt", "logout+jwt", "dpop+jwt", "JOSE", 5, ["JWT"]])
def test_other_kinds_of_jwt_are_refused(issuer: Issuer, kind: Any) -> None:
    assert issuer.reason(issuer.sign(issuer.header(typ=kind), issuer.claims())) == "type"


# --- the claims


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "jti"])
def test_every_claim_is_needed(issuer: Issuer, claim: str) -> None:
    assert issuer.reason(issuer.token(**{claim: ...})) in {"claims", "issuer", "audience"}
    assert issuer.reason(issuer.token(**{claim: None})) in {"claims", "issuer", "audience"}


@pytest.mark.parametrize("audience", ["other", "", "Parser", "parse", [], ["other"], [AUDIENCE, 1], {AUDIENCE: 1}, 3])
def test_the_audience_must_be_this_service(issuer: Issuer, audience: Any) -> None:
    assert issuer.reason(issuer.token(aud=audience)) in {"audience", "claims"}


@pytest.mark.parametrize("name", ["https://evil.example", "", ISSUER + "/", [ISSUER], 1])
def test_the_issuer_must_be_the_one(issuer: Issuer, name: Any) -> None:
    assert issuer.reason(issuer.token(iss=name)) in {"issuer", "claims"}


def test_times_count_with_a_leeway(issuer: Issuer) -> None:
    now = int(time.time())
    past, soon = now - LEEWAY_S, now + LEEWAY_S
    assert issuer.verifier.verify(issuer.token(iat=now - 900, exp=past + 5)).subject == "ada"
    assert issuer.verifier.verify(issuer.token(iat=soon - 5, nbf=soon - 5)).subject == "ada"
    assert issuer.reason(issuer.token(iat=now - 900, exp=past - 5)) == "expired"
    assert issuer.reason(issuer.token(iat=soon + 5)) == "not-yet-valid"
    assert issuer.reason(issuer.token(nbf=soon + 5)) == "not-yet-valid"


@pytest.mark.parametrize(
    "value", [-1, 0, 1.5, True, "soon", "99999999999", None, [], {}, 2**63, 10**400, 1e300], ids=repr
)
def test_odd_times_are_refused(issuer: Issuer, value: Any) -> None:
    assert issuer.reason(issuer.token(exp=value)) in {"claims", "expired", "lifetime"}


def test_a_float_that_is_near_is_refused_too(issuer: Issuer) -> None:
    assert issuer.reason(issuer.token(exp=time.time() + 900.5)) == "claims"
    assert issuer.reason(issuer.token(nbf=time.time() - 900.5)) == "claims"
    assert issuer.reason(issuer.token(iat=True)) == "claims"


@pytest.mark.parametrize("text", [b"1e999", b"-1e999", b"NaN", b"Infinity", b"1" * 2000], ids=lambda text: text[:9])
def test_numbers_that_only_json_knows_are_refused(issuer: Issuer, text: bytes) -> None:
    claims = json.dumps(issuer.claims(exp="HERE")).encode().replace(b'"HERE"', text)
    assert issuer.reason(issuer.sign(issuer.header(), claims)) in {"claims", "malformed", "lifetime", "expired"}


def test_no_token_lives_longer_than_a_day(issuer: Issuer) -> None:
    now = int(time.time())
    assert issuer.verifier.verify(issuer.token(iat=now, exp=now + MAX_LIFETIME_S)).subject == "ada"
    assert issuer.reason(issuer.token(iat=now, exp=now + MAX_LIFETIME_S + 1)) == "lifetime"
    assert issuer.reason(issuer.token(iat=now, exp=now)) == "lifetime"


@pytest.mark.parametrize("subject", ["", 5, ["ada"], "a" * 257, "ada\nroot", "a\x00", "\ud800", "a\u202eb"])
def test_a_subject_is_a_printable_text(issuer: Issuer, subject: Any) -> None:
    assert issuer.reason(issuer.token(sub=subject)) == "claims"


def test_a_subject_may_be_chinese(issuer: Issuer) -> None:
    assert issuer.verifier.verify(issuer.token(sub="王小明")).subject == "王小明"


@pytest.mark.parametrize("name", ["", 5, "a b", "a" * 129, "é", "#x", "a\n"])
def test_a_token_id_fits_into_the_denylist(issuer: Issuer, name: Any) -> None:
    assert issuer.reason(issuer.token(jti=name)) == "claims"


@pytest.mark.parametrize("scope", [["parse"], 5, {"parse": 1}, None])
def test_scopes_are_one_text(issuer: Issuer, scope: Any) -> None:
    assert issuer.reason(issuer.token(scope=scope)) == "claims"


# --- the form


def test_equal_keys_are_refused(issuer: Issuer) -> None:
    claims = json.dumps(issuer.claims()).replace('"sub": "ada"', '"sub": "ada", "sub": "root"').encode()
    assert issuer.reason(issuer.sign(issuer.header(), claims)) == "malformed"
    header = b'{"alg": "none", "alg": "EdDSA", "typ": "at+jwt", "kid": "one"}'
    assert issuer.reason(issuer.sign(header, issuer.claims())) == "malformed"


def _changed(change: Callable[[str], str]) -> Callable[[Issuer], str]:
    return lambda issuer: change(issuer.token())


@pytest.mark.parametrize(
    "make",
    [
        _changed(lambda token: token + "."),
        _changed(lambda token: token + ".AA"),
        _changed(lambda token: token + "=="),
        _changed(lambda token: token + "\n"),
        _changed(lambda token: " " + token),
        _changed(lambda token: token + "é"),
        _changed(lambda token: token.replace(".", "\uff0e")),
        _changed(lambda token: token.rpartition(".")[0]),
        _changed(lambda token: token.rpartition(".")[0] + "."),
        _changed(lambda token: "." + token.partition(".")[2]),
        _changed(lambda token: "Bearer " + token),
        lambda _: "",
        lambda _: "..",
        lambda _: "a.b.c",
        lambda issuer: issuer.sign(b"[]", issuer.claims()),
        lambda issuer: issuer.sign(issuer.header(), b'"ada"'),
        lambda issuer: issuer.sign(issuer.header(), b"\xff\xfe{}"),
        lambda issuer: issuer.sign(issuer.header(), b"[" * 2500),
        lambda issuer: issuer.sign(b"{", issuer.claims()),
    ],
)
def test_what_is_no_jwt_is_refused(issuer: Issuer, make: Callable[[Issuer], str]) -> None:
    assert issuer.reason(make(issuer)) == "malformed"


def test_every_character_of_a_token_counts(issuer: Issuer) -> None:
    token = issuer.token()
    for position in range(0, len(token), 3):
        other = "A" if token[position] != "A" else "B"
        issuer.reason(token[:position] + other + token[position + 1 :])


def test_a_long_token_is_not_even_looked_at(issuer: Issuer) -> None:
    assert issuer.reason(issuer.token(sub="a" * 4000)) == "size"
    started = time.perf_counter()
    assert issuer.reason("a" * 50_000_000) == "size"
    assert time.perf_counter() - started < 0.5
